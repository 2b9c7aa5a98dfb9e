"""No call of a store outlasts its deadline, whoever is in the way; afterwards it works again."""

import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from pointsman.ledger.contract import StoreAway
from pointsman.ledger.deadline import until
from pointsman.ledger.stores.schema import VERSION
from tests.ledger.conftest import Place
from tests.ledger.events import NOW_MS, batch, request

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
DEADLINE_S = 0.6
LONG = {
    "sqlite": """
        CREATE VIEW long AS
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 8000000)
        SELECT count(*) AS x FROM n
        ;
        CREATE TRIGGER long_step AFTER INSERT ON pointsman_schema BEGIN SELECT x FROM long; END
    """,
    "postgres": f"""
        CREATE VIEW long AS SELECT pg_sleep({2 * DEADLINE_S})::text AS x
        ;
        CREATE FUNCTION long_step() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM x FROM long; RETURN NEW; END $$
        ;
        CREATE TRIGGER long_step AFTER INSERT ON pointsman_schema
        FOR EACH ROW EXECUTE FUNCTION long_step()
    """,
}
"""A view that outlasts the deadline, and a migration that looks at it in each step."""


def _gives_up(call: Callable[[], object]) -> None:
    begun_s = time.monotonic()
    with pytest.raises(StoreAway):
        call()
    assert time.monotonic() - begun_s < DEADLINE_S + 5


def test_an_endless_question(place: Place) -> None:
    """Is cut; the next one is answered."""
    store = place.store(timeout_s=DEADLINE_S)
    store.open()
    _gives_up(lambda: store.query(ENDLESS, ()))
    assert store.query("SELECT 1", ()) == [(1,)]


def test_all_steps_of_a_question_have_one_deadline(place: Place) -> None:
    """However many there are, and however long each may take; the next question has its own."""
    store = place.store()
    store.open()

    def step_by_step(sql: str) -> None:
        begun_s = time.monotonic()
        with until(begun_s + DEADLINE_S):
            while time.monotonic() < begun_s + 20:
                store.query(sql, ())

    for sql in ("SELECT 1", ENDLESS):
        _gives_up(partial(step_by_step, sql))
        assert store.query("SELECT 1", ()) == [(1,)]


def test_a_migration_may_take_longer_than_a_question(place: Place) -> None:
    """Back and forward, over a store so large that each step outlasts a question's deadline."""
    place.store().open()
    for statement in LONG[place.kind].split("\n        ;\n"):
        place.execute(statement)
    for schema in (VERSION - 1, None):
        store = place.store(timeout_s=DEADLINE_S)
        store.open(schema)
        assert store.version() == (schema or VERSION)
        _gives_up(partial(store.query, "SELECT x FROM long", ()))


@pytest.mark.skipif(sys.platform != "linux", reason="not run: open files are found in /proc")
def test_a_question_that_outlasts_its_store_leaves_no_file_open(sqlite_place: Place) -> None:
    """The store is closed while the question runs; whoever asked it closes what it used."""
    store = sqlite_place.store(timeout_s=DEADLINE_S)
    store.open()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(store.query, ENDLESS, ())
        time.sleep(DEADLINE_S / 3)
        assert not asked.done()
        store.close()
        assert isinstance(asked.exception(timeout=20), StoreAway)
    files = [str(one.resolve()) for one in Path("/proc/self/fd").iterdir()]
    assert [one for one in files if one.startswith(str(sqlite_place.where))] == []


def test_somebody_else_holds_the_file(sqlite_place: Place) -> None:
    """Another program that writes, or a backup that locks."""
    store = sqlite_place.store(timeout_s=DEADLINE_S)
    store.open()
    with closing(sqlite3.connect(sqlite_place.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _gives_up(lambda: store.ingest([batch([request(1)])], NOW_MS))
        assert store.spool("spool-00000001") == (1, 0)
        other.execute("ROLLBACK")
    (taken,) = store.ingest([batch([request(1)])], NOW_MS)
    assert taken.requests == 1


@pytest.mark.local
@pytest.mark.parametrize("table", ["spools", "requests", "rollups"])
def test_somebody_else_holds_a_table(postgres_place: Place, table: str) -> None:
    """An administrator's open transaction."""
    store = postgres_place.store(timeout_s=DEADLINE_S)
    store.open()
    (taken,) = store.ingest([batch([request(1)])], NOW_MS)
    assert taken.requests == 1
    with psycopg.connect(postgres_place.where) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        _gives_up(lambda: store.ingest([batch([request(2)], first=2)], NOW_MS))
    (taken,) = store.ingest([batch([request(2)], first=2)], NOW_MS)
    assert (taken.next, taken.requests) == (3, 1)


@pytest.mark.local
def test_more_callers_than_connections(postgres_place: Place) -> None:
    """They wait for a connection, and no longer than that."""
    store = postgres_place.store(timeout_s=DEADLINE_S, connections=1)
    store.open()
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(store.query, ENDLESS, ()) for _ in range(2)]
        for one in asked:
            with pytest.raises(StoreAway):
                one.result(10)
    store.ping()


def test_a_closed_store_says_so(place: Place) -> None:
    """At once."""
    store = place.store()
    store.open()
    store.close()
    _gives_up(store.ping)
    _gives_up(lambda: store.ingest([batch([request(1)])], NOW_MS))


def test_looking_a_decision_up_waits_for_no_writer(place: Place) -> None:
    """A router has 2 s for it, whatever is being ingested; it reads, and locks nothing."""
    store = place.store()
    store.open()
    store.ingest([batch([request(1)])], NOW_MS)
    if place.kind == "sqlite":
        with closing(sqlite3.connect(place.where, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            (found,) = store.find("d-1", "")
    else:
        with psycopg.connect(place.where) as connection:
            connection.execute("SELECT 1 FROM requests FOR UPDATE")
            (found,) = store.find("d-1", "")
    assert (found.decision, found.caller) == ("d-1", "app")
    assert store.find("", "resp-1") == [found]
    assert store.find("d-2", "") == []
