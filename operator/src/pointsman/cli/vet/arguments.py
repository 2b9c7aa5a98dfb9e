"""The arguments of `pointsman vet`; imports nothing heavy, so that every command starts fast."""

import argparse
from pathlib import Path
from typing import Final

from pointsman.cli.arguments import count, some_path
from pointsman.cli.evaluate.arguments import seconds, some_url

_MOST_DAYS: Final = 36_500


def days(text: str) -> int:
    """Up to a century: a date has to be left."""
    found = count(text)
    if found > _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_DAYS:,} days")
    return found


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman vet`."""
    parser = commands.add_parser(
        "vet", help="try a model before it is let in, and print the approval to commit"
    )
    parser.add_argument("backend", nargs="?", metavar="BACKEND", help="a ModelBackend of the files")
    parser.add_argument(
        "-f", "--filename", action="append", default=[], type=some_path,
        metavar="PATH", dest="paths", help="file or folder with the ModelBackend; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--url", type=some_url,
        help="where to ask: base URL of an OpenAI-compatible API or a router (.../v1); default: "
        "the backend's own",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="NAME", help="with --url: what to ask for; default: the backend's model"
    )
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable with the API key"
    )
    parser.add_argument(
        "--license", action="append", default=[], metavar="SPDX",
        help="a license that is allowed; may be repeated; default: any that is stated",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=Path, metavar="FILE",
        help="the weights: their SHA-256 has to be the backend's provenance.digest",
    )  # fmt: skip
    parser.add_argument(
        "--at-least", type=count, default=100, metavar="PERCENT",
        help="how many answers of each group have to be right (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=count, default=1, metavar="M", help="ask everything M times (%(default)s)"
    )
    parser.add_argument(
        "--concurrency", type=count, default=4, metavar="N", help="calls at once (%(default)s)"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="TIME",
        help="longest time of a call, with its retries (60s)",
    )  # fmt: skip
    parser.add_argument("--by", metavar="NAME", help="who approves; default: to be filled in")
    parser.add_argument(
        "--days", type=days, default=180, help="how long the approval holds (%(default)s)"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="where the report goes (vet-NAME.json)"
    )
    parser.add_argument("--print-suite", action="store_true", help="print what is asked, and end")
