"""The schema goes forward and back with rows in it, and a store of somebody else stays as it is."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.api.predicting import Choice, Rated
from pointsman.events.reviews import Webhook
from pointsman.events.schema import WINDOW_MS, Event, Request, Text
from pointsman.ledger.asking import ask
from pointsman.ledger.contract import Store, StoreUnfit
from pointsman.ledger.reviews.deciding import claim
from pointsman.ledger.reviews.opening import open_held
from pointsman.ledger.rows import event_of
from pointsman.ledger.stores.schema import STEPS, VERSION
from pointsman.ledger.stores.sqlite import SqliteStore
from pointsman.ledger.summary import Line
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS, batch, feedback, request, window
from tests.ledger.reviews.opened import ADA
from tests.ledger.reviews.opened import opening as held
from tests.ledger.test_evaluations import evaluation
from tests.ledger.test_leases import asked, wanted
from tests.postgres import Cluster

_TOLD: dict[str, Any] = {
    "evidence": ("code: fence",),
    "complexity": "Simple",
    "domain": "Software",
    "choice": Choice(
        mode="Apply", backend="small", candidates=(Rated(backend="small", quality=0.5),)
    ),
}
_SINCE = {"evidence": 6, "complexity": 7, "domain": 7, "choice": 7}
"""What requests have -> the schema that brought it."""
_PLAIN: dict[str, Any] = {"evidence": (), "complexity": "", "domain": "", "choice": None}


def _filled(place: Place) -> Store:
    """Three requests on two days, one with text, feedback bound and waiting."""
    store = place.store()
    store.open()
    events: list[Event | bytes] = [
        request(1, text=Text(how="Full", prompt="p", keep_s=60), **_TOLD),
        request(2, at_ms=NOW_MS - DAY_MS, **_TOLD),
        request(3, **_TOLD),
        feedback(1, score=0.5),
        feedback(9),
        window(),
    ]
    store.ingest([batch(events)], NOW_MS)
    return store


def _total(store: Store) -> Line:
    (line,) = ask(store, NOW_MS - 9 * DAY_MS, NOW_MS + DAY_MS).totals
    return line


def _tables(place: Place) -> set[str]:
    names = {
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    }
    return {name for (name,) in place.execute(names[place.kind])}


@pytest.mark.slow
def test_back_to_each_older_schema_and_forward_again(place: Place) -> None:
    """Rows of tables that the older one knows are there in the end, and everything works."""
    store = _filled(place)
    before = _total(store)
    assert store.version() == VERSION == len(STEPS)
    for older in range(VERSION - 1, 0, -1):
        store.close()
        store = place.store()
        store.open(older)
        assert store.version() == older
        assert place.execute("SELECT sum(requests) FROM rollups WHERE span_ms = 300000") == [(3,)]
        assert place.execute("SELECT next FROM spools") == [(7,)]
        store.close()
        store = place.store()
        store.open()
        assert store.version() == VERSION

    after = _total(store)
    assert before.quality is not None
    assert (after.requests, after.cost_nano, after.quality) == (3, before.cost_nano, None)
    (taken,) = store.ingest([batch([feedback(3), request(4), feedback(2)], first=7)], NOW_MS)
    assert (taken.requests, taken.feedback) == (1, 2)
    assert _total(store).feedback == 2


_BROUGHT = {
    "feedback": 2,
    "pending": 2,
    "texts": 3,
    "leases": 4,
    "budgets": 4,
    "windows": 5,
    "hosted": 5,
    "evaluations": 8,
    "reviews": 10,
    "review_texts": 10,
    "review_webhooks": 10,
    "audit": 10,
}
"""Table -> the schema that brought it."""


@pytest.mark.slow
@pytest.mark.parametrize("older", range(1, VERSION))
def test_what_the_older_schema_knows_is_kept(place: Place, older: int) -> None:
    """Row by row; what it does not know comes back empty, and is filled anew."""
    store = _filled(place)
    store.lend(asked("router", 1, wanted(100)))
    store.ingest([batch([evaluation()], spool="spool-evaluate-1")], NOW_MS)
    webhooks = (Webhook("hooks.desk", "https://hooks.example/"),)
    store.transact(lambda t: open_held(t, held(webhooks=webhooks), NOW_MS))
    store.transact(lambda t: claim(t, "d-1", ADA, NOW_MS))
    before = {table: sorted(place.execute(f"SELECT * FROM {table}"), key=str) for table in _BROUGHT}
    assert all(before.values())
    known = _requests(store)
    assert all(getattr(known[0], name) == value for name, value in _TOLD.items())
    store.close()
    for version in (older, None):
        store = place.store()
        store.open(version)
        if version is not None:
            store.close()

    for table, since in _BROUGHT.items():
        found = sorted(place.execute(f"SELECT * FROM {table}"), key=str)
        assert found == (before[table] if older >= since else []), table
    gone = {name: _PLAIN[name] for name, since in _SINCE.items() if older < since}
    assert _requests(store) == [replace(one, **gone) for one in known]
    fourth = replace(known[0], decision="d-4")
    (taken,) = store.ingest([batch([fourth, window(), window(1)], first=7)], NOW_MS)
    (hosted,) = ask(store, NOW_MS - DAY_MS, NOW_MS + DAY_MS).hosted
    assert (taken.requests, hosted.replica_ms) == (1, 2 * 2 * WINDOW_MS)
    assert [event_of(row) for row in store.recorded("d-4")] == [fourth]
    if older < 10:  # the trail begins anew
        store.transact(lambda t: open_held(t, held(), NOW_MS))
        store.transact(lambda t: claim(t, "d-1", ADA, NOW_MS))
        assert place.execute("SELECT seq FROM audit") == [(1,)]


def _requests(store: Store) -> list[Request]:
    return [event_of(row) for number in (1, 2, 3) for row in store.recorded(f"d-{number}")]


def test_back_to_nothing(place: Place) -> None:
    """Leaves only the table of versions."""
    store = _filled(place)
    store.close()
    store = place.store()
    store.open(0)
    assert store.version() == 0
    assert _tables(place) == {"pointsman_schema"}


@pytest.mark.parametrize("target", [-1, VERSION + 1])
def test_a_schema_that_nobody_knows_is_refused(place: Place, target: int) -> None:
    """As a target."""
    with pytest.raises(StoreUnfit, match="no way"):
        place.store().open(target)


def test_a_newer_schema_is_left_alone(place: Place) -> None:
    """With both numbers in the message, whether it is to be used or to go back."""
    _filled(place).close()
    place.execute(f"INSERT INTO pointsman_schema VALUES ({VERSION + 1}, 'later')")
    tables = _tables(place)

    for target in (None, VERSION, 0):
        with pytest.raises(StoreUnfit, match=f"schema {VERSION + 1}.*knows {VERSION}"):
            place.store().open(target)
    assert _tables(place) == tables
    assert place.execute("SELECT sum(requests) FROM rollups WHERE span_ms = 300000") == [(3,)]


def test_opening_again_changes_nothing(place: Place) -> None:
    """As every start of a process does."""
    store = _filled(place)
    again = place.store()
    again.open()
    assert _total(again) == _total(store)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Byte for byte."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnfit, match=r"notes\.txt is no SQLite database"):
        SqliteStore(path, keep_events_ms=DAY_MS).open()
    assert path.read_bytes() == b"no database" * 1000


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Byte for byte, whatever its tables are called."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE requests (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnfit, match="of another program"):
        SqliteStore(path, keep_events_ms=DAY_MS).open()
    assert path.read_bytes() == before


def test_a_damaged_file_is_said_to_be(sqlite_place: Place) -> None:
    """Its schema is what is read first."""
    _filled(sqlite_place).close()
    path = Path(sqlite_place.where)
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * (4096 - 100)
    path.write_bytes(data)
    with pytest.raises(StoreUnfit, match="damaged"):
        sqlite_place.store().open()


@pytest.mark.local
def test_a_database_of_another_encoding_is_refused(postgres: Cluster) -> None:
    """Before anything is made in it."""
    place = Place("postgres", postgres.database("LATIN1"))
    with pytest.raises(StoreUnfit, match="UTF8"):
        place.store().open()
    assert _tables(place) == set()
    place.close()


@pytest.mark.local
def test_tables_of_another_program_are_not_touched(postgres_place: Place) -> None:
    """The names are taken: nothing is made."""
    postgres_place.execute("CREATE TABLE requests (x int)")
    with pytest.raises(StoreUnfit, match="other tables"):
        postgres_place.store().open()
    assert _tables(postgres_place) == {"requests"}


@pytest.mark.local
def test_replicas_may_start_at_once(postgres_place: Place) -> None:
    """One makes the tables, the others wait for it."""
    stores = [postgres_place.store() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda store: store.open(), stores))
    assert {store.version() for store in stores} == {VERSION}


def test_no_password_is_in_an_error() -> None:
    """A connection string that is none is not shown."""
    place = Place("postgres", "host=x password=hunter2 nonsense")
    with pytest.raises(StoreUnfit) as found:
        place.store().open()
    assert "hunter2" not in str(found.value)
