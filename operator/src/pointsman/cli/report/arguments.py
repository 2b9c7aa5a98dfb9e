"""The arguments of `pointsman report`; imports nothing, so that every command starts fast."""

import argparse
from pathlib import Path

LEDGER = "http://127.0.0.1:9903"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman report`."""
    parser = commands.add_parser(
        "report", help="cost, speed, quality and savings by model and task, from the ledger"
    )
    parser.add_argument(
        "--since", default="24h", metavar="TIME",
        help="from then on: 24h, 7d, or 2026-11-26T07:00:00Z (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--until", default="0s", metavar="TIME", help="up to then; default: now")
    parser.add_argument("--ledger", metavar="URL", help=f"the ledger; default: {LEDGER}")
    parser.add_argument("--db", type=Path, metavar="FILE", help="its SQLite file, read past it")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the ledger's bearer token"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "csv", "json"), default="table", help="default: table"
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw it, too; needs matplotlib")
