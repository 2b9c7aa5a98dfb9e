"""Feedback over real sockets: bound to who got the answer, and never waiting for a ledger."""

import asyncio
import json
import time

import pytest

from pointsman.events.schema import Feedback, decode
from pointsman.router.callers import callers_of
from pointsman.router.serve.feedback import ASK_S
from pointsman.router.serve.record import Recorder
from tests.router.serve.test_callers import KEY, OTHER, caller
from tests.router.serve.world import Client, Reply, World, chat, post, until


class Ledger:
    """Knows the answers of one router; `says` overrules it, and `asked` counts."""

    def __init__(self, there: World) -> None:
        self.lines: list[bytes] = []
        self.recorder = Recorder(self.lines.append, time.time)
        self.says: bool | None = None
        self.fails = False
        self.hangs = False
        self.asked = self.schema = 0
        there.plane.record = self.recorder
        there.plane.ledger = self

    def put(self, event: bytes) -> None:
        self.lines.append(event)

    def needs(self, schema: int) -> None:
        self.schema = schema

    async def answered(self, feedback: Feedback) -> bool | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise RuntimeError("bug")
        known = self.recorder.answered(feedback)
        return self.says if known is None else known

    def feedback(self) -> list[Feedback]:
        found = [decode(line) for line in self.lines]
        return [event for event in found if isinstance(event, Feedback)]


@pytest.fixture
async def ledger(there: World) -> Ledger:
    """One backend, two callers."""
    await there.simulator("small")
    there.route("small")
    callers = [caller(KEY, name="app"), caller(OTHER, name="other")]
    there.live.callers = callers_of(callers, complete=True)
    return Ledger(there)


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def _tell(there: World, said: object, key: str = KEY) -> Reply:
    async with there.client() as client:
        return await _tell_on(client, said, key)


async def _tell_on(client: Client, said: object, key: str = KEY) -> Reply:
    await client.send(post(said, path="/v1/feedback", headers=_bearer(key)))
    return await client.reply()


async def _decision(there: World, key: str = KEY) -> str:
    reply = await there.ask(chat(), **_bearer(key))
    assert reply.status == 200
    return reply.headers["x-pointsman-decision-id"]


async def test_a_caller_says_what_it_thinks(there: World, ledger: Ledger) -> None:
    """200 with the id of the feedback, and the event is kept."""
    decision = await _decision(there)
    reply = await _tell(there, {"decision_id": decision, "verdict": "good_fit"})
    assert reply.status == 200
    assert reply.json()["status"] == "accepted"
    (event,) = ledger.feedback()
    assert (event.id, event.decision) == (reply.json()["id"], decision)
    assert (event.caller, event.verdict) == ("app", "good_fit")
    assert abs(event.at_ms - time.time() * 1000) < 60_000


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_known_by_its_own_id_at_once(
    there: World, ledger: Ledger, stream: bool
) -> None:
    """Before the ledger has it, which says that it knows none; another caller's stays unknown."""
    ledger.says = False
    reply = await there.ask(chat(stream=stream), **_bearer(KEY))
    first = json.loads(reply.events[0]) if stream else reply.json()
    said = {"response_id": first["id"], "good": True}
    assert (await _tell(there, said)).status == 200
    assert (await _tell(there, said, OTHER)).status == 404
    (event,) = ledger.feedback()
    assert (event.response_id, event.caller) == (first["id"], "app")


async def test_another_callers_answer_is_unknown(there: World, ledger: Ledger) -> None:
    """In the same words as one that does not exist; nothing is kept."""
    ledger.says = False
    decision = await _decision(there)
    told = [
        await _tell(there, {"decision_id": decision, "good": True}, OTHER),
        await _tell(there, {"decision_id": "never-1", "good": True}, OTHER),
    ]
    assert [reply.status for reply in told] == [404, 404]
    assert told[0].error == told[1].error
    assert told[0].error["code"] == "decision_not_found"
    assert ledger.feedback() == []


@pytest.mark.parametrize("fails", [False, True])
async def test_nobody_can_tell(
    there: World, ledger: Ledger, errors: list[str], fails: bool
) -> None:
    """202: kept as it is, for the ledger to bind."""
    ledger.fails = fails
    reply = await _tell(there, {"response_id": "chatcmpl-9", "score": 0})
    assert (reply.status, reply.json()["status"]) == (202, "pending")
    assert [event.response_id for event in ledger.feedback()] == ["chatcmpl-9"]
    assert len(errors) == there.metrics.internal_errors == fails
    there.metrics.internal_errors = 0
    errors.clear()


@pytest.mark.slow
async def test_a_ledger_that_hangs_is_not_waited_for(there: World, ledger: Ledger) -> None:
    """202 within the deadline, and nothing of the question is left."""
    ledger.hangs = True
    before_s = time.monotonic()
    reply = await _tell(there, {"decision_id": "other-1", "good": True})
    assert reply.status == 202
    assert ASK_S * 0.9 <= time.monotonic() - before_s < ASK_S + 10
    assert len(ledger.feedback()) == 1


async def test_who_leaves_meanwhile_leaves_nothing(there: World, ledger: Ledger) -> None:
    """No task, no event: the caller does not know that it was heard."""
    ledger.hangs = True
    async with there.client() as client:
        await client.send(
            post({"decision_id": "a", "good": True}, path="/v1/feedback", headers=_bearer(KEY))
        )
        await until(lambda: ledger.asked == 1)
    await until(lambda: not there.plane._running)
    assert ledger.feedback() == []


async def test_a_drain_ends_it(there: World, ledger: Ledger) -> None:
    """With a retryable answer when its time is over."""
    ledger.hangs = True
    async with there.client() as client:
        await client.send(
            post({"decision_id": "a", "good": True}, path="/v1/feedback", headers=_bearer(KEY))
        )
        await until(lambda: ledger.asked == 1)
        await there.plane.drain(0.05)
        reply = await client.reply()
    assert (reply.status, reply.error["code"]) == (503, "draining")


async def test_keys_are_asked_for(there: World, ledger: Ledger) -> None:
    """As everywhere."""
    async with there.client() as client:
        await client.send(post({"decision_id": "a", "good": True}, path="/v1/feedback"))
        assert (await client.reply()).status == 401
    assert ledger.asked == 0


async def test_bad_feedback_keeps_the_connection(there: World, ledger: Ledger) -> None:
    """400 with the field, 413 for ten megabytes, 405 for a GET; then a good one."""
    decision = await _decision(there)
    async with there.client() as client:
        reply = await _tell_on(client, {"decision_id": decision, "score": 7})
        assert (reply.status, reply.error["param"]) == (400, "score")
        reply = await _tell_on(client, {"decision_id": decision, "comment": "x" * 10_000_000})
        assert reply.status == 413
        reply = await _tell_on(client, b"{")
        assert reply.status == 400
        reply = await _tell_on(client, {"decision_id": decision, "comment": "fine"})
        assert reply.status == 200
    assert [event.comment for event in ledger.feedback()] == ["fine"]


async def test_a_router_without_a_ledger_says_so(there: World) -> None:
    """404 with a code, not a silent yes."""
    there.route(*[await _one(there)])
    async with there.client() as client:
        await client.send(post({"decision_id": "a", "good": True}, path="/v1/feedback"))
        reply = await client.reply()
    assert (reply.status, reply.error["code"]) == (404, "not_recorded")


async def _one(there: World) -> str:
    await there.simulator("small")
    return "small"


async def test_feedback_on_a_busy_connection_waits_its_turn(there: World, ledger: Ledger) -> None:
    """Pipelined behind a request, it is answered behind it."""
    decision = await _decision(there)
    async with there.client() as client:
        said = {"decision_id": decision, "good": True}
        await client.send(
            post(chat(), headers=_bearer(KEY))
            + post(said, path="/v1/feedback", headers=_bearer(KEY))
            + post(chat(), headers=_bearer(KEY))
        )
        first, second, third = [await client.reply() for _ in range(3)]
    assert json.loads(first.body)["object"] == "chat.completion"
    assert json.loads(second.body)["object"] == "feedback"
    assert third.status == 200
