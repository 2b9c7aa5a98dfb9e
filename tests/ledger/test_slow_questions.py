"""A slow question costs nobody but who asks it, and has one deadline for all that it takes."""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pointsman.ledger.contract import QUESTIONS
from pointsman.ledger.intake import now_ms
from pointsman.ledger.rows import Row
from tests.ledger.events import DAY_MS, frame, request
from tests.ledger.test_deadlines import ENDLESS
from tests.ledger.test_leases import asked, wanted
from tests.ledger.test_service import Wayward, ledger

SUMMARY = "/v1/summary?since=2026-01-01"
LABELS = "/v1/labels?policy=support&since=60d"


class Slow(Wayward):
    """Each question is `instead`, if that is something, after a pause."""

    instead = ""
    pause_s = 0.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "ledger.db", keep_events_ms=60 * DAY_MS)
        self.begun = threading.Semaphore(0)

    def query(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Slowly."""
        self.begun.release()
        time.sleep(self.pause_s)
        return super().query(self.instead or sql, () if self.instead else values)


@pytest.mark.slow
async def test_routers_and_reviewers_do_not_wait_for_questions(tmp_path: Path) -> None:
    """For slices of budgets, whose a decision is, reviews, and being ready: all are answered."""
    async with ledger(tmp_path, store=Slow(tmp_path)) as client:
        assert isinstance(client.store, Slow)
        await client.post(frame([request(1)]))
        client.store.instead = ENDLESS
        slow = [asyncio.create_task(client.get(SUMMARY)) for _ in range(QUESTIONS)]
        for _ in slow:
            assert await asyncio.to_thread(client.store.begun.acquire, timeout=20)
        leases = msgspec.json.encode(asked("router", 1, wanted(100)))
        async with client.session.post("/v1/leases", data=leases) as answer:
            assert (await answer.json())["slices"][0]["granted"] == 100
        for path, status in (
            ("/v1/decision?decision=d-1&caller=app", 200),
            ("/v1/spools/spool-00000001", 200),
            ("/v1/reviews/d-1?caller=app", 404),
            ("/readyz", 200),
        ):
            assert (await client.get(path))[0] == status, path
        assert not any(task.done() for task in slow)
        assert [status for status, _ in await asyncio.gather(*slow)] == [503] * QUESTIONS


async def test_a_question_of_many_steps_ends_within_its_deadline(tmp_path: Path) -> None:
    """It is told to come again; its thread has its next question before it could be through."""
    async with ledger(tmp_path, store=Slow(tmp_path), store_timeout_s=1.0) as client:
        assert isinstance(client.store, Slow)
        await client.post(frame([request(n, at_ms=now_ms() - n * DAY_MS) for n in range(1, 29)]))
        assert (await client.get(LABELS))[0] == 200
        client.store.pause_s = 0.2
        asked_ = (client.get(LABELS) for _ in range(QUESTIONS))
        assert [status for status, _ in await asyncio.gather(*asked_)] == [503] * QUESTIONS
        assert (await client.get("/v1/requests?since=60d"))[0] == 200
