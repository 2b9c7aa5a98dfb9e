"""The arguments of `pointsman audit log`."""

import argparse

from pointsman.cli.arguments import count
from pointsman.cli.listing.arguments import add_ledger, add_output

NAME = "audit-log"
"""`audit log` is read as this one: `audit` alone takes files, and is about what is asked."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman audit log`."""
    text = "who decided what, as the ledger keeps it: reviews, rollouts, sign-ins"
    parser = commands.add_parser(NAME, help=f"{text}; also: audit log", description=f"{text}.")
    parser.prog = parser.prog.replace(NAME, "audit log")
    parser.add_argument(
        "--since", default="168h", metavar="TIME",
        help="from then on: 24h, 7d, or 2026-11-26T07:00:00Z (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--until", metavar="TIME", help="up to then; default: now")
    parser.add_argument("--subject", metavar="NAME", help="about this only, such as a review's id")
    parser.add_argument(
        "--limit", type=count, default=100, metavar="N", help="the newest N at most (100)"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="instead: whether each entry still carries the hash of the one before; 1 if not",
    )  # fmt: skip
    add_output(parser)
    add_ledger(parser)
