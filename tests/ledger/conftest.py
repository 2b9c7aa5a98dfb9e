"""A store of each kind, empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.ledger.contract import Store
from pointsman.ledger.stores.postgres import PostgresStore
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import DAY_MS
from tests.postgres import Cluster

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.local)]


@pytest.fixture(params=KINDS)
def unopened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Keeps requests for 30 days; its place is empty."""
    found: Store
    if request.param == "sqlite":
        found = SqliteStore(tmp_path / "ledger.db", keep_events_ms=30 * DAY_MS)
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        found = PostgresStore(cluster.database(), keep_events_ms=30 * DAY_MS)
    yield found
    found.close()


@pytest.fixture
def store(unopened: Store) -> Store:
    """Open."""
    unopened.open()
    return unopened
