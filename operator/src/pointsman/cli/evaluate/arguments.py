"""The arguments of `pointsman evaluate`; imports little, so that every command starts fast."""

import argparse
import re
from decimal import Decimal
from pathlib import Path

from pointsman.cli.arguments import count, is_url, some_path

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def amount(text: str) -> Decimal:
    """Money, such as 1.50."""
    if not _AMOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount; write it as 1.50")
    return Decimal(text)


def price(text: str) -> tuple[str, str]:
    """Prices of a million tokens, as 0.15/0.60."""
    into, slash, out = text.partition("/")
    if not slash or not _AMOUNT.fullmatch(into) or not _AMOUNT.fullmatch(out):
        message = f"{text!r} is no price; write those of a million tokens as IN/OUT: 0.15/0.60"
        raise argparse.ArgumentTypeError(message)
    return into, out


def seconds(text: str) -> float:
    """A duration, such as 30s or 2m."""
    from pointsman.api.quantity import parse_duration  # noqa: PLC0415 - pydantic is behind it

    try:
        found = parse_duration(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration up to 1h; write it as 30s")
    return found


def some_url(text: str) -> str:
    """An http or https URL."""
    if not is_url(text):
        message = f"{text!r} is no URL; write it as http://127.0.0.1:8080/v1"
        raise argparse.ArgumentTypeError(message)
    return text.rstrip("/")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `pointsman evaluate`."""
    parser = commands.add_parser(
        "evaluate", help="ask models the golden prompts of a suite, and say how good they are"
    )
    parser.add_argument(
        "-f", "--filename", action="append", required=True, type=some_path,
        metavar="PATH", dest="paths",
        help="file or folder with the EvaluationSuite, its ConfigMap, ModelBackends; repeatable",
    )  # fmt: skip
    parser.add_argument("--suite", metavar="NAME", help="which suite; default: the only one")
    _who(parser)
    _how(parser)
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="BAR",
        help="exit with 1 if 'quality<0.8', 'Coding.quality_low<0.7', 'unscored>0.1', 'p95>2', "
        "'cost>1'; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--record", type=some_url, metavar="URL", help="hand the results to this ledger, too"
    )
    parser.add_argument(
        "--ledger-token-file", type=Path, metavar="FILE", help="file with the ledger's token"
    )
    parser.add_argument(
        "--ledger", type=some_url, metavar="URL",
        help="where a suite with spec.ledger draws its prompts from",
    )  # fmt: skip
    parser.add_argument(
        "--draw", type=Path, metavar="FILE",
        help="file that says which were drawn, by ids; remove it to draw anew "
        "(evaluate-SUITE.draw.json)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="default: table"
    )


def _who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", type=some_url, help="base URL of an OpenAI-compatible API or a router: .../v1"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="with --url: what to ask for; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--backend", action="append", default=[], metavar="NAME",
        help="instead: a ModelBackend of the files, with its URL and prices; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--api-key-env", action="append", default=[], metavar="[BACKEND=]NAME",
        help="environment variable with the API key; no key is sent without it",
    )  # fmt: skip
    parser.add_argument("--judge-url", type=some_url, help="where the judge is; default: --url")
    parser.add_argument(
        "--judge-api-key-env", metavar="NAME", help="variable with the key for --judge-url"
    )


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=count, default=1, metavar="M",
        help="ask everything M times: a baseline for drift needs several (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--concurrency", type=count, default=4, metavar="N",
        help="calls at once, 256 at most (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="TIME",
        help="longest time of a call, with its retries (60s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-cost", type=amount, metavar="AMOUNT",
        help="no call begins that could take the calls in the file over it",
    )  # fmt: skip
    parser.add_argument(
        "--price", type=price, metavar="IN/OUT",
        help="prices of a million tokens; default: the ModelBackends' in the files",
    )  # fmt: skip
    parser.add_argument("--judge-price", type=price, metavar="IN/OUT", help="the judge's")
    parser.add_argument("--currency", default="USD", help="of --price and --max-cost (%(default)s)")
    parser.add_argument(
        "--results", type=Path, metavar="FILE",
        help="file of all calls; the next start goes on with it (evaluate-SUITE.jsonl)",
    )  # fmt: skip
