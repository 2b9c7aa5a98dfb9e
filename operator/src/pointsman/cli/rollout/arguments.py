"""The arguments of `pointsman rollout`; imports little, so that every command starts fast."""

import argparse

from pointsman.api.quantity import parse_duration
from pointsman.cli.listing.arguments import add_cluster

_ACTIONS = {
    "status": "how it goes; waits for its end: exit 0 promoted, 1 rolled back, 3 neither in time",
    "pause": "stay in this step",
    "resume": "go on",
    "approve": "let the step end that waits for a person",
    "promote": "take over now, whatever the guardrails say",
    "abort": "go back to the stable revision",
    "retry": "begin once more with a revision that was rolled back",
    "undo": "put the previous revision's spec back",
}


def seconds(text: str) -> float:
    """A duration such as 10m."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman rollout`."""
    parser = commands.add_parser("rollout", help="how a policy's new revision takes over")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, what in _ACTIONS.items():
        action = actions.add_parser(name, help=what, description=f"{what}.")
        action.add_argument("name", metavar="NAME", help="the RoutingPolicy")
        add_cluster(action, all_namespaces=False)
        action.add_argument(
            "--timeout", type=seconds, default=600.0, metavar="TIME",
            help="wait for so long: for the end, or until the order is obeyed; default: 10m, "
            "and 0s looks once",
        )  # fmt: skip
        action.add_argument(
            "-o", "--output", choices=("text", "json"), default="text", help="default: text"
        )
        if name == "approve":
            action.add_argument("--approver", metavar="NAME", help="default: who kubectl says I am")
            action.add_argument("--revision", help="refuse unless this is the candidate")
            action.add_argument(
                "--step", type=int, metavar="N", help="refuse unless it is in this step, from 0 on"
            )
        if name == "undo":
            action.add_argument("--to-revision", metavar="NAME", help="default: the one before")
