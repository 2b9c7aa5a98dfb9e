"""Replicas that are paid by the hour: each window counts once, apart from what requests cost."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pointsman.events.schema import Event, Replicas
from pointsman.ledger.asking import ask
from pointsman.ledger.contract import Store, Taken
from pointsman.ledger.hosted import Bill, Hosted
from pointsman.ledger.summary import Summary
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, HOUR_MS, NOW_MS, batch, request, window
from tests.ledger.test_contract import count, keeping, refused

WINDOW_MS = 300_000


def take(store: Store, *events: Event | bytes, spool: str = "spool-00000001") -> Taken:
    first, _ = store.spool(spool)
    (taken,) = store.ingest([batch(events, first=first, spool=spool)], NOW_MS)
    return taken


def asked(store: Store, ago_ms: int = DAY_MS) -> Summary:
    return ask(store, NOW_MS - ago_ms, NOW_MS + HOUR_MS)


def the_one(store: Store) -> Hosted:
    (one,) = asked(store).hosted
    return one


def test_a_window_counts_once_whoever_sends_it(store: Store) -> None:
    """In one batch, by another spool, later and with another figure: the first one counts."""
    assert take(store, window(), window(replica_ms=0), window(1)).windows == 2
    again = take(store, window(cost_nano=9, idle_nano=0), window(2), spool="spool-after-restart")
    assert (again.windows, again.known) == (1, 1)
    take(store, window(account="another-cluster"))

    one = the_one(store)
    assert (one.replica_ms, one.cost_nano) == (8 * WINDOW_MS, 4 * 416_666_667)
    assert (one.idle_ms, one.idle_nano) == (4 * WINDOW_MS, 4 * 208_333_333)
    assert count(store, "windows") == 4


def test_two_kinds_of_bill_are_told_apart_and_together(store: Store) -> None:
    """Nothing is in both; requests of paid replicas cost nothing by themselves."""
    free = {"backend": "own", "cost_nano": 0, "baseline_nano": 300_000_000}
    asked_it = [request(n, **free) for n in range(3)]
    take(store, *asked_it, request(9), request(10, currency="EUR"), window())

    one = the_one(store)
    assert (one.requests, one.tokens) == (3, 450)
    assert (one.per_request_nano, one.per_million_nano) == (138_888_889, 925_925_926_667)
    found = asked(store)
    assert found.bills == [
        Bill("EUR", 1_000, 0, 1_000, 0),
        Bill("USD", 1_000, 416_666_667, 416_667_667, 900_000_000 - 416_666_667),
    ]
    assert sum(line.cost_nano for line in found.lines) == 2_000


def test_replicas_without_requests_have_a_cost_and_no_price_of_one(store: Store) -> None:
    """What nobody asked is paid, too; who reads sums of requests does not see it."""
    take(store, window(idle_ms=2 * WINDOW_MS, idle_nano=416_666_667))
    one, found = the_one(store), asked(store)
    assert (one.idle_nano, one.requests, one.per_request_nano, one.per_million_nano) == (
        one.cost_nano, 0, None, None,
    )  # fmt: skip
    assert (found.lines, found.totals) == ([], [])
    assert found.bills == [Bill("USD", 0, one.cost_nano, one.cost_nano, -one.cost_nano)]


def test_what_nobody_watched_is_told(store: Store) -> None:
    """The unwatched part of a window, and windows that are missing between the first and last."""
    take(store, window(0, watched_ms=60_000), window(3))
    assert the_one(store).unknown_ms == 240_000 + 2 * WINDOW_MS


@pytest.mark.parametrize("ago_ms", [HOUR_MS, DAY_MS, 40 * DAY_MS])
def test_a_question_is_about_its_time(store: Store, ago_ms: int) -> None:
    """By sums of 5 minutes, hours and days."""
    from_ms = window().from_ms
    take(store, window(), window(from_ms=from_ms - ago_ms - HOUR_MS))
    assert [one.replica_ms for one in asked(store, ago_ms).hosted] == [2 * WINDOW_MS]
    (both,) = asked(store, ago_ms + DAY_MS).hosted
    assert both.replica_ms == 4 * WINDOW_MS


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"account": ""},
        {"backend": ""},
        {"backend": "x" * 254},
        {"from_ms": window().from_ms + 1},
        {"from_ms": 2**60 - 2**60 % WINDOW_MS},
        {"replica_ms": -1, "idle_ms": -1},
        {"watched_ms": WINDOW_MS + 1},
        {"idle_ms": 2 * WINDOW_MS + 1},
        {"idle_nano": 416_666_668},
        {"cost_nano": 10**16},
    ],
)
def test_what_cannot_be_is_refused_alone(store: Store, wrong: dict[str, Any]) -> None:
    """Those beside it are kept."""
    taken = take(store, window(**wrong), window(1))
    assert (taken.windows, taken.refused) == (1, {"OutOfRange": 1})
    assert refused(store) == [(1, 1, "OutOfRange")]


def test_an_absurd_time_counts_where_it_came(store: Store) -> None:
    """And once all the same: who sends it again has the same clock."""
    absurd = window(from_ms=NOW_MS + 400 * DAY_MS - NOW_MS % WINDOW_MS)
    take(store, absurd)
    assert take(store, absurd).known == 1
    assert the_one(store).replica_ms == 2 * WINDOW_MS


def test_windows_go_with_events_and_their_sums_with_sums(store: Store) -> None:
    """After 30 and 400 days."""
    old, older = NOW_MS - 31 * DAY_MS, NOW_MS - 401 * DAY_MS
    events = [window(from_ms=at - at % WINDOW_MS) for at in (NOW_MS, old, older)]
    take(store, *events)
    kept = store.keep(keeping())
    assert (kept.removed["windows"], count(store, "windows")) == (2, 1)
    assert store.query("SELECT span_ms, count(*) FROM hosted GROUP BY 1 ORDER BY 1", ()) == [
        (300_000, 1), (3_600_000, 2), (86_400_000, 2),
    ]  # fmt: skip
    assert not store.keep(keeping()).more


def test_many_windows_of_many_backends_in_one_batch(store: Store) -> None:
    """As after an outage; sums are of all."""
    events: Sequence[Replicas] = [
        window(number, account=f"uid-{backend}", backend=f"b-{backend}")
        for backend in range(50)
        for number in range(12)
    ]
    assert take(store, *events).windows == 600
    found = asked(store).hosted
    assert len(found) == 50
    assert {one.cost_nano for one in found} == {12 * 416_666_667}
    assert asked(store).bills[0].replicas_nano == 600 * 416_666_667


def test_two_leaders_and_two_ledgers_at_once(place: Place) -> None:
    """The same windows by four spools through two stores: each counts once, none is in the way."""
    stores = [place.store() for _ in range(2)]
    for store in stores:
        store.open()
    events = [window(n, account=f"uid-{b}", backend=f"b{b}") for b in range(10) for n in range(12)]

    def send(number: int) -> Taken:
        ordered = events if number % 2 else events[::-1]
        return take(stores[number % 2], *ordered, spool=f"spool-leader-{number}")

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(send, range(4)))
    assert sum(one.windows for one in told) == 120
    assert sum(one.known for one in told) == 360
    assert sum(one.replica_ms for one in asked(stores[0]).hosted) == 120 * 2 * WINDOW_MS
