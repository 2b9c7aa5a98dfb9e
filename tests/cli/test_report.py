"""`pointsman report` as a user types it: from the ledger's file and from its process."""

import csv
import io
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.__main__ import main
from pointsman.cli.ledger import LEDGER, LedgerFile, unasked
from pointsman.events.schema import Event
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import batch, feedback, request, window
from tests.ledger.process import ledger_process

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three requests to two backends, one rated, one estimated, two lost."""
    now_ms = time.time_ns() // 1_000_000
    path = tmp_path / "ledger.db"
    store = SqliteStore(path, keep_events_ms=30 * DAY_MS)
    store.open()
    events: list[Event | bytes] = [
        request(1, at_ms=now_ms - 5, baseline_nano=2_000_000_000, cost_nano=1_500_000_000),
        request(2, at_ms=now_ms, cost_nano=50, estimated=True),
        request(3, at_ms=now_ms, backend="big", task="", team="", status=502, outcome="Broken"),
        feedback(1, score=0.75),
    ]
    store.ingest([batch(events, first=3)], now_ms)
    store.close()
    return path


def test_where_nobody_answers_by_default_another_ledger_is_named() -> None:
    """That of `pointsman up` has a free port each time; who gave a URL meant it."""
    assert "`pointsman up`" in unasked(LEDGER, OSError("refused"))
    assert "`pointsman up`" not in unasked("http://127.0.0.1:1", OSError("refused"))


def test_a_table_for_people(file: Path, capsys: Capture) -> None:
    """What costs most first, totals, teams, and what the figures leave out."""
    assert main(["report", "--db", str(file), "--since", "1h"]) == 0
    said = capsys.readouterr().out.splitlines()
    head = next(n for n, line in enumerate(said) if line.startswith("backend"))
    small, big, total = said[head + 1 : head + 4]
    assert small.split()[:6] == ["small", "coding", "2", "0.0%", "0.0%", "200"]
    assert "1.5000 USD~" in small
    assert "0.5000 USD" in small
    assert "0.75 [0.12, 0.99]" in small
    assert big.split()[:4] == ["big", "-", "1", "100.0%"]
    assert total.split()[:2] == ["total", "3"]
    assert any(line.startswith("blue") for line in said)
    assert "2 events were lost by routers that could not keep them." in said
    assert "~ 1 answers did not state their tokens: these are estimated." in said


def test_csv_and_json_for_programs(file: Path, capsys: Capture) -> None:
    """The same figures, exact."""
    assert main(["report", "--db", str(file), "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["backend"], row["task"], row["cost_nano"]) for row in rows] == [
        ("small", "coding", "1500000050"), ("big", "", "1000"),
    ]  # fmt: skip
    assert (rows[0]["quality"], rows[0]["quality_n"], rows[1]["quality"]) == ("0.75", "1", "")
    assert rows[0]["savings_nano"] == "500000000"

    assert main(["report", "--db", str(file), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["totals"][0]["cost_nano"] == 1_500_001_050
    assert told["lines"][0]["duration"]["n"] == 2


def test_replicas_that_are_paid_by_the_hour(file: Path, capsys: Capture) -> None:
    """Apart from requests, and with them in the bill; in CSV in rows that add up."""
    now_ms = time.time_ns() // 1_000_000
    at_ms = now_ms - now_ms % 300_000
    store = SqliteStore(file, keep_events_ms=30 * DAY_MS)
    store.open()
    events: list[Event | bytes] = [
        request(9, at_ms=now_ms, backend="own", cost_nano=0),
        window(from_ms=at_ms), window(from_ms=at_ms - 600_000, watched_ms=0),
    ]  # fmt: skip
    store.ingest([batch(events, spool="operator-1")], now_ms)
    store.close()

    assert main(["report", "--db", str(file), "--since", "1h"]) == 0
    said = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(said) if line.startswith("paid by the hour"))
    assert said[at + 1].split() == [
        "own", "0.33", "50%", "0.8333", "USD", "0.4167", "USD", "1", "0.8333", "USD",
        "5,555.56", "USD", "0.17", "h",
    ]  # fmt: skip
    assert said[at + 3] == (
        "bill: requests 1.5000 USD + replicas 0.8333 USD = 2.3333 USD; saved, less the replicas:"
        " -0.3333 USD"
    )
    assert any(line.startswith("unknown: nobody watched") for line in said)

    assert main(["report", "--db", str(file), "--since", "1h", "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    own = rows[-1]
    assert (own["backend"], own["requests"], own["replica_cost_nano"]) == ("own", "", "833333334")
    assert sum(int(row["cost_nano"] or 0) for row in rows) == 1_500_001_050
    assert main(["report", "--db", str(file), "--since", "1h", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["hosted"][0]["unknown_ms"] == 600_000
    assert told["bills"][0]["total_nano"] == 1_500_001_050 + 833_333_334


@pytest.mark.slow
def test_a_picture(file: Path, tmp_path: Path, capsys: Capture) -> None:
    """Beside the table; where it cannot be written there is one line."""
    target = tmp_path / "report.png"
    assert main(["report", "--db", str(file), "--png", str(target)]) == 0
    assert target.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    capsys.readouterr()
    assert main(["report", "--db", str(file), "--png", str(tmp_path / "no" / "x.png")]) == 1
    assert capsys.readouterr().err.startswith("pointsman report: --png: ")


@pytest.mark.slow
def test_what_the_picture_shows(file: Path) -> None:
    """Cost, savings, latency and quality of each line, with intervals and counts."""
    from matplotlib import pyplot

    from pointsman.cli.report.figure import figure_of

    with closing(LedgerFile(file)) as ledger:
        figure = figure_of(ledger.summary("1h", "0s"))
    drawn: Any = figure.axes
    cost, saved, latency, quality = drawn
    pyplot.close(figure)
    assert [text.get_text() for text in cost.get_yticklabels()] == [
        "big · -\n1 requests", "small · coding\n2 requests",
    ]  # fmt: skip
    assert [bar.get_width() for bar in cost.patches] == [0.001, 750.000025]
    assert [bar.get_width() for bar in saved.patches] == [0.0, 250.0]
    assert [text.get_text() for text in latency.texts] == ["n = 2"]
    assert len(latency.lines) == 2
    assert [text.get_text() for text in quality.texts] == ["n = 1"]
    low, high = quality.lines[0].get_xdata()
    assert 0 < low < 0.75 < high < 1


def test_no_requests(file: Path, tmp_path: Path, capsys: Capture) -> None:
    """Said in every form; a picture is empty."""
    ask = ["report", "--db", str(file), "--since", "2025-01-01", "--until", "2025-01-02"]
    assert main([*ask, "--png", str(tmp_path / "x.png")]) == 0
    assert capsys.readouterr().out == "2025-01-01 00:00 to 2025-01-02 00:00 UTC: no requests\n"
    assert main([*ask, "-o", "csv"]) == 0
    assert capsys.readouterr().out.strip() == "backend,task,currency"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--since", "yesterday"], 2, "24h, 7d or 30m"),
        (["--since", "1h", "--until", "2h"], 2, "before --until"),
        (["--db", "x.db", "--ledger", "http://x"], 2, "give one of them"),
        (["--db", "missing.db"], 1, "there is no such file"),
        (["--ledger", "localhost:9903"], 1, "has to be a URL"),
        (["--ledger", "http://127.0.0.1:1"], 1, "cannot be asked"),
        (["--ledger", "http://127.0.0.1:1", "--token-file", "missing"], 1, "--token-file"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], status: int, words: str, capsys: Capture
) -> None:
    """That says what to do."""
    assert main(["report", *options]) == status
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_file_of_somebody_else_is_only_looked_at(tmp_path: Path, capsys: Capture) -> None:
    """And one of an older schema is not brought up to date by a report."""
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes\n" * 99)
    assert main(["report", "--db", str(notes)]) == 1
    assert notes.read_text() == "my notes\n" * 99
    old = tmp_path / "old.db"
    store = SqliteStore(old, keep_events_ms=DAY_MS)
    store.open(1)
    store.close()
    capsys.readouterr()
    assert main(["report", "--db", str(old)]) == 1
    assert "has schema 1" in capsys.readouterr().err


def test_a_file_of_a_newer_ledger_is_said_to_be(file: Path, capsys: Capture) -> None:
    """To start its ledger would not help: a newer report does."""
    with closing(sqlite3.connect(file)) as store, store:
        store.execute("INSERT INTO pointsman_schema VALUES (99, 'later')")
    before = file.read_bytes()
    assert main(["report", "--db", str(file)]) == 1
    said = capsys.readouterr().err
    assert "has schema 99" in said
    assert "newer" in said
    assert "start its ledger" not in said
    assert file.read_bytes() == before


@pytest.mark.local
def test_from_a_running_ledger(file: Path, tmp_path: Path, capsys: Capture) -> None:
    """By HTTP with its token, and by its file beside it: the same."""
    token = tmp_path / "token"
    token.write_text("secret-token")
    with ledger_process(f"--db={file}", f"--token-file={token}") as ledger:
        url = f"http://127.0.0.1:{ledger.port}"
        assert main(["report", "--ledger", url]) == 1
        assert "401: --token-file is needed" in capsys.readouterr().err
        ask = ["report", "--since", "1h", "-o", "csv"]
        assert main([*ask, "--ledger", url, "--token-file", str(token)]) == 0
        told = capsys.readouterr().out
        assert main([*ask, "--db", str(file)]) == 0
        assert capsys.readouterr().out == told
        assert ledger.end() == 0
