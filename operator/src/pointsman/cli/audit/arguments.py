"""The arguments of `pointsman audit`; imports nothing heavy, so that every command starts fast."""

import argparse
from pathlib import Path

from pointsman.cli.arguments import count, some_path
from pointsman.cli.traffic.arguments import add_output_tokens, add_window


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman audit`."""
    parser = commands.add_parser(
        "audit", help="what a fleet is really asked, by its requests or a ledger; a first policy"
    )
    parser.add_argument(
        "files", nargs="*", type=some_path, metavar="FILE",
        help="OpenAI requests, one a line, plain or gzip; - for stdin",
    )  # fmt: skip
    parser.add_argument(
        "--ledger", metavar="FILE|URL", help="a ledger instead: its URL, or its SQLite file"
    )
    add_window(parser)
    parser.add_argument(
        "-f", "--filename", action="append", default=[], type=some_path, metavar="PATH",
        dest="paths", help="file or folder of YAML with backends; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--price", action="append", default=[], metavar="[MODEL=]IN/OUT",
        help="price of a million tokens, as 2.50/10; may be repeated, once a model",
    )  # fmt: skip
    add_output_tokens(parser)
    parser.add_argument(
        "--policy-out", type=Path, metavar="FILE", help="write the first policy to this file"
    )
    parser.add_argument(
        "--show-examples", type=count, default=0, metavar="N",
        help="print the head of N prompts of each task; without it none is printed",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", choices=("table", "csv", "json"), default="table", help="default: table"
    )
