"""Several ledgers on one PostgreSQL at once: nothing is counted twice, nothing is missed."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from pointsman.events.schema import Event
from pointsman.ledger.asking import ask
from pointsman.ledger.contract import Keeping, Store, StoreAway
from pointsman.ledger.summary import Line
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, HOUR_MS, NOW_MS, batch, feedback, request

pytestmark = pytest.mark.local
REPLICAS = 4


def _replicas(place: Place) -> list[Store]:
    stores = [place.store() for _ in range(REPLICAS)]
    for store in stores:
        store.open()
    return stores


def _at_once(tasks: list[Callable[[], object]]) -> None:
    """Raises what one of them raised."""
    with ThreadPoolExecutor(REPLICAS) as threads:
        for done in [threads.submit(task) for task in tasks]:
            done.result(60)


def _total(store: Store) -> Line:
    (line,) = ask(store, NOW_MS - 40 * DAY_MS, NOW_MS + DAY_MS).totals
    return line


def test_feedback_about_one_request(postgres_place: Place) -> None:
    """40 ratings by 4 replicas are 40 feedbacks and one rating, the last."""
    stores = _replicas(postgres_place)
    stores[0].ingest([batch([request(1)])], NOW_MS)

    def rate(number: int) -> Callable[[], object]:
        said = feedback(1, id=f"f-{number}", at_ms=NOW_MS + number, score=number / 100)
        one = batch([said], spool=f"spool-{number:04}")
        return lambda: stores[number % REPLICAS].ingest([one], NOW_MS)

    _at_once([rate(number) for number in range(40)])
    line = _total(stores[0])
    assert line.quality is not None
    assert (line.feedback, line.quality.n) == (40, 1)
    assert line.quality.value == pytest.approx(0.39)


def test_feedback_that_passes_its_request(postgres_place: Place) -> None:
    """Both come at once to different replicas: bound in the end, at the latest by upkeep."""
    stores = _replicas(postgres_place)
    tasks: list[Callable[[], object]] = []
    for number in range(60):
        pair: list[list[Event]] = [[request(number)], [feedback(number)]]
        for index, events in enumerate(pair):
            one = batch(events, spool=f"spool-{number:04}-{index}")
            store = stores[(number + index) % REPLICAS]
            tasks.append(partial(store.ingest, [one], NOW_MS))
    random.Random(3).shuffle(tasks)
    _at_once(tasks)
    stores[0].keep(
        Keeping(now_ms=NOW_MS + 1, events_ms=NOW_MS - DAY_MS, rollups_ms=0, pending_ms=0)
    )

    line = _total(stores[0])
    assert (line.requests, line.feedback) == (60, 60)
    assert postgres_place.execute("SELECT count(*) FROM pending") == [(0,)]


def test_the_same_sums_are_moved_in_the_same_order(postgres_place: Place) -> None:
    """Many series and hours in each batch: no deadlock that is seen, and the sums are exact."""
    stores = _replicas(postgres_place)
    dice = random.Random(5)

    def load(number: int) -> Callable[[], object]:
        events = [
            request(
                n,
                decision=f"{number}-{n}",
                backend=f"b{dice.randrange(9)}",
                team=f"t{dice.randrange(9)}",
                at_ms=NOW_MS - dice.randrange(30) * HOUR_MS,
            )
            for n in range(200)
        ]
        one = batch(events, spool=f"spool-{number:04}")
        return lambda: stores[number % REPLICAS].ingest([one], NOW_MS)

    _at_once([load(number) for number in range(40)])
    assert (_total(stores[0]).requests, _total(stores[0]).cost_nano) == (8_000, 8_000_000)
    assert postgres_place.execute("SELECT count(*), sum(cost_nano) FROM requests") == [
        (8_000, 8_000_000)
    ]


def test_all_keep_house_at_once(postgres_place: Place) -> None:
    """Beside those that ingest: what is old goes once, what is new stays."""
    stores = _replicas(postgres_place)
    old = [request(n, at_ms=NOW_MS - n * DAY_MS) for n in range(20)]
    stores[0].ingest([batch(old)], NOW_MS)
    keeping = Keeping(
        now_ms=NOW_MS, events_ms=NOW_MS - 10 * DAY_MS, rollups_ms=0, pending_ms=0, rows=3
    )

    def clean(store: Store) -> None:
        for _ in range(30):
            store.keep(keeping)

    def load(store: Store, number: int) -> None:
        for n in range(20):
            store.ingest([batch([request(n)], first=n + 1, spool=f"spool-{number:04}")], NOW_MS)

    tasks: list[Callable[[], object]] = []
    for number, store in enumerate(stores):
        tasks += [partial(clean, store), partial(load, store, number)]
    _at_once(tasks)
    while stores[0].keep(keeping).more:  # a replica that is not alone leaves it to the other
        pass
    days = postgres_place.execute("SELECT DISTINCT at_ms FROM requests ORDER BY 1")
    assert len(days) == 11
    assert postgres_place.execute(f"SELECT count(*) FROM requests WHERE at_ms = {NOW_MS}") == [
        (81,)
    ]
    assert _total(stores[0]).requests == 20 + 80


def test_a_dead_connection_is_not_used_again(postgres_place: Place) -> None:
    """The server ended it while it was idle, as an administrator or a balancer does."""
    (store, *_) = _replicas(postgres_place)
    store.ping()
    postgres_place.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    store.ping()


def test_a_question_that_another_transaction_stopped_may_be_asked_again(
    postgres_place: Place,
) -> None:
    """Who asks hears that the store is away, as for any other reason that passes by itself."""
    store = postgres_place.store()
    store.open()
    with pytest.raises(StoreAway):
        store.query("DO $$ BEGIN RAISE deadlock_detected; END $$", ())
    assert store.query("SELECT 1", ()) == [(1,)]
