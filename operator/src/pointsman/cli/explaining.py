"""The arguments of `pointsman explain`; imports nothing heavy: every command starts fast."""

import argparse

from pointsman.cli.arguments import count, some_path
from pointsman.cli.report.arguments import LEDGER
from pointsman.cli.traffic.arguments import add_token


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman explain`."""
    explain = commands.add_parser("explain", help="which backend a request goes to, and why")
    explain.add_argument(
        "-f", "--filename", action="append", default=[], type=some_path,
        metavar="PATH", dest="paths", help="file or folder of YAML; may be repeated",
    )  # fmt: skip
    explain.add_argument("--prompt", help="text of the user; - reads stdin")
    explain.add_argument(
        "--request", metavar="FILE:LINE", help="a line of a file of OpenAI requests instead"
    )
    explain.add_argument(
        "--decision", metavar="ID",
        help="a request that was answered (x-pointsman-decision-id), as the ledger has it",
    )  # fmt: skip
    explain.add_argument(
        "--ledger", metavar="FILE|URL", default=LEDGER,
        help="of --decision and --learned: the ledger, or its SQLite file (%(default)s)",
    )  # fmt: skip
    explain.add_argument(
        "--learned", action="store_true",
        help="predictors choose by what they have learned from the ledger by now",
    )  # fmt: skip
    add_token(explain)
    explain.add_argument("--model", help="model that the caller names; default: the only policy's")
    explain.add_argument("--system", default="", help="text of the system message")
    explain.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="a header of the request; may be repeated",
    )  # fmt: skip
    explain.add_argument(
        "--metadata", action="append", default=[], metavar="KEY=VALUE",
        help="an entry of the request's metadata; may be repeated",
    )  # fmt: skip
    explain.add_argument(
        "--max-tokens", type=count, default=0, help="length of the answer asked for"
    )
    explain.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="default: text"
    )
