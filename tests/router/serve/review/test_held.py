"""Requests that wait for a person on their caller's connection, against a real ledger."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.api.reviewing import HumanReview, Review
from pointsman.api.table import Fallback, Route
from pointsman.api.table import Target as To
from pointsman.events.reviews import MAX_TEXT_BYTES, Opened, Opening
from pointsman.events.ship import Target
from pointsman.router.reviews import LedgerReviews
from pointsman.router.serve.review import desk as desks
from pointsman.router.serve.review.ledger import Away
from tests.router.serve.review.people import Desk, ledger, reviewed
from tests.router.serve.test_tracing import Traced
from tests.router.serve.world import LIMITS, Reply, World, chat, post, until, world

HOLD = Review(mode="Hold")
BEFORE = Review(mode="Hold", stage="Request", priority="High")


@pytest.fixture
async def desk(there: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """One backend."""
    await there.simulator("small")
    await there.simulator("large")
    async with ledger(there, tmp_path) as found:
        yield found


def asked(there: World, body: object = None, **headers: str) -> "asyncio.Task[Reply]":
    return asyncio.create_task(there.ask(body, **headers))


async def test_an_approved_answer_goes_out_as_it_was(there: World, desk: Desk) -> None:
    """The model is asked once, its tokens are counted once, the caller is told who let it by."""
    reviewed(there, HOLD)
    waiting = asked(there)
    (review,) = await desk.pending()
    shown = await desk.shown(review)
    assert there.live.in_flight == {}
    assert there.count("review_held", policy="desk") == 1
    assert await desk.decide(review, "approve") == 200
    reply = await waiting
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "approved")
    assert reply.headers["x-pointsman-review-id"] == review["id"]
    assert reply.headers["x-pointsman-decision-id"] == review["id"]
    assert reply.headers["x-pointsman-backend"] == "small"
    assert json.loads(shown["answer"]) == reply.json()
    assert len(there.seen("small")) == 1
    used = reply.json()["usage"]["completion_tokens"]  # type: ignore[index]
    labels = {"backend": "small", "direction": "output", "source": "stated"}
    assert there.count("tokens_total", **labels) == used
    assert there.count("reviews_total", policy="desk", mode="Hold", outcome="Approved") == 1
    assert float(reply.headers["x-pointsman-overhead-ms"]) < 1000


async def test_an_approved_answer_is_streamed_to_who_asked_for_that(
    there: World, desk: Desk
) -> None:
    """A person is shown all of it, so the model is asked for all of it."""
    reviewed(there, HOLD)
    waiting = asked(there, chat(stream=True, stream_options={"include_usage": True}))
    (review,) = await desk.pending()
    shown = json.loads((await desk.shown(review))["answer"])
    await desk.decide(review, "approve")
    reply = await waiting
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.content == shown["choices"][0]["message"]["content"]
    assert reply.events[-1] == "[DONE]"
    assert json.loads(reply.events[-2])["usage"] == shown["usage"]


async def test_an_edited_answer_takes_its_place(there: World, desk: Desk) -> None:
    """Word for word."""
    reviewed(there, HOLD)
    waiting = asked(there)
    (review,) = await desk.pending()
    answer = json.loads((await desk.shown(review))["answer"])
    answer["choices"][0]["message"]["content"] = "Ask Ada."
    assert await desk.decide(review, "edit", edited=json.dumps(answer)) == 200
    reply = await waiting
    assert (reply.content, reply.headers["x-pointsman-review"]) == ("Ask Ada.", "edited")


async def test_a_rejected_answer_is_refused_with_the_reviewers_words(
    there: World, desk: Desk
) -> None:
    """403, which no SDK tries again; what the model took is counted."""
    reviewed(there, HOLD)
    waiting = asked(there)
    (review,) = await desk.pending()
    await desk.decide(review, "reject", message="Not for customers.")
    reply = await waiting
    assert (reply.status, reply.error["code"]) == (403, "review_rejected")
    assert "Not for customers." in str(reply.error["message"])
    assert there.count("tokens_total", backend="small", direction="output", source="stated") > 0


async def test_no_model_sees_a_request_before_it_is_approved(there: World, desk: Desk) -> None:
    """Then it goes the usual way, also as a stream."""
    reviewed(there, BEFORE)
    waiting = asked(there, chat(stream=True))
    (review,) = await desk.pending()
    assert review["priority"] == "High"
    assert there.seen("small") == []
    await desk.decide(review, "approve")
    reply = await waiting
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "approved")
    assert reply.headers["x-pointsman-decision-id"] == review["id"]
    assert len(there.seen("small")) == 1
    assert reply.content


async def test_an_edited_request_is_what_the_model_gets(there: World, desk: Desk) -> None:
    """All of it is decided again."""
    reviewed(there, BEFORE)
    waiting = asked(there)
    (review,) = await desk.pending()
    edited = chat(max_tokens=3)
    assert await desk.decide(review, "edit", edited=json.dumps(edited)) == 200
    reply = await waiting
    assert reply.headers["x-pointsman-review"] == "edited"
    assert reply.json()["usage"]["completion_tokens"] == 3  # type: ignore[index]


@pytest.mark.parametrize("review", [HOLD, BEFORE])
async def test_after_the_deadline_the_caller_is_told(
    there: World, desk: Desk, review: Review
) -> None:
    """Deny: 403, within a second or two of it."""
    reviewed(there, review, human=HumanReview(deadline_s=1.0))
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (403, "review_timed_out")
    assert there.count("reviews_total", policy="desk", mode="Hold", outcome="TimedOut") == 1


@pytest.mark.parametrize("review", [HOLD, BEFORE])
@pytest.mark.parametrize("stream", [False, True])
async def test_after_the_deadline_another_backend_answers(
    there: World, desk: Desk, review: Review, stream: bool
) -> None:
    """Fallback: said in a header; what the first one took is counted as well."""
    human = HumanReview(deadline_s=1.0, fallback="large")
    reviewed(there, review, human=human)
    reply = await there.ask(chat(stream=stream))
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "timed-out")
    assert reply.headers["x-pointsman-backend"] == "large"
    assert reply.content
    first = there.count("tokens_total", backend="small", direction="output", source="stated")
    assert (first > 0) is (review is HOLD)


async def test_the_same_request_again_is_the_same_review(there: World, desk: Desk) -> None:
    """A caller whose connection broke gets what was decided, and no model is asked twice."""
    reviewed(there, HOLD)
    gone = asked(there)
    (review,) = await desk.pending()
    gone.cancel()
    await until(lambda: not there.plane._running)
    again = asked(there)
    await until(lambda: there.count("review_held", policy="desk") == 1)
    await desk.decide(review, "approve")
    reply = await again
    assert (reply.status, reply.headers["x-pointsman-review-id"]) == (200, review["id"])
    assert reply.headers["x-pointsman-backend"] == "small"
    assert len(there.seen("small")) == 1
    fresh = asked(there)
    (other,) = await desk.pending()
    assert other["id"] != review["id"]
    await desk.decide(other, "reject")
    assert (await fresh).status == 403


async def test_an_old_word_of_the_ledger_is_not_taken_for_the_newest(
    there: World, desk: Desk
) -> None:
    """It was asked before it knew that the answer was delivered, and heard after it was told."""
    asked_at_once = asyncio.Event()

    class Late(LedgerReviews):
        async def find(self, caller: str, policy: str, request_hash: str) -> Opened | None:
            found = await super().find(caller, policy, request_hash)
            if found is not None and not asked_at_once.is_set():
                asked_at_once.set()
                await asyncio.sleep(0.3)
            return found

        async def delivered(self, review: str) -> None:
            await asked_at_once.wait()
            await super().delivered(review)

    there.plane.reviews = Late(Target(url=f"http://127.0.0.1:{desk.port}"))
    reviewed(there, HOLD)
    first = asked(there)
    (review,) = await desk.pending()
    await desk.decide(review, "approve")
    assert (await first).status == 200
    again = asked(there)
    (other,) = await desk.pending()
    assert other["id"] != review["id"]
    await desk.decide(other, "reject")
    assert (await again).status == 403


async def test_without_its_ledger_nothing_is_let_by(there: World) -> None:
    """503 that says when to come back, and no model was asked; or the fallback, where there is."""
    await there.simulator("small")
    await there.simulator("large")
    for target in (None, LedgerReviews(Target(url="http://127.0.0.1:9"))):
        there.plane.reviews = target
        reviewed(there, HOLD)
        reply = await there.ask()
        assert (reply.status, reply.error["code"]) == (503, "review_unavailable")
        assert int(reply.headers["retry-after"]) > 0
        assert there.seen("small") == []
    reviewed(there, HOLD, human=HumanReview(fallback="large"))
    reply = await there.ask()
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "large")
    assert reply.headers["x-pointsman-review"] == "unavailable"


async def test_no_more_wait_than_the_policy_lets(there: World, desk: Desk) -> None:
    """429, which says when to come back."""
    reviewed(there, BEFORE, human=HumanReview(deadline_s=60, max_held=1))
    first = asked(there)
    (review,) = await desk.pending()
    reply = await there.ask(chat(max_tokens=2))
    assert (reply.status, reply.error["code"]) == (429, "rate_limit_exceeded")
    assert int(reply.headers["retry-after"]) > 0
    await desk.decide(review, "approve")
    assert (await first).status == 200


async def test_bytes_come_while_a_person_is_waited_for(tmp_path: Path) -> None:
    """Comments in a stream, interim answers to others: what gives up on silence does not."""
    async with (
        world(replace(LIMITS, hold_heartbeat_s=0.05)) as there,
        ledger(there, tmp_path) as desk,
    ):
        await there.simulator("small")
        reviewed(there, HOLD)
        async with there.client() as client, there.client() as plain:
            await client.send(post(chat(stream=True)))
            await client.read_until(b": waiting for a person\n\n")
            await plain.send(post(chat(max_tokens=2)))
            await plain.read_until(b"HTTP/1.1 102 Processing\r\n\r\n")
            for review in await desk.pending(2):
                await desk.decide(review, "approve")
            rest = await client.read_until(b"data: [DONE]\n\n")
            assert b"chat.completion.chunk" in rest
            assert (await plain.reply()).status == 200


async def test_a_router_that_ends_sends_who_waits_to_another(there: World, desk: Desk) -> None:
    """503 at once, not when the drain's time is over; the review stays."""
    reviewed(there, BEFORE)
    waiting = asked(there)
    await desk.pending()
    async with asyncio.timeout(3):
        await there.plane.drain(60.0)
        reply = await waiting
    assert (reply.status, reply.error["code"]) == (503, "draining")
    assert len(await desk.pending()) == 1


async def test_what_fails_is_not_held(there: World, desk: Desk) -> None:
    """It goes on to its fallback first; what is held is a good answer."""
    there.place("broken", 1)
    there.route("broken", "small")

    route = Route(
        name="default",
        targets=(To(backend="broken"),),
        fallback=Fallback(chain=("small",)),
        review=HOLD,
    )
    there.put(route, review=HumanReview(deadline_s=60.0))
    waiting = asked(there)
    (review,) = await desk.pending()
    assert review["backend"] == "small"
    await desk.decide(review, "approve")
    assert (await waiting).status == 200


async def test_another_apis_request_is_answered_in_its_words(there: World, desk: Desk) -> None:
    """People see the chat that it becomes; whole or as a stream, the caller does not."""
    reviewed(there, HOLD)
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    for stream in (False, True):
        async with there.client() as client:
            data = post(
                body | {"stream": stream}, path="/v1/messages",
                headers={"anthropic-version": "2023-06-01"},
            )  # fmt: skip
            await client.send(data)
            (review,) = await desk.pending()
            assert review["operation"] == "chat/completions"
            answer = json.loads((await desk.shown(review))["answer"])
            answer["choices"][0]["message"]["content"] = "Ask Ada."
            assert await desk.decide(review, "edit", edited=json.dumps(answer)) == 200
            reply = await client.reply()
            assert reply.status == 200
            assert b"Ask Ada." in reply.body
            assert (b"message_stop" in reply.body) is stream
            assert reply.headers["x-pointsman-review"] == "edited"


async def test_a_span_says_how_long_a_person_took(there: World, desk: Desk) -> None:
    """It begins when the request came, before the attempt's; the wait stands apart."""
    traced = Traced(there, sample=1.0)
    for review in (HOLD, BEFORE):
        reviewed(there, review)
        waiting = asked(there, chat(user=review.stage))
        (one,) = await desk.pending()
        await asyncio.sleep(0.2)
        await desk.decide(one, "approve")
        assert (await waiting).status == 200
        finished = await traced.last(len(traced.finished) or 1)
        traced.finished.clear()
        (call,) = finished.trace.calls
        assert finished.received_s <= call.begun_s <= call.ended_s <= finished.ended_s
        assert finished.review == "approved"
        assert 0.2 <= finished.waited_s <= finished.ended_s - finished.received_s
        assert finished.event is not None
        assert finished.event.duration_us < (finished.ended_s - finished.received_s - 0.2) * 1e6 + 1


async def test_what_nobody_could_read_is_not_held(there: World, desk: Desk) -> None:
    """A request over the bound is refused before a model is asked; such an answer is none."""
    reviewed(there, BEFORE)
    reply = await there.ask(chat(user="x" * MAX_TEXT_BYTES))
    assert (reply.status, reply.error["code"]) == (413, "review_too_large")
    body = json.dumps(chat()).encode().replace(b"Which", b"\xff")
    assert (await there.ask(body)).status == 400

    async def long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        text = "x" * MAX_TEXT_BYTES
        answer = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        await reader.read()

    await there.scripted("long", long)
    reviewed(there, HOLD, "long")
    reply = await there.ask()
    assert reply.status == 502
    assert "larger than" in str(reply.error["message"])
    assert (await desk.ask("GET", "/v1/people/reviews?state=Pending"))[1]["reviews"] == []


async def test_no_more_wait_at_a_router_than_its_bound(
    there: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, which says when to come back."""
    monkeypatch.setattr(desks, "MOST", 1)
    reviewed(there, BEFORE)
    first = asked(there)
    (review,) = await desk.pending()
    reply = await there.ask(chat(max_tokens=2))
    assert (reply.status, reply.error["code"]) == (503, "review_full")
    await desk.decide(review, "reject")
    assert (await first).status == 403


async def test_two_connections_of_one_caller_get_one_answer(there: World, desk: Desk) -> None:
    """An approved request runs once: the other connection is told what that one was."""
    reviewed(there, BEFORE)
    waiting = [asked(there), asked(there)]
    await until(lambda: there.count("review_held", policy="desk") == 2)
    (review,) = await desk.pending()
    await desk.decide(review, "approve")
    replies = await asyncio.gather(*waiting)
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].content == replies[1].content
    assert len(there.seen("small")) == 1


async def test_a_fallback_that_may_not_have_the_request_is_none(there: World, desk: Desk) -> None:
    """Its class of data holds after the deadline as well."""
    for name, most in (("small", "Restricted"), ("large", "Public")):
        port = there.live.endpoints[f"default/{name}:8000"][0].port
        there.place(name, port, max_data_class=most)
    human = HumanReview(deadline_s=1.0, fallback="large")
    reviewed(there, HOLD, human=human, data_class="Confidential")
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (403, "review_timed_out")
    assert there.seen("large") == []


async def test_what_a_model_has_said_outlives_a_ledger_that_starts_again(
    there: World, tmp_path: Path
) -> None:
    """It was paid for: it is kept for some seconds, and no model is asked a second time."""
    await there.simulator("small")
    async with ledger(there, tmp_path) as desk:
        real = there.plane.reviews
        assert real is not None
        times = 0

        class Starting(LedgerReviews):
            async def open(self, opening: Opening) -> Opened:
                nonlocal times
                times += 1
                if times < 3:
                    raise Away("it starts again")
                assert real is not None
                return await real.open(opening)

        there.plane.reviews = Starting(Target(url=f"http://127.0.0.1:{desk.port}"))
        reviewed(there, HOLD)
        waiting = asked(there)
        (review,) = await desk.pending()
        await desk.decide(review, "approve")
        assert (await waiting).status == 200
        assert (times, len(there.seen("small"))) == (3, 1)
        await there.plane.desk.close(1.0)
        await there.plane.reviews.close()
        there.plane.reviews = real


async def test_a_caller_that_leaves_leaves_nothing_behind(there: World, desk: Desk) -> None:
    """But the review, which the same request attaches to."""
    reviewed(there, HOLD)
    for stream in (False, True):
        gone = asked(there, chat(stream=stream))
        await desk.pending(1 + stream)
        gone.cancel()
        await until(lambda: not there.plane._running)
    assert there.count("review_held", policy="desk") == 0
    assert there.count("reviews_total", policy="desk", mode="Hold", outcome="Left") == 2
