"""The arguments of `pointsman adopt`; imports little, so that every command starts fast."""

import argparse
from pathlib import Path

from pointsman.cli.listing.arguments import add_cluster


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman adopt`."""
    parser = commands.add_parser(
        "adopt",
        help="a policy's YAML with the weights that were learned, to commit",
        description="A policy's YAML with the weights that were learned, to commit.",
    )
    parser.add_argument("name", metavar="POLICY", help="the RoutingPolicy")
    parser.add_argument(
        "-f", "--file", type=Path, metavar="FILE",
        help="the file that it comes from: printed with its comments and its order; default: "
        "what the API server has",
    )  # fmt: skip
    add_cluster(parser, all_namespaces=False)
