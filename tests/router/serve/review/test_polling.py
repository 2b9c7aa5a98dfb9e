"""Callers that do not wait: 202, and polls until a person has decided, against a real ledger."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.api.reviewing import HumanReview, Review
from pointsman.events.reviews import MAX_TEXT_BYTES
from pointsman.router.callers import callers_of
from pointsman.router.serve.review import desk as desks
from tests.router.serve.review.people import Desk, ledger, reviewed
from tests.router.serve.test_callers import KEY, OTHER, caller
from tests.router.serve.world import Reply, World, chat, post, until

HOLD = Review(mode="Hold")
BEFORE = Review(mode="Hold", stage="Request")
LATER = "respond-async"


@pytest.fixture
async def desk(there: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """Two backends, two callers."""
    await there.simulator("small")
    await there.simulator("large")
    callers = [caller(KEY, name="app"), caller(OTHER, name="other")]
    there.live.callers = callers_of(callers, complete=True)
    async with ledger(there, tmp_path) as found:
        yield found


async def poll(there: World, review: str, key: str = KEY, prefer: str = "") -> Reply:
    """One."""
    more = f"prefer: {prefer}\r\n" if prefer else ""
    head = f"GET /v1/reviews/{review} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{more}"
    async with there.client() as client:
        await client.send(f"{head}\r\n".encode())
        return await client.reply(b"GET")


async def later(there: World, body: object = None, prefer: str = LATER) -> Reply:
    """A request whose caller polls."""
    async with there.client() as client:
        headers = {"authorization": f"Bearer {KEY}", "prefer": prefer}
        await client.send(post(body or chat(), headers=headers))
        return await client.reply()


async def test_a_caller_that_does_not_wait_polls(there: World, desk: Desk) -> None:
    """202 with where to look; then the answer, the same bytes each time."""
    reviewed(there, HOLD)
    reply = await later(there)
    assert (reply.status, reply.headers["preference-applied"]) == (202, "respond-async")
    told = reply.json()
    assert (told["object"], told["status"]) == ("review", "pending")
    assert time.time() + 50 < int(str(told["deadline"])) < time.time() + 70
    assert reply.headers["location"] == f"/v1/reviews/{told['id']}"
    assert int(reply.headers["retry-after"]) > 0
    used = there.count("tokens_total", backend="small", direction="output", source="stated")
    assert used > 0

    assert (await poll(there, str(told["id"]))).status == 202
    (review,) = await desk.pending()
    waiting = asyncio.create_task(poll(there, review["id"], prefer="wait=30"))
    await asyncio.sleep(0.1)
    assert await desk.decide(review, "approve") == 200
    first = await waiting
    assert (first.status, first.headers["x-pointsman-review"]) == (200, "approved")
    assert first.body.decode() == (await desk.shown(review))["answer"]
    assert (await poll(there, review["id"])).body == first.body
    again = there.count("tokens_total", backend="small", direction="output", source="stated")
    assert again == used, "counted once"


async def test_who_would_wait_a_little_may_have_its_answer_at_once(
    there: World, desk: Desk
) -> None:
    """`respond-async, wait=N`: 202 after that time only."""
    reviewed(there, HOLD)
    waiting = asyncio.create_task(later(there, prefer="respond-async, wait=30"))
    (review,) = await desk.pending()
    await desk.decide(review, "approve")
    assert (await waiting).status == 200


@pytest.mark.parametrize("verdict", ["approve", "edit"])
async def test_an_approved_request_runs_when_it_is_polled(
    there: World, desk: Desk, verdict: str
) -> None:
    """Once, however many poll at the same time."""
    reviewed(there, BEFORE)
    told = (await later(there, chat(stream=True))).json()
    (review,) = await desk.pending()
    edited = json.dumps(chat(stream=True, max_tokens=3)) if verdict == "edit" else ""
    assert await desk.decide(review, verdict, edited=edited) == 200
    polls = [poll(there, str(told["id"]), prefer="wait=20") for _ in range(4)]
    replies = await asyncio.gather(*polls)
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert len(there.seen("small")) == 1
    if edited:
        assert replies[0].json()["usage"]["completion_tokens"] == 3  # type: ignore[index]
        assert replies[0].headers["x-pointsman-review"] == "edited"


async def test_anothers_review_is_not_there(there: World, desk: Desk) -> None:
    """404, in the words for one that does not exist."""
    reviewed(there, HOLD)
    told = (await later(there)).json()
    foreign = await poll(there, str(told["id"]), key=OTHER)
    missing = await poll(there, "0123456789-1")
    assert foreign.status == missing.status == 404
    assert foreign.error == missing.error
    assert (await poll(there, "../../etc")).status == 404
    assert (await poll(there, str(told["id"]), key="no")).status == 401


@pytest.mark.parametrize(("verdict", "code"), [("reject", "review_rejected"), ("", "")])
async def test_a_poll_is_told_that_there_is_no_answer(
    there: World, desk: Desk, verdict: str, code: str
) -> None:
    """403, each time: rejected, or timed out."""
    seconds = 60.0 if verdict else 1.0
    reviewed(there, HOLD, human=HumanReview(deadline_s=seconds))
    told = (await later(there)).json()
    (review,) = await desk.pending()
    if verdict:
        await desk.decide(review, verdict, message="No.")
    for _ in range(2):
        reply = await poll(there, str(told["id"]), prefer="wait=20")
        assert (reply.status, reply.error["code"]) == (403, code or "review_timed_out")


@pytest.mark.parametrize("review", [HOLD, BEFORE])
async def test_a_poll_after_the_deadline_has_the_fallbacks_answer(
    there: World, desk: Desk, review: Review
) -> None:
    """Run once, kept by the ledger."""
    human = HumanReview(deadline_s=1.0, fallback="large")
    reviewed(there, review, human=human)
    told = (await later(there)).json()
    reply = await poll(there, str(told["id"]), prefer="wait=20")
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "timed-out")
    assert (await poll(there, str(told["id"]))).body == reply.body
    assert len(there.seen("large")) == 1


async def test_a_class_of_data_is_kept_for_who_runs_it(there: World, desk: Desk) -> None:
    """What was said of it once holds when another router asks the model."""
    reviewed(there, BEFORE)
    async with there.client() as client:
        headers = {
            "authorization": f"Bearer {KEY}",
            "prefer": LATER,
            "x-pointsman-data-class": "Public",
        }
        await client.send(post(chat(), headers=headers))
        told = (await client.reply()).json()
    (review,) = await desk.pending()
    await desk.decide(review, "approve")
    there.backends["small"] = there.backends["small"]
    reviewed(there, BEFORE, data_class="Confidential")
    reply = await poll(there, str(told["id"]), prefer="wait=20")
    assert (reply.status, reply.error["code"]) == (403, "data_class_not_allowed")
    assert there.seen("small") == []


async def test_a_fallback_that_another_router_runs_is_waited_for(there: World, desk: Desk) -> None:
    """202, and not that nobody answers."""
    reviewed(there, BEFORE, human=HumanReview(deadline_s=1.0, fallback="large"))
    told = (await later(there)).json()
    path, taking = f"/v1/reviews/{told['id']}", {"holder": "another"}
    async with asyncio.timeout(20):
        while (await desk.ask("POST", f"{path}/take", taking, who=""))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await poll(there, str(told["id"]))).status == 202
    answering = {"holder": "another", "answer": '{"id": "theirs"}', "backend": "large"}
    assert (await desk.ask("POST", f"{path}/answer", answering, who=""))[0] == 200
    reply = await poll(there, str(told["id"]))
    assert (reply.status, reply.json()) == (200, {"id": "theirs"})
    assert there.seen("large") == []


@pytest.mark.parametrize(
    "name", ["../summary", "..%2Fsummary", "%2e%2e/summary", "d-1%3Fcaller=other", "x" * 129, ""]
)
async def test_no_name_of_a_review_leads_elsewhere(there: World, desk: Desk, name: str) -> None:
    """The router asks its ledger with a token of its own: of nothing but reviews."""
    reviewed(there, HOLD)
    reply = await poll(there, name)
    assert (reply.status, reply.error["code"]) == (404, "review_not_found")


@pytest.mark.parametrize("text", ["\udcff", "x" * MAX_TEXT_BYTES], ids=["bytes", "size"])
async def test_an_answer_that_cannot_be_kept_is_an_error(
    there: World, desk: Desk, text: str
) -> None:
    """And no poll without an end."""
    told_text = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    answer = json.dumps(told_text, ensure_ascii=False).encode("utf-8", "surrogateescape")

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        await reader.read()

    await there.scripted("odd", told)
    reviewed(there, BEFORE, "odd")
    review = str((await later(there)).json()["id"])
    (pending,) = await desk.pending()
    await desk.decide(pending, "approve")
    reply = await poll(there, review, prefer="wait=10")
    assert (reply.status, reply.error["code"]) == (502, "review_untellable")


async def test_polls_take_no_place_of_who_waits(
    there: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever polls too often is refused; a request is held all the same."""
    monkeypatch.setattr(desks, "MOST_POLLS", 1)
    reviewed(there, HOLD)
    review = str((await later(there)).json()["id"])
    waiting = asyncio.create_task(poll(there, review, prefer="wait=30"))
    await until(lambda: there.plane.desk._polls == 1)
    refused = await poll(there, review)
    assert (refused.status, refused.error["code"]) == (503, "review_full")
    assert (await later(there, chat(max_tokens=2))).status == 202
    pending = {one["id"]: one for one in await desk.pending(2)}
    assert await desk.decide(pending[review], "approve") == 200
    assert (await waiting).status == 200
    assert (await poll(there, review)).status == 200


async def test_a_head_is_refused_without_a_body(there: World) -> None:
    """Behind one the connection's next answer was read out of it."""
    async with there.client() as client:
        for path in ("/v1/reviews/x", "/healthz"):
            await client.send(f"HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        refused = await client.read_until(b"\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 405 ")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
