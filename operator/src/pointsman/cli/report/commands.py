"""`pointsman report`: asks a ledger, or reads its file, and prints."""

import argparse
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import msgspec

from pointsman.cli.report.arguments import LEDGER
from pointsman.cli.report.tables import csv_text, table
from pointsman.ledger.asking import BadQuestion, ask, when
from pointsman.ledger.contract import StoreError
from pointsman.ledger.summary import Summary

TIMEOUT_S = 30.0
MAX_BYTES = 64 * 1024 * 1024


class NoReport(Exception):
    """The text says why there is none."""


def report(options: argparse.Namespace) -> int:
    """0 after printing; 1 with a line that says why not; 2 for times that mean nothing."""
    now_ms = time.time_ns() // 1_000_000
    try:
        from_ms, to_ms = when(options.since, now_ms), when(options.until, now_ms)
    except BadQuestion as error:
        print(f"pointsman report: {error}", file=sys.stderr)
        return 2
    wrong = ""
    if from_ms >= to_ms:
        wrong = "--since has to be before --until"
    elif options.db is not None and options.ledger is not None:
        wrong = "--ledger and --db are two ways to the same: give one of them"
    if wrong:
        print(f"pointsman report: {wrong}", file=sys.stderr)
        return 2
    try:
        if options.db is not None:
            found = _of_file(options.db, from_ms, to_ms)
        else:
            found = _of_ledger(options.ledger or LEDGER, options)
        if options.png is not None:
            _draw(found, options.png)
    except NoReport as error:
        print(f"pointsman report: {error}", file=sys.stderr)
        return 1
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(csv_text(found) if options.output == "csv" else table(found), end="")
    return 0


def _of_file(path: Path, from_ms: int, to_ms: int) -> Summary:
    from pointsman.ledger.stores.sqlite import SqliteStore  # noqa: PLC0415

    store = SqliteStore(path, keep_events_ms=0)
    try:
        store.look()
        return ask(store, from_ms, to_ms)
    except StoreError as error:
        raise NoReport(str(error)) from None
    finally:
        store.close()


def _of_ledger(url: str, options: argparse.Namespace) -> Summary:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise NoReport(f"--ledger has to be a URL such as {LEDGER}")
    query = urllib.parse.urlencode({"since": options.since, "until": options.until})
    request = urllib.request.Request(f"{url.rstrip('/')}/v1/summary?{query}")  # noqa: S310
    if options.token_file is not None:
        try:
            token = options.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NoReport(f"--token-file cannot be read: {error}") from None
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(MAX_BYTES), type=Summary)
    except urllib.error.HTTPError as error:
        hint = ": --token-file is needed" if error.code == 401 else f": {_reason(error)}"
        raise NoReport(f"{url} answered {error.code}{hint}") from None
    except (OSError, ValueError) as error:
        what = getattr(error, "reason", error)
        raise NoReport(f"{url} cannot be asked: {what}") from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(msgspec.json.decode(error.read(10_000), type=dict[str, str]).get("reason", ""))
    except (OSError, msgspec.DecodeError):
        return str(error.reason)


def _draw(summary: Summary, path: Path) -> None:
    try:
        from pointsman.cli.report.figure import draw  # noqa: PLC0415
    except ImportError:
        raise NoReport("--png needs matplotlib: pip install matplotlib") from None
    try:
        draw(summary, path)
    except (OSError, ValueError) as error:
        raise NoReport(f"--png: {error}") from None
