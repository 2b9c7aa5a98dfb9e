"""The arguments of `pointsman approve`."""

import argparse

from pointsman.cli.listing.arguments import add_cluster
from pointsman.cli.rollout.arguments import seconds


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman approve`."""
    parser = commands.add_parser(
        "approve",
        help="let a rollout's step end; without a name: what waits for approval",
        description="Approves the step that a policy's rollout waits in, as `rollout approve` "
        "does. Models are approved in YAML, held requests by `reviews approve`.",
    )
    parser.add_argument("name", nargs="?", metavar="POLICY", help="the RoutingPolicy")
    parser.add_argument("--approver", metavar="NAME", help="default: who kubectl says I am")
    parser.add_argument("--revision", help="refuse unless this is the candidate")
    parser.add_argument(
        "--step", type=int, metavar="N", help="refuse unless it is in this step, from 0 on"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=600.0, metavar="TIME",
        help="wait until it is obeyed (10m)",
    )  # fmt: skip
    add_cluster(parser)
    parser.add_argument(
        "-o", "--output", choices=("wide", "json", "yaml", "name"), help="default: a table or text"
    )
