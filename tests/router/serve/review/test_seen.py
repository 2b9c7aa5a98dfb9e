"""Answers that go out at once and are seen later, and requests that a better backend answers."""

import json

import pytest

from pointsman.api.reviewing import DataClassReview, HumanReview, LowConfidence, Review
from pointsman.events.schema import MAX_REVIEW_BYTES, REVIEWING, decode
from pointsman.events.schema import Review as Event
from pointsman.router.serve.review.seen import text_of
from tests.router.serve.review.people import reviewed
from tests.router.serve.test_feedback import Ledger
from tests.router.serve.world import World, chat
from tests.support.work import least_s

FLAG = Review(mode="Flag", priority="Low")
ESCALATE = Review(mode="Escalate")


def events(ledger: Ledger) -> list[Event]:
    found = [decode(line) for line in ledger.lines]
    return [event for event in found if isinstance(event, Event)]


@pytest.fixture
async def ledger(there: World) -> Ledger:
    """One backend; what is put is kept."""
    await there.simulator("small")
    return Ledger(there)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_flagged_answer_goes_out_and_is_told(
    there: World, ledger: Ledger, stream: bool
) -> None:
    """With both texts, whole also where it was streamed."""
    reviewed(there, FLAG)
    reply = await there.ask(chat(stream=stream))
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "flagged")
    (event,) = events(ledger)
    assert ledger.schema == REVIEWING
    assert (event.mode, event.priority, event.reason) == ("Flag", "Low", "Rule:default")
    assert event.id == reply.headers["x-pointsman-review-id"]
    assert (event.backend, event.caller, event.cut) == ("small", "", False)
    answer = json.loads(event.answer)
    assert answer["choices"][0]["message"]["content"] == reply.content
    assert answer["choices"][0]["finish_reason"]
    assert json.loads(event.request)["stream"] is stream
    assert there.count("reviews_total", policy="desk", mode="Flag", outcome="Told") == 1


async def test_an_escalated_request_is_answered_by_another_backend(
    there: World, ledger: Ledger
) -> None:
    """The first that it may go to and that can take it; nobody else is asked."""
    await there.simulator("big")
    there.place("tiny", 1, context_window=2)
    reviewed(there, ESCALATE, human=HumanReview(escalate_to=("tiny", "big")))
    reply = await there.ask()
    assert (reply.status, reply.headers["x-pointsman-review"]) == (200, "escalated")
    assert reply.headers["x-pointsman-backend"] == "big"
    assert there.seen("small") == []
    assert [event.mode for event in events(ledger)] == ["Escalate"]


async def test_what_nobody_can_take_is_refused(there: World, ledger: Ledger) -> None:
    """And says why; the rule's own backend does not answer in their place."""
    there.place("tiny", 1, context_window=2)
    reviewed(there, ESCALATE, human=HumanReview(escalate_to=("tiny",)))
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert there.seen("small") == []
    assert events(ledger) == []


async def test_what_the_rules_backend_may_not_have_may_be_escalated(
    there: World, ledger: Ledger
) -> None:
    """Confidential data goes to who may have it, and a person sees what became of it."""
    _, port = await there.simulated("vault")
    there.place("vault", port, max_data_class="Confidential")
    asks = DataClassReview(at_least="Confidential", review=ESCALATE)
    reviewed(there, None, human=HumanReview(escalate_to=("vault",), data_class=asks))
    plain = await there.ask()
    assert plain.headers["x-pointsman-backend"] == "small"
    assert "x-pointsman-review" not in plain.headers
    reply = await there.ask(x_pointsman_data_class="confidential")
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "vault")
    told = await there.ask(chat(metadata={"data_class": "Confidential"}))
    assert told.headers["x-pointsman-backend"] == "vault"
    assert [event.reason for event in events(ledger)] == ["DataClass:Confidential"] * 2


async def test_what_the_analysis_is_not_sure_of_is_seen(there: World, ledger: Ledger) -> None:
    """Texts are read for that, though no rule looks at them."""
    asks = LowConfidence(below=0.99, review=FLAG)
    reviewed(there, None, human=HumanReview(low_confidence=asks))
    unsure = await there.ask()
    assert unsure.headers["x-pointsman-review"] == "flagged"
    (event,) = events(ledger)
    assert event.reason.startswith("LowConfidence:")


async def test_what_got_no_answer_is_not_told(there: World, ledger: Ledger) -> None:
    """There is nothing to see; counted apart."""
    there.place("small", 1)
    reviewed(there, FLAG)
    assert (await there.ask()).status == 502
    assert events(ledger) == []
    assert there.count("reviews_total", policy="desk", mode="Flag", outcome="Unanswered") == 1


def test_what_has_no_room_is_not_decoded() -> None:
    """20 MiB that are not UTF-8 held up everybody for a quarter of a second."""
    assert text_of(b"x" * (MAX_REVIEW_BYTES - 2)) == "x" * (MAX_REVIEW_BYTES - 2)
    assert text_of(b"x" * (MAX_REVIEW_BYTES - 1)) is None  # with its quotes
    small, large = b"\xff" * 1000, b"\xff" * 20 * 1024 * 1024
    assert text_of(small) == "\ufffd" * 1000
    assert text_of(large) is None
    shown = small * (MAX_REVIEW_BYTES // 3000)
    assert least_s(lambda: text_of(large)) < least_s(lambda: text_of(shown))
