"""Replica-hours: what is told is what was there, each window once, and what nobody saw is said."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.v1alpha1.cost import Cost
from pointsman.events.schema import WINDOW_MS, Replicas
from pointsman.events.segments import Bounds
from pointsman.events.ship import Target
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.cluster.outbox import Outbox
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.metering import Meter
from pointsman.operator.controllers.scaling import Scaler
from pointsman.operator.metrics import REGISTRY
from pointsman.operator.plan.metering import BACK_MS, WATCH_MS, Account, replicas_of
from pointsman.operator.plan.objects import parsed
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend

BEGIN = 1_800_000_000_000
"""A whole hour, 2027-01-15T08:00:00Z."""
S, MINUTE, HOUR = 1_000, 60_000, 3_600_000
COST = Cost(replica_hour="3.60")
"""A thousandth a second."""
NANO_S = 1_000_000


def rfc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def account(since_ms: int = BEGIN, now_ms: int | None = None, cost: Cost = COST) -> Account:
    now_ms = since_ms if now_ms is None else now_ms
    return Account("uid-a", "a", cost, since_ms=since_ms, now_ms=now_ms)


def seen(one: Account, looks: Mapping[int, Mapping[str, int | None]]) -> list[Replicas]:
    """What was told while these replicas were there at these times."""
    told: list[Replicas] = []
    for now_ms, replicas in sorted(looks.items()):
        one.see(replicas, now_ms)
        told += one.close()
    return told


def pod(uid: str, *, node: str = "n1", **status: Any) -> dict[str, Any]:
    labels = {"pointsman.dev/backend": "a", "app.kubernetes.io/part-of": "pointsman"}
    about = {"name": uid, "uid": uid, "labels": labels}
    spec = {"nodeName": node} if node else {}
    return {"kind": "Pod", "metadata": about, "spec": spec, "status": status}


def placed(at_ms: int) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc(at_ms)}
    return {"conditions": [condition]}


def test_a_pod_counts_from_its_node_until_it_is_gone() -> None:
    """Starting, failing and ending it holds its machine; without a node, or ended, it does not."""
    leaving = pod("leaving", **placed(BEGIN))
    leaving["metadata"]["deletionTimestamp"] = rfc(BEGIN)
    pods = [
        pod("starting", phase="Pending", **placed(BEGIN + 5 * S)),
        pod("acknowledged", startTime=rfc(BEGIN + 7 * S)),
        pod("silent"),
        leaving,
        pod("waiting", node="", phase="Pending"),
        pod("done", phase="Succeeded", **placed(BEGIN)),
        pod("evicted", phase="Failed", **placed(BEGIN)),
    ]
    assert replicas_of(pods) == {
        "starting": BEGIN + 5 * S, "acknowledged": BEGIN + 7 * S, "silent": None, "leaving": BEGIN,
    }  # fmt: skip


def test_windows_are_told_once_they_are_over() -> None:
    """Two replicas, of which one goes after 7 minutes."""
    both = {"p": BEGIN, "q": None}
    looks = {BEGIN + minute * MINUTE: both for minute in range(7)}
    looks |= {BEGIN + minute * MINUTE: {"p": None} for minute in range(7, 11)}
    first, second = seen(account(), looks)

    assert (first.from_ms, second.from_ms) == (BEGIN, BEGIN + WINDOW_MS)
    assert first.replica_ms == 10 * MINUTE
    assert second.replica_ms == 5 * MINUTE + 2 * MINUTE
    assert (first.watched_ms, second.watched_ms) == (WINDOW_MS, WINDOW_MS)
    assert (second.cost_nano, second.currency) == (420 * NANO_S, "USD")
    assert (first.account, first.backend) == ("uid-a", "a")


def test_a_new_process_tells_the_same_windows() -> None:
    """Of what is still there it knows since when; what was watched is what it saw itself."""
    there = {"p": BEGIN - 10 * HOUR, "q": BEGIN + 2 * MINUTE}
    now_ms = BEGIN + 7 * MINUTE
    restarted = account(BEGIN - 20 * HOUR, now_ms)
    told = seen(restarted, {now_ms + n * MINUTE: there for n in range(4)})

    assert [one.from_ms for one in told] == list(
        range(BEGIN - BACK_MS + WINDOW_MS, BEGIN + 2 * WINDOW_MS, WINDOW_MS)
    )
    assert [one.watched_ms for one in told[-2:]] == [0, 3 * MINUTE]
    assert [one.replica_ms for one in told[-3:]] == [5 * MINUTE, 8 * MINUTE, 10 * MINUTE]


def test_what_went_while_nobody_looked_counts_as_far_as_it_was_seen() -> None:
    """And the window says how little of it was watched."""
    away_ms = BEGIN + MINUTE + WATCH_MS + 1
    first, *_ = seen(account(), {BEGIN: {"p": None}, BEGIN + MINUTE: {"p": None}, away_ms: {},
                                 away_ms + WATCH_MS: {}, BEGIN + 6 * MINUTE: {}})  # fmt: skip
    assert (first.replica_ms, first.watched_ms) == (MINUTE, WINDOW_MS - WATCH_MS - 1)


def test_prices_change_in_the_middle_of_a_window() -> None:
    """To the millisecond, whatever order they are written in."""

    def change(after_ms: int, price: str) -> dict[str, str]:
        return {"validFrom": rfc(BEGIN + after_ms), "replicaHour": price}

    raw = {"replicaHour": "3.60", "currency": "EUR",
           "changes": [change(4 * MINUTE, "0"), change(MINUTE, "7.20")]}  # fmt: skip
    item = {**backend("a", cost=raw)}
    model = parsed(ModelBackend, item)
    assert isinstance(model, ModelBackend)
    assert model.spec.cost is not None
    looks = {BEGIN + n * MINUTE: {"p": BEGIN} for n in range(6)}
    (told,) = seen(account(cost=model.spec.cost), looks)
    assert (told.cost_nano, told.currency) == ((60 + 2 * 180) * NANO_S, "EUR")


def test_more_replicas_than_requests_are_idle() -> None:
    """As long as every router says how many it has."""
    one = account()
    for second in range(0, 301, 5):
        now_ms = BEGIN + second * S
        if second % 60 == 0:
            one.see({"p": None, "q": None, "r": None}, now_ms)
        one.look(None if 100 <= second < 200 else 1 if second < 100 else 5, now_ms)
    (told,) = one.close()
    assert (told.replica_ms, told.idle_ms) == (3 * WINDOW_MS, 2 * 95 * S)
    assert told.idle_nano == told.cost_nano * told.idle_ms // told.replica_ms


def test_a_clock_that_goes_back_counts_nothing_twice() -> None:
    """The windows that were told stay; none is longer than it can be."""
    one, there = account(), {"p": None}
    told = seen(one, {BEGIN + n * MINUTE: there for n in range(8)})
    for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11):
        one.see(there, BEGIN + n * MINUTE)
        told += one.close()
    assert [one.from_ms for one in told] == [BEGIN, BEGIN + WINDOW_MS]
    assert [one.replica_ms for one in told] == [WINDOW_MS, WINDOW_MS]
    assert max(one.watched_ms for one in told) == WINDOW_MS


_SPANS = st.lists(st.tuples(st.integers(0, 1800), st.integers(1, 900)), min_size=1, max_size=5)
_LOOKS = st.lists(st.integers(0, 2700), max_size=40)


@pytest.mark.slow
@settings(max_examples=40)
@given(_SPANS, _LOOKS)
def test_no_more_is_told_than_there_was(spans: list[tuple[int, int]], looks: list[int]) -> None:
    """Whenever somebody looks; and all of it, if somebody looked each second."""

    def there(at_s: int) -> dict[str, int | None]:
        return {
            f"p{n}": BEGIN + begin * S
            for n, (begin, length) in enumerate(spans)
            if begin <= at_s < begin + length
        }

    true_ms = sum(length for _, length in spans) * S
    watched = seen(account(), {BEGIN + s * S: there(s) for s in range(3001)})
    assert sum(one.replica_ms for one in watched) == true_ms
    assert {one.watched_ms for one in watched} == {WINDOW_MS}
    rare = seen(account(), {BEGIN + s * S: there(s) for s in (*looks, 3000)})
    ends = {BEGIN + s * S for s in looks}
    late = sum(
        min((e for e in ends if e >= BEGIN + (b + n) * S), default=BEGIN + 3_000 * S)
        - (BEGIN + (b + n) * S)
        for b, n in spans
    )
    assert sum(one.replica_ms for one in rare) <= true_ms + min(late, len(spans) * WATCH_MS)


class Told:
    """A meter with a clock of its own, and what it told."""

    def __init__(self, resync_s: float = 0.0) -> None:
        self.now_ms = BEGIN
        self.events: list[Replicas] = []
        self.meter = Meter(
            self.events.append, lambda _: 0, resync_s=resync_s, clock=lambda: self.now_ms / 1000
        )

    def see(self, replicas: int, **spec: Any) -> None:
        item = backend("a", **spec)
        item["metadata"] |= {"uid": spec.pop("uid", "uid-a"), "creationTimestamp": rfc(BEGIN)}
        model = parsed(ModelBackend, item)
        assert isinstance(model, ModelBackend)
        self.meter.see(model, {f"p{n}": BEGIN for n in range(replicas)})

    def watch(self, minutes: int, replicas: int, **spec: Any) -> None:
        for _ in range(minutes):
            self.now_ms += MINUTE
            self.see(replicas, **spec)


PAID: dict[str, Any] = {"cost": {"replicaHour": "3.60"}}


def test_an_ended_backend_is_told_at_once() -> None:
    """With nothing unknown in the rest of its window."""
    told = Told()
    told.see(2, **PAID)
    told.watch(2, 2, **PAID)
    told.meter.end("a")
    (event,) = told.events
    assert (event.replica_ms, event.watched_ms) == (4 * MINUTE, WINDOW_MS)
    told.meter.end("a")
    assert len(told.events) == 1


def test_a_price_that_is_given_later_begins_then() -> None:
    """Pods that were there for longer were not paid before."""
    told = Told()
    told.watch(2, 1)
    told.watch(8, 1, **PAID)
    assert [event.replica_ms for event in told.events] == [2 * MINUTE, 5 * MINUTE]
    assert [event.watched_ms for event in told.events] == [WINDOW_MS, WINDOW_MS]


@pytest.mark.parametrize(("resync_s", "watched_ms"), [(80.0, 0), (240.0, WINDOW_MS)])
def test_rarer_resyncs_are_watching_too(resync_s: float, watched_ms: int) -> None:
    """Who asked for them relies on the watch for longer."""
    told = Told(resync_s)
    told.see(1, **PAID)
    for _ in range(3):
        told.now_ms += 5 * MINUTE
        told.see(1, **PAID)
    assert [event.watched_ms for event in told.events] == [watched_ms] * 3


async def test_reconciles_are_what_is_measured() -> None:
    """No request is made for it; a deleted backend ends."""
    api, told = FakeApi(), Told()
    orders = Orders(lambda _: True, lambda *_: asyncio.sleep(0), lambda _: None)

    class Silent:
        def loads(self, _: str) -> list[Any]:
            return []

        def mute(self) -> list[str]:
            return []

    scaler = Scaler(Silent(), EngineMetrics(lambda _: 0), orders, lambda _: None)
    controller = BackendController(
        api, Settings(namespace=NAMESPACE, image="sim"), lambda *_: None, lambda _: "", scaler,
        orders=orders, meter=told.meter,
    )  # fmt: skip
    paid = backend("a", **PAID)
    paid["metadata"]["creationTimestamp"] = rfc(BEGIN)
    api.put(paid, pod("p", **placed(BEGIN)), pod("q", node=""))
    for _ in range(6):
        await controller.reconcile("a")
        told.now_ms += MINUTE
    del api.stored["ModelBackend", "a"]
    await controller.reconcile("a")
    assert [event.replica_ms for event in told.events] == [5 * MINUTE, MINUTE]
    assert all(event.account == "uid-a" for event in told.events)


async def test_a_ledger_that_is_away_costs_only_the_oldest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Memory is bounded, `put` never waits, and what is dropped is counted and said."""
    bounds = Bounds(memory_bytes=600_000, segment_bytes=20_000)
    outbox = Outbox(Target(url="http://127.0.0.1:1"), bounds=bounds)

    def waiting() -> float:
        return REGISTRY.get_sample_value("pointsman_operator_events_waiting") or 0.0

    try:
        begun_s = time.monotonic()
        for n in range(12_000):
            outbox.put(Replicas(account="uid", backend="a", from_ms=BEGIN + n * WINDOW_MS))
            if n % 1_000 == 0:
                await asyncio.sleep(0.01)
        assert time.monotonic() - begun_s < 2
        async with asyncio.timeout(10):
            while outbox.dropped + waiting() < 12_000:  # noqa: ASYNC110 - a thread drops
                await asyncio.sleep(0.05)
        with caplog.at_level(logging.WARNING, "pointsman"):
            outbox.tell()
        assert "windows-dropped" in caplog.text
        dropped = REGISTRY.get_sample_value(
            "pointsman_operator_events_dropped_total", {"reason": "MemoryFull"}
        )
        assert dropped
        assert 0 < waiting() * 60 < 600_000
    finally:
        await asyncio.to_thread(outbox.close, 1.0)
    assert REGISTRY.get_sample_value("pointsman_operator_events_waiting") is None
