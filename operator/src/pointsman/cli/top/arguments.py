"""The arguments of `pointsman top`."""

import argparse

from pointsman.cli.listing.arguments import add_cluster, add_output


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman top`."""
    text = "live load of each backend: requests in work, held and queued, and replicas"
    parser = commands.add_parser("top", help=text, description=f"{text.capitalize()}.")
    parser.add_argument(
        "--router", action="append", default=[], metavar="URL",
        help="a router's admin port, in place of a cluster's routers; may be repeated",
    )  # fmt: skip
    add_cluster(parser)
    add_output(parser)
