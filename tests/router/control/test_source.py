"""The feed that local mode uses directly: one state, changed between two requests."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from pointsman.api.table import Endpoint, decode_event, digest
from pointsman.router.control.credentials import SecretFacts
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.control.store import Store
from pointsman.router.control.stream import Broadcast
from pointsman.router.live import Live
from tests.router.control.objects import (
    NAMESPACE,
    PROVIDER_URL,
    by_digest,
    entry,
    external_backend,
    manifest,
    policy,
    service_backend,
)

FACTS = SecretFacts(True, ("api.example.com",), {"api-key": b"sk-1"})


def _feed(folder: Path | None = None) -> TableFeed:
    metrics = ControlMetrics(CollectorRegistry())
    store = (
        Store(state=folder, keys=folder, identity="demo/local", metrics=metrics) if folder else None
    )
    return TableFeed(Live(), metrics, namespace=NAMESPACE, store=store)


def test_an_offer_makes_the_router_ready_and_is_acked() -> None:
    """Without any cluster."""
    feed = _feed()
    blob = policy()

    acks = feed.offer(manifest(1, entry(blob)), by_digest(blob))

    assert feed.live.ready
    assert list(feed.live.table.by_model) == ["support-auto"]
    assert [ack.blob for ack in acks] == [digest(blob)]


def test_a_refused_offer_changes_nothing() -> None:
    """The acks are still those of what is in force."""
    feed = _feed()
    blob = policy()
    before = feed.offer(manifest(2, entry(blob)), by_digest(blob))
    table = feed.live.table

    assert feed.offer(manifest(1), {}) == before
    assert feed.live.table is table


def test_endpoints_and_keys_are_used_at_once() -> None:
    """By the next request."""
    feed = _feed()
    endpoints = {"demo/small-model:8000": (Endpoint(host="127.0.0.1", port=1),)}
    blob = policy(backends=[external_backend()])
    feed.offer(manifest(1, entry(blob)), by_digest(blob))

    feed.endpoints(endpoints)
    feed.secrets({"provider": FACTS}, {})

    assert feed.live.endpoints == endpoints
    assert feed.live.credentials == {("provider", "api-key", PROVIDER_URL): b"sk-1"}


def test_a_key_is_judged_again_with_every_table() -> None:
    """A policy edit that adds a host loses the key in the same turn of the loop."""
    feed = _feed()
    good = policy(backends=[external_backend()])
    evil = policy(revision="r2", backends=[external_backend("https://evil.org/v1")])
    feed.offer(manifest(1, entry(good)), by_digest(good))
    feed.secrets({"provider": FACTS}, {})
    assert feed.live.credentials
    seen: list[object] = []
    feed.table_listeners.append(lambda: seen.append(dict(feed.live.credentials)))

    (ack,) = feed.offer(manifest(2, entry(evil, revision="r2")), by_digest(evil))

    assert seen == [{}]
    assert ack.blob == digest(evil)
    assert ack.error == 'Secret "provider" does not allow host evil.org'
    assert ack.refused_blob == ""


def test_listeners_hear_of_acks_once_for_each_change() -> None:
    """Not at every resync, and not at every reading of an unchanged Secret."""
    feed = _feed()
    blob = policy(backends=[external_backend()])
    heard: list[str] = []
    feed.ack_listeners.append(lambda: heard.append(feed.acks[0].error))

    for _ in range(3):
        feed.offer(manifest(1, entry(blob)), by_digest(blob))
    for _ in range(3):
        feed.secrets({"provider": FACTS}, {})

    assert heard == ['Secret "provider" could not be read: not tried yet', ""]


def test_everything_comes_back_before_anybody_is_asked(tmp_path: Path) -> None:
    """Table, endpoints and keys; and nothing older is taken afterwards."""
    endpoints = {"demo/small-model:8000": (Endpoint(host="10.0.0.1", port=1),)}
    blob = policy(backends=[external_backend()])
    before = _feed(tmp_path)
    before.offer(manifest(5, entry(blob)), by_digest(blob))
    before.endpoints(endpoints)
    before.secrets({"provider": FACTS}, {})
    assert before.store is not None
    assert before.store.flush(30)

    after = _feed(tmp_path)

    assert after.restore()
    assert (after.position, after.acks, after.from_disk) == ((1, 5), before.acks, True)
    assert after.live.endpoints == endpoints
    assert dict(after.live.credentials) == {("provider", "api-key", PROVIDER_URL): b"sk-1"}
    after.offer(manifest(4), {})
    assert after.position == (1, 5)


def test_nothing_on_disk_is_no_table(tmp_path: Path) -> None:
    """Then the router is not ready, rather than empty."""
    feed = _feed(tmp_path)

    assert not feed.restore()
    assert not feed.live.ready


def test_a_backend_without_an_endpoint_is_told_with_the_acks() -> None:
    """So that the operator calls nothing Ready that a router cannot send requests to."""
    feed = _feed()
    said: list[tuple[tuple[int, int] | None, int, tuple[str, ...]]] = []
    broadcast = Broadcast("router-0", feed, ControlMetrics(CollectorRegistry()))
    reader = broadcast.join(0)
    feed.ack_listeners.append(
        lambda: said.append((feed.position, len(feed.acks), feed.unreachable))
    )
    blob = policy(backends=[external_backend(), service_backend()])
    feed.offer(manifest(1, entry(blob)), by_digest(blob))
    there = {"demo/small-model:8000": (Endpoint(host="127.0.0.1", port=1),)}
    feed.endpoints(there)
    feed.endpoints({**there, "demo/else:8000": ()})
    feed.endpoints({})

    assert said == [((1, 1), 1, ("small",)), ((1, 1), 1, ()), ((1, 1), 1, ("small",))]
    events = [decode_event(line) for line in reader.waiting]
    assert [(e.type, e.unreachable) for e in events] == [
        ("Hello", ()),
        ("Ack", ("small",)),
        ("Ack", ()),
        ("Ack", ("small",)),
    ]


def test_a_switch_is_told_once_with_the_endpoints_that_it_found() -> None:
    """Not first with the old ones: that would look like a backend that nobody reaches."""
    feed = _feed()
    said: list[tuple[str, ...]] = []
    feed.ack_listeners.append(lambda: said.append(feed.unreachable))
    there = {"demo/small-model:8000": (Endpoint(host="127.0.0.1", port=1),)}
    feed.table_listeners.append(lambda: feed.endpoints(there))
    blob = policy()
    feed.offer(manifest(1, entry(blob)), by_digest(blob))
    assert said == [()]
