"""The desk's own promises: bounds of what it tells, waits that end, a trail that is followed."""

import msgspec
from prometheus_client import CollectorRegistry

from pointsman.events.reviews import Waiting
from pointsman.ledger.contract import Keeping, Store
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.desk import MAX_TOLD_BYTES, Desk
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.rows import Row
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS
from tests.ledger.reviews.opened import ADA, answer_text, decision, opening
from tests.ledger.test_auditing import note


def desk_of(calls: Calls) -> Desk:
    """It is NOW."""
    return Desk(calls, Figures(CollectorRegistry()), lambda: NOW_MS)


async def test_what_is_told_at_once_has_a_bound(sqlite_place: Place) -> None:
    """As it is sent: texts of quotes and backslashes take twice their room. The rest comes next."""
    store = sqlite_place.store()
    store.open()
    desk = desk_of(Calls(store))
    left = set[str]()
    for number in range(12):
        asked = opening(number, answer=answer_text('"' * 400_000))
        await desk.open(asked)
        await desk.claim(ADA, asked.id)
        await desk.decide(ADA, asked.id, decision(asked))
        left.add(asked.id)
    while left:
        found = await desk.ended(Waiting(ids=tuple(left), wait_s=0))
        assert found.decided
        assert len(msgspec.json.encode(found)) < MAX_TOLD_BYTES + 100
        left -= {one.id for one in found.decided}


async def test_nobody_waits_for_who_has_left(sqlite_place: Place) -> None:
    """The wait ends long before its time."""
    store = sqlite_place.store()
    store.open()
    desk = desk_of(Calls(store))
    await desk.open(opening(1))
    found = await desk.ended(Waiting(ids=("d-1",), wait_s=20), lambda: True)
    assert found.decided == ()


class RetentionBetween(Calls):
    """Retention takes the first three lines once the beginning was read."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.removed = 0

    async def query(self, question: tuple[str, list[object]]) -> list[Row]:
        """As it is, and then that."""
        found = await super().query(question)
        if not self.removed:
            keeping = Keeping(
                now_ms=NOW_MS + DAY_MS, events_ms=0, rollups_ms=NOW_MS + 2, pending_ms=0, rows=100
            )
            self.removed = self.store.keep(keeping).removed["audit"]
        return found


async def test_retention_beside_a_check_breaks_no_chain(store: Store) -> None:
    """What it removed is not missing."""
    for number in range(5):
        note(store, number, NOW_MS + number)
    calls = RetentionBetween(store)
    checked = await desk_of(calls).checked(ADA)
    assert (calls.removed, checked.rows, checked.broken) == (3, 3, 0)
