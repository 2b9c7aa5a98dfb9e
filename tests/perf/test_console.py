"""The measurement of the console: every page is asked, and one that is none is no figure."""

from pathlib import Path

import pytest

from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.perf.console import fill, measure, pages

pytestmark = pytest.mark.local


def test_each_page_is_measured(tmp_path: Path) -> None:
    """Of a small ledger, with all its kinds of rows."""
    store = SqliteStore(tmp_path / "ledger.db", keep_events_ms=40 * DAY_MS)
    store.open()
    decision = fill(store, 29.9, 600)
    rated = store.query("SELECT count(*) FROM feedback", ())[0][0]
    store.close()
    found = measure(f"--db={tmp_path / 'ledger.db'}", decision)

    assert rated == 60
    assert found.keys() == pages(decision).keys()
    assert all(0 < one["median_ms"] <= one["worst_ms"] for one in found.values())


def test_a_page_that_is_not_there_is_no_figure(tmp_path: Path) -> None:
    """It fails the run."""
    store = SqliteStore(tmp_path / "ledger.db", keep_events_ms=40 * DAY_MS)
    store.open()
    store.close()
    with pytest.raises(AssertionError, match="404"):
        measure(f"--db={tmp_path / 'ledger.db'}", "nowhere")
