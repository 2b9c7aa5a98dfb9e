"""The arguments of `pointsman reviews`."""

import argparse

from pointsman.cli.arguments import count
from pointsman.cli.listing.arguments import add_ledger, add_output

STATES = ("Pending", "Approved", "Edited", "Rejected", "TimedOut", "Withdrawn", "Ended", "All")
_ACTIONS = {
    "list": "the queue, what is most urgent first",
    "show": "one of them with its texts",
    "claim": "nobody else decides it for 5 minutes",
    "release": "give a claim back",
    "approve": "let it go as it is; claims it first",
    "edit": "let it go with another text; claims it first",
    "reject": "refuse it, with a message for the caller; claims it first",
}
DECIDING = ("approve", "edit", "reject")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman reviews`."""
    parser = commands.add_parser("reviews", help="requests that wait for a person")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in _ACTIONS.items():
        action = actions.add_parser(name, help=what, description=f"{what.capitalize()}.")
        if name == "list":
            action.add_argument(
                "--state", choices=STATES, default="Pending", metavar="STATE",
                help=f"{', '.join(STATES)}; default: Pending",
            )  # fmt: skip
            action.add_argument("--policy", metavar="NAME", help="of this policy only")
            action.add_argument(
                "--limit", type=count, default=100, metavar="N", help="at most so many (100)"
            )
            add_output(action)
        else:
            action.add_argument("id", metavar="ID", help="the review: the request's decision id")
            action.add_argument("-o", "--output", choices=("json", "yaml", "name"))
        if name in DECIDING:
            action.add_argument(
                "-m", "--message", default="", metavar="TEXT",
                help="kept with the decision; callers are told it with a refusal",
            )  # fmt: skip
            action.add_argument(
                "--request-hash", metavar="HASH", help="refuse unless it is about this request"
            )
        if name == "edit":
            action.add_argument(
                "-f", "--filename", metavar="FILE",
                help="the whole JSON as it shall be; - for stdin; default: opens $EDITOR",
            )  # fmt: skip
        add_ledger(action)
