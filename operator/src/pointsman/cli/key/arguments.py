"""The arguments of `pointsman key`; imports nothing heavy, so that every command starts fast."""

import argparse
from datetime import datetime
from pathlib import Path

from pointsman.api.dataclass import CLASSES


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2027-01-31T00:00:00Z"
        ) from None


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman key`."""
    parser = commands.add_parser("key", help="API keys for callers of the router")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="a new key; one more for a caller that has one")
    retire = actions.add_parser("retire", help="take all keys of a caller but its newest")
    limit = actions.add_parser("limit", help="what a caller or a team may take, and no more")
    for action in (create, retire, limit):
        action.add_argument("name", metavar="NAME", help="the caller")
    limit.add_argument("--team", action="store_true", help="NAME is a team, whose callers share it")
    for action in (create, limit):
        action.add_argument("--rpm", type=int, metavar="N", help="requests a minute")
        action.add_argument("--tpm", type=int, metavar="N", help="tokens a minute")
        action.add_argument(
            "--max-concurrent-requests", type=int, metavar="N", help="requests in work at once"
        )
    create.add_argument("--team", help="who answers for it: a label of metrics")
    create.add_argument(
        "--data-class", choices=tuple(map(str, CLASSES)), metavar="CLASS",
        help="the class of data that its requests have at least: %(choices)s",
    )  # fmt: skip
    create.add_argument(
        "--policy", action="append", metavar="NAME",
        help="a RoutingPolicy that it may use; may be given again; default: all",
    )  # fmt: skip
    create.add_argument(
        "--expires-at", type=_time, metavar="TIME",
        help="when it ends, such as 2027-01-31T00:00:00Z; default: never",
    )  # fmt: skip
    create.add_argument("--namespace", help="namespace of a new Secret; default: kubectl decides")
    create.add_argument("--into", type=Path, metavar="FILE", help="manifest to write or to change")
    for action in (retire, limit):
        action.add_argument("--into", type=Path, metavar="FILE", required=True, help="the manifest")
    show = actions.add_parser("list", help="the callers of a manifest")
    show.add_argument("file", type=Path, metavar="FILE")
    for action in (create, retire, limit, show):
        action.add_argument(
            "--secret", metavar="NAME",
            help="the Secret; default: the only one of callers in the file, else pointsman-callers",
        )  # fmt: skip
    actions.add_parser("hash", help="the hash of a key on stdin, as an entry wants it")
