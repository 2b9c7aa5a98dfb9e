"""What the queue says of itself."""

from prometheus_client import CollectorRegistry

from pointsman.events.schema import Event
from pointsman.ledger.contract import Store, StoreAway
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.desk import Desk
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.reviews.opening import open_held
from tests.ledger.conftest import Place
from tests.ledger.events import NOW_MS, batch
from tests.ledger.reviews.opened import ADA, decision, flagged, opening


class Watched:
    """A desk with a clock that the test moves."""

    def __init__(self, store: Store) -> None:
        self.now_ms = NOW_MS
        self.registry = CollectorRegistry()
        self.desk = Desk(Calls(store), Figures(self.registry), lambda: self.now_ms)

    def value(self, name: str, **labels: str) -> float | None:
        """As a scrape gets it."""
        return self.registry.get_sample_value(f"pointsman_ledger_reviews_{name}", labels)


async def test_what_waits_and_for_how_long(store: Store) -> None:
    """By mode and priority; nothing is told before somebody has looked."""
    watched = Watched(store)
    assert watched.value("pending", mode="Hold", priority="High") is None
    store.transact(lambda t: open_held(t, opening(1, priority="High"), NOW_MS - 90_000))
    store.transact(lambda t: open_held(t, opening(2, priority="High"), NOW_MS))
    events: list[Event | bytes] = [flagged(3)]
    store.ingest([batch(events)], NOW_MS)
    await watched.desk.figure()
    assert watched.value("pending", mode="Hold", priority="High") == 2
    assert watched.value("oldest_seconds", mode="Hold", priority="High") == 90
    assert watched.value("pending", mode="Flag", priority="Normal") == 1
    assert watched.value("pending", mode="Hold", priority="Low") == 0


async def test_what_ended_is_counted_once(store: Store) -> None:
    """By its state, with the time that its caller waited."""
    watched, asked = Watched(store), opening(1)
    await watched.desk.open(asked)
    await watched.desk.claim(ADA, "d-1")
    watched.now_ms += 20_000
    await watched.desk.decide(ADA, "d-1", decision(asked, "reject"))
    watched.now_ms += 1
    await watched.desk.end("d-1", "TimedOut")
    assert watched.value("ended_total", mode="Hold", state="Rejected") == 1
    assert watched.value("ended_total", mode="Hold", state="TimedOut") == 0
    assert watched.value("waited_seconds_sum") == 20


async def test_without_the_store_nothing_is_said_of_what_waits(sqlite_place: Place) -> None:
    """An old figure would look like a quiet queue."""
    store = sqlite_place.store()
    store.open()
    watched = Watched(store)
    await watched.desk.figure()
    assert watched.value("pending", mode="Hold", priority="High") == 0
    store.close()
    try:
        store.ping()
    except StoreAway:
        await watched.desk.figure()
    assert watched.value("pending", mode="Hold", priority="High") is None
