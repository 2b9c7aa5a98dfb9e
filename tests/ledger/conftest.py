"""A place for a store of each kind, empty."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pointsman.ledger.contract import Store
from pointsman.ledger.stores.postgres import PostgresStore
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import DAY_MS
from tests.postgres import Cluster

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.local)]


class Place:
    """Where stores are made, and how to look at it past them."""

    def __init__(self, kind: str, where: str) -> None:
        self.kind = kind
        self.where = where
        self._made: list[Store] = []

    @property
    def flag(self) -> str:
        """For the process."""
        return f"--{'db' if self.kind == 'sqlite' else 'postgres'}={self.where}"

    def store(self, **options: Any) -> Store:
        """Not opened; it keeps requests for 30 days."""
        options = {"keep_events_ms": 30 * DAY_MS} | options
        made: Store
        if self.kind == "sqlite":
            made = SqliteStore(Path(self.where), **options)
        else:
            made = PostgresStore(self.where, **options)
        self._made.append(made)
        return made

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """By a connection of its own, committed."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.where, timeout=10)) as file, file:
                return file.execute(sql).fetchall()
        with psycopg.connect(self.where) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """All that were made here."""
        for store in self._made:
            store.close()


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Iterator[Place]:
    """A file that is not there yet."""
    place = Place("sqlite", str(tmp_path / "ledger.db"))
    yield place
    place.close()


@pytest.fixture
def postgres_place(postgres: Cluster) -> Iterator[Place]:
    """A database without tables."""
    place = Place("postgres", postgres.database())
    yield place
    place.close()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Place:
    """One of each kind."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def store(place: Place) -> Store:
    """Open."""
    made = place.store()
    made.open()
    return made
