"""The measurement of the ledger: it measures what it says, and a refusal is no figure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.perf.ledger import FRAME, WRITERS, bodies, events, send

pytestmark = pytest.mark.local


@pytest.mark.usefixtures("postgres")
def test_a_small_run_on_both_stores(tmp_path: Path) -> None:
    """Every event was taken, and the summary found every row."""
    target = tmp_path / "figures.json"
    options = ["--events", str(4 * WRITERS * FRAME), "--rows", "3000", "--json", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.perf.ledger", *options],
        capture_output=True, text=True, timeout=240, check=False, env=os.environ | {"QUICK": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(target.read_text())
    assert [row["store"] for row in found["ingest"]] == ["sqlite", "postgres"]
    for row in found["ingest"]:
        assert (row["events"], row["failures"]) == (4 * WRITERS * FRAME, [])
        assert row["ledger_us"] > 1
    for row in found["summary"]:
        assert row["all_requests"] == row["rows"] == 3000
        assert 0 < row["day_requests"] < row["week_requests"] < 3000


def test_events_are_spread_over_their_time() -> None:
    """In its order, and the same ones each time."""
    made = list(events(100, 1000, 2000))
    assert made == list(events(100, 1000, 2000))
    assert [made[0].at_ms, made[50].at_ms, made[99].at_ms] == [1000, 1500, 1990]
    assert sum(len(body.splitlines()) - 1 for body in bodies(1200, 0, "x")) == 1200


def test_nobody_to_send_to_is_no_figure() -> None:
    """It ends with an error instead of a fast zero."""
    with pytest.raises(ConnectionRefusedError):
        send(1, [b"x"], [])
