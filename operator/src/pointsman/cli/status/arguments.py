"""The arguments of `pointsman status`."""

import argparse

from pointsman.cli.listing.arguments import add_cluster, add_output


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman status`."""
    text = "the whole fleet on one page: policies, backends, rollouts, and why one is not ready"
    parser = commands.add_parser("status", help=text, description=f"{text.capitalize()}.")
    add_cluster(parser)
    add_output(parser)
