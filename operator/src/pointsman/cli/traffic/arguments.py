"""Flags that `audit`, `simulate` and `explain` share; imports nothing heavy."""

import argparse
from pathlib import Path


def add_window(parser: argparse.ArgumentParser) -> None:
    """Which part of a ledger."""
    parser.add_argument(
        "--since", default="24h", metavar="TIME",
        help="of a ledger: from then on: 24h, 7d, or 2026-11-26T07:00:00Z (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--until", default="0s", metavar="TIME", help="up to then; default: now")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="NAME",
        help="of a ledger: only requests of this policy; may be repeated",
    )  # fmt: skip
    add_token(parser)


def add_token(parser: argparse.ArgumentParser) -> None:
    """For a ledger that asks for one."""
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the ledger's bearer token"
    )


def add_output_tokens(parser: argparse.ArgumentParser) -> None:
    """What is assumed of answers."""
    parser.add_argument(
        "--output-tokens", action="append", default=[], metavar="[TASK=]N",
        help="tokens of an answer that nobody counted; may be repeated, once a task (211)",
    )  # fmt: skip
