"""`pointsman report`: asks a ledger, or reads its file, and prints."""

import argparse
import contextlib
import sys
from pathlib import Path

import msgspec

from pointsman.cli.ledger import LedgerFile, LedgerProcess, NoLedger, window
from pointsman.cli.report.arguments import LEDGER
from pointsman.cli.report.tables import csv_text, table
from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.summary import Summary


class NoReport(Exception):
    """The text says why there is none."""


def report(options: argparse.Namespace) -> int:
    """0 after printing; 1 with a line that says why not; 2 for times that mean nothing."""
    wrong = _wrong(options)
    if wrong:
        print(f"pointsman report: {wrong}", file=sys.stderr)
        return 2
    try:
        with contextlib.closing(_ledger(options)) as ledger:
            found = ledger.summary(options.since, options.until)
        if options.png is not None:
            _draw(found, options.png)
    except (NoReport, NoLedger) as error:
        print(f"pointsman report: {error}", file=sys.stderr)
        return 1
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(csv_text(found) if options.output == "csv" else table(found), end="")
    return 0


def _wrong(options: argparse.Namespace) -> str:
    """What means nothing in the flags."""
    try:
        window(options.since, options.until)
    except BadQuestion as error:
        return str(error)
    if options.db is not None and options.ledger is not None:
        return "--ledger and --db are two ways to the same: give one of them"
    return ""


def _ledger(options: argparse.Namespace) -> LedgerFile | LedgerProcess:
    if options.db is not None:
        return LedgerFile(options.db)
    return LedgerProcess(options.ledger or LEDGER, options.token_file)


def _draw(summary: Summary, path: Path) -> None:
    try:
        from pointsman.cli.report.figure import draw  # noqa: PLC0415
    except ImportError:
        raise NoReport("--png needs matplotlib: pip install matplotlib") from None
    try:
        draw(summary, path)
    except (OSError, ValueError) as error:
        raise NoReport(f"--png: {error}") from None
