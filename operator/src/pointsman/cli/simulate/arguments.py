"""The arguments of `pointsman simulate`; imports nothing heavy."""

import argparse

from pointsman.cli.arguments import count, some_path
from pointsman.cli.traffic.arguments import add_output_tokens, add_window


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman simulate`."""
    parser = commands.add_parser(
        "simulate", help="what a policy would change: traffic replayed through one or two of them"
    )
    parser.add_argument(
        "-f", "--filename", action="append", required=True, type=some_path, metavar="PATH",
        dest="paths", help="policy and backends: file or folder of YAML; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--against", action="append", default=[], type=some_path, metavar="PATH",
        help="the same of what is in force now; may be repeated. Default: what a ledger recorded",
    )  # fmt: skip
    parser.add_argument(
        "--traffic", action="append", required=True, type=some_path, metavar="FILE|LEDGER",
        help="OpenAI requests, one a line, plain or gzip (- for stdin; may be repeated), or a "
        "ledger: its URL or its SQLite file",
    )  # fmt: skip
    parser.add_argument(
        "--ledger", metavar="FILE|URL",
        help="where latency and quality were measured; default: the ledger of --traffic",
    )  # fmt: skip
    parser.add_argument(
        "--learned", action="store_true",
        help="predictors choose by what they have learned from the ledger by now; default: by "
        "what is published of the models",
    )  # fmt: skip
    add_window(parser)
    parser.add_argument("--model", help="model name for requests whose own no policy has")
    add_output_tokens(parser)
    parser.add_argument(
        "--seed", type=count, default=1, help="of the dice that choose by weight (%(default)s)"
    )
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="CONDITION",
        help="end with 1 if so: cost>+5%%, latency>+10%%, quality<-0.02, changed>20%%, "
        "unroutable>0; several with commas, or repeated",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", choices=("table", "csv", "json"), default="table", help="default: table"
    )
