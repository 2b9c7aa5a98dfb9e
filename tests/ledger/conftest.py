"""A store of each kind, empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.ledger.contract import Store
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import DAY_MS


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Keeps requests for 30 days."""
    found: Store = SqliteStore(tmp_path / "ledger.db", keep_events_ms=30 * DAY_MS)
    found.open()
    yield found
    found.close()
