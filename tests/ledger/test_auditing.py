"""The audit trail: it grows, it is never changed, and a break in it is found."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from msgspec.structs import replace

from pointsman.ledger.auditing import Entry, Said, append, entries, follow, links, question
from pointsman.ledger.contract import Keeping, Store
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS


def note(store: Store, number: int, at_ms: int = NOW_MS) -> Entry:
    """Ada did something."""
    said = Said("ada", "reviewer", "review.claim", f"review/d-{number}", {"number": number})
    return store.transact(lambda t: append(t, said, at_ms))


def whole(store: Store) -> list[Entry]:
    """From the first row that is there."""
    return entries(store.query(*links(0, 1000)))


def broken(store: Store) -> int:
    """The first row that breaks the chain; 0 if it holds."""
    ((seq, hash_),) = store.query("SELECT seq, hash FROM audit_begin", ())
    begin = (int(str(seq)), str(hash_))
    return follow(begin, entries(store.query(*links(begin[0], 1000))))[1]


def test_each_row_carries_the_one_before(store: Store) -> None:
    """Of several writers at once, too: no number twice, none left out."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: note(store, number), range(40)))
    assert [entry.seq for entry in whole(store)] == list(range(1, 41))
    assert broken(store) == 0


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET actor = 'eve' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit",
        "DELETE FROM audit_begin",
        "UPDATE audit_begin SET seq = 9, hash = ''",
        "UPDATE audit_begin SET seq = 2, hash = 'forged'",
    ],
)
def test_the_store_refuses_to_change_it(store: Store, place: Place, sql: str) -> None:
    """Whoever asks, also past the ledger."""
    for number in range(3):
        note(store, number)
    before = whole(store)
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException)):
        place.execute(sql)
    assert whole(store) == before


@pytest.mark.local
def test_postgres_refuses_to_empty_it(postgres_place: Place) -> None:
    """TRUNCATE asks no row's trigger."""
    store = postgres_place.store()
    store.open()
    note(store, 1)
    for table in ("audit", "audit_begin"):
        with pytest.raises(psycopg.errors.RaiseException):
            postgres_place.execute(f"TRUNCATE {table}")
    assert len(whole(store)) == 1


def test_who_is_above_triggers_is_found_out(store: Store) -> None:
    """A forged row, a forged hash, a missing one, two that were exchanged."""
    rows = [note(store, number) for number in range(5)]
    forged = replace(rows[2], actor="eve")
    start = (0, "")
    assert follow(start, rows)[1] == 0
    assert follow(start, [*rows[:2], forged, *rows[3:]])[1] == 3
    assert follow(start, [*rows[:2], replace(forged, hash="0" * 64), *rows[3:]])[1] == 3
    assert follow(start, [*rows[:2], *rows[3:]])[1] == 4
    assert follow(start, [rows[1], rows[0]])[1] == 2


def test_what_is_old_goes_and_the_chain_says_so(store: Store) -> None:
    """By retention alone; the mark holds what the first row is chained to."""
    for number in range(4):
        note(store, number, NOW_MS + number)
    last = whole(store)[2]
    later_ms = NOW_MS + 400 * DAY_MS
    kept = store.keep(
        Keeping(now_ms=later_ms, events_ms=0, rollups_ms=NOW_MS + 2, pending_ms=0, rows=100)
    )
    assert kept.removed["audit"] == 3
    left = whole(store)
    assert [entry.seq for entry in left] == [4, 5]
    assert (left[1].action, left[1].detail) == (
        "audit.forget", f'{{"rows":3,"hash":"{last.hash}"}}',
    )  # fmt: skip
    assert broken(store) == 0
    assert note(store, 9).seq == 6
    assert broken(store) == 0


def test_a_young_line_keeps_what_is_behind_it(store: Store) -> None:
    """Clocks of replicas differ: what goes is always the beginning of the trail."""
    for number, at_ms in enumerate((NOW_MS, NOW_MS + 9, NOW_MS + 1)):
        note(store, number, at_ms)
    keeping = Keeping(
        now_ms=NOW_MS + DAY_MS, events_ms=0, rollups_ms=NOW_MS + 5, pending_ms=0, rows=100
    )
    assert store.keep(keeping).removed["audit"] == 1
    assert store.keep(keeping).removed["audit"] == 0
    assert [entry.seq for entry in whole(store)] == [2, 3, 4]
    assert broken(store) == 0


def test_it_is_asked_by_time_subject_and_page(store: Store) -> None:
    """The newest first."""
    for number in range(6):
        note(store, number % 2, NOW_MS + number)

    def asked(between_ms: tuple[int, int], subject: str = "", after: int = 0) -> list[int]:
        found = store.query(*question(between_ms, subject, after, 2))
        return [entry.seq for entry in entries(found)]

    everything = (0, NOW_MS + 99)
    assert asked(everything) == [6, 5]
    assert asked(everything, after=5) == [4, 3]
    assert asked(everything, "review/d-1") == [6, 4]
    assert asked((NOW_MS + 1, NOW_MS + 3)) == [3, 2]
