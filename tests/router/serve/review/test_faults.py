"""What may go wrong between a router and its ledger while somebody waits: nobody waits for ever."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from pointsman.api.reviewing import HumanReview, Review
from pointsman.events.reviews import Decided, Ended, Taken
from pointsman.events.ship import Target
from pointsman.router.reviews import LedgerReviews
from pointsman.router.serve.review import held
from pointsman.router.serve.review.ledger import Away
from tests.router.serve.review.people import Desk, ledger, reviewed
from tests.router.serve.world import World, until

HOLD = Review(mode="Hold")
BEFORE = Review(mode="Hold", stage="Request")


@pytest.fixture
async def desk(there: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """One backend."""
    await there.simulator("small")
    async with ledger(there, tmp_path) as found:
        yield found


class Asked(LedgerReviews):
    """Counts what it is asked."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(Target(url=f"http://127.0.0.1:{desk.port}"))
        self.ends = self.waits = 0
        self.is_away = False

    async def end(self, review: str) -> Decided | None:
        self.ends += 1
        if self.is_away:
            raise Away("it is away")
        return await super().end(review)

    async def decided(self, ids: tuple[str, ...], wait_s: float) -> Ended:
        self.waits += 1
        if self.is_away:
            raise Away("it is away")
        return await super().decided(ids, min(wait_s, 0.2))


@pytest.mark.parametrize("off_s", [3600.0, -3600.0])
async def test_the_ledgers_clock_counts(
    there: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, off_s: float
) -> None:
    """A router that is an hour ahead ends nothing; one that is behind waits no hour longer."""
    monkeypatch.setattr(held, "GRACE_S", 0.01)
    monkeypatch.setattr(held, "_LOST_S", 0.05)
    asked = there.plane.reviews = Asked(desk)
    there.plane.wall = lambda: time.time() + off_s
    reviewed(there, HOLD, human=HumanReview(deadline_s=2.0 if off_s < 0 else 60.0))
    waiting = asyncio.create_task(there.ask())
    (review,) = await desk.pending()
    if off_s < 0:
        asked.is_away = True
        reply = await waiting
        assert (reply.status, reply.error["code"]) == (403, "review_timed_out")
        return
    await until(lambda: asked.ends > 3)
    assert await desk.decide(review, "approve") == 200
    assert (await waiting).status == 200


async def test_an_approved_request_that_was_forgotten_is_over(
    there: World, desk: Desk, tmp_path: Path
) -> None:
    """The ledger was replaced before a router could take it: nobody will ever answer."""

    class Replaced(Asked):
        async def take(self, review: str, holder: str) -> Taken | None:
            with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as store, store:
                store.execute("DELETE FROM reviews")
            return await super().take(review, holder)

    there.plane.reviews = Replaced(desk)
    reviewed(there, BEFORE)
    waiting = asyncio.create_task(there.ask())
    (review,) = await desk.pending()
    assert await desk.decide(review, "approve") == 200
    async with asyncio.timeout(20):
        reply = await waiting
    assert (reply.status, reply.error["code"]) == (403, "review_timed_out")
    assert there.seen("small") == []


async def test_a_ledger_that_lets_none_wait_is_not_asked_in_a_circle(
    there: World, desk: Desk
) -> None:
    """It ends, and answers at once that nothing was decided."""

    class Ending(Asked):
        async def decided(self, ids: tuple[str, ...], wait_s: float) -> Ended:
            return await super().decided(ids, 0.0 * wait_s)

    asked = there.plane.reviews = Ending(desk)
    reviewed(there, HOLD)
    waiting = asyncio.create_task(there.ask())
    (review,) = await desk.pending()
    await until(lambda: asked.waits > 0)
    begun_s, before = time.monotonic(), asked.waits
    await until(lambda: time.monotonic() > begun_s + 1.0)
    assert asked.waits - before <= 5
    assert await desk.decide(review, "approve") == 200
    assert (await waiting).status == 200
