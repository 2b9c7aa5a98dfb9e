"""Requests that are drawn as golden prompts, from either store: which, and what is left."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.events.draws import Asked, Told
from pointsman.events.schema import Event, Text
from pointsman.ledger.asking_draws import ask_draw
from pointsman.ledger.contract import Keeping, Store
from pointsman.ledger.drawing import question
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, HOUR_MS, NOW_MS, batch, feedback, request
from tests.ledger.test_service import ledger


def kept(number: int, prompt: str = "", **fields: Any) -> Event:
    """A request with its text, which is kept for a day."""
    text = Text(
        how="Full", prompt=prompt or f"user: Question {number}?", answer=f"Answer {number}.",
        keep_s=fields.pop("keep_s", 86_400), cut=fields.pop("cut", False),
    )  # fmt: skip
    values = {"operation": "chat/completions", "text": text, "finish": "stop"} | fields
    return request(number, **values)


def ingest(store: Store, *events: Event, first: int = 1) -> None:
    store.ingest([batch(events, first)], NOW_MS)


def draw(store: Store, now_ms: int = NOW_MS, **fields: Any) -> Told:
    return ask_draw(store, Asked(policy="support", **fields), now_ms)


def labels(told: Told) -> dict[str, str]:
    return {one.pin.decision: one.pin.label for one in told.prompts}


def test_what_people_said_is_the_label(store: Store) -> None:
    """A demonstration first, a rating before a verdict, the last before the first."""
    ingest(
        store,
        *[kept(number) for number in range(1, 11)],
        feedback(1, demonstration="Better.", score=0.0),
        feedback(2, score=0.75),
        feedback(3, good=False),
        feedback(4, verdict="underpowered"),
        feedback(5, verdict="good_fit"),
        feedback(6, score=0.9, id="f-6a", at_ms=NOW_MS - 5),
        feedback(6, score=0.1, id="f-6b", at_ms=NOW_MS - 4),
        feedback(7, score=0.5),
        feedback(8, comment="hm"),
        feedback(9, signal="Retry"),
    )
    told = draw(store)
    assert labels(told) == {
        "d-1": "Demonstration", "d-2": "Good", "d-3": "Bad", "d-4": "Bad", "d-5": "Good",
        "d-6": "Bad",
    }  # fmt: skip
    assert told.candidates == 6
    one = {each.pin.decision: each for each in told.prompts}
    assert (one["d-1"].reference, one["d-1"].user, one["d-1"].pin.said) == (
        "Better.", "Question 1?", "f-1",
    )  # fmt: skip
    assert (one["d-2"].reference, one["d-2"].expires_ms) == ("Answer 2.", NOW_MS + DAY_MS)
    assert set(labels(draw(store, labels=("Bad",)))) == {"d-3", "d-4", "d-6"}
    assert draw(store, tasks=("Chat",)).prompts == []
    assert len(draw(store, tasks=("coding",)).prompts) == 6


def test_what_cannot_be_asked_again_is_not_drawn(store: Store) -> None:
    """Of another policy, cut, hashed, with tools or images, broken off, expired, of many turns."""
    hashed = Text(how="Hash", prompt="ab" * 32, keep_s=3600)
    events = [
        kept(1, policy="other"),
        kept(2, cut=True),
        kept(3, text=hashed),
        kept(4, tools=True),
        kept(5, images=True),
        kept(6, outcome="NoDone"),
        kept(7, finish="length"),
        kept(8, keep_s=60),
        kept(9, prompt="user: a\nassistant: b\nuser: c"),
        kept(10, operation="embeddings"),
        request(11, operation="chat/completions"),
        kept(12, prompt="user: " + "x" * 9_000),
        kept(13, prompt="system: Be kind.\nuser: Why?"),
    ]
    ingest(store, *events, *[feedback(number) for number in range(1, 14)])
    (one,) = draw(store, NOW_MS + HOUR_MS).prompts
    assert (one.pin.decision, one.system, one.user) == ("d-13", "Be kind.", "Why?")


def test_a_draw_is_the_same_each_time_and_changes_little_with_growth(store: Store) -> None:
    """By the hash of the decisions; over the borders of days; the window is kept."""
    events: list[Event] = []
    for number in range(1, 41):
        at_ms = NOW_MS - number * HOUR_MS
        events += [kept(number, at_ms=at_ms, keep_s=864_000), feedback(number, at_ms=at_ms)]
    ingest(store, *events)
    before = draw(store, sample=20)
    assert draw(store, sample=20) == before
    assert len(before.prompts) == 20
    assert draw(store, sample=10).prompts == before.prompts[:10]
    assert len(draw(store, since="10h").prompts) == 10
    ingest(store, kept(50), feedback(50), first=len(events) + 1)
    after = labels(draw(store, sample=20))
    assert len(set(labels(before)) - set(after)) <= 1


def test_pins_tell_what_is_left(place: Place) -> None:
    """Not what came since; not what expired, was deleted, or is another policy's."""
    store = place.store()
    store.open()
    ingest(
        store, kept(1), kept(2, keep_s=3600), kept(3), kept(4, policy="other"), kept(5),
        feedback(1, demonstration="Better."), feedback(2), feedback(3), feedback(4), feedback(5),
    )  # fmt: skip
    pins = tuple(one.pin for one in draw(store).prompts)
    stolen = tuple(one.pin for one in ask_draw(store, Asked(policy="other"), NOW_MS).prompts)
    assert (len(pins), len(stolen)) == (4, 1)
    ingest(store, feedback(1, id="f-late", demonstration="Other."), kept(6), feedback(6), first=11)
    assert draw(store, pins=(*pins, *stolen)).prompts == draw(store, pins=pins).prompts
    left = draw(store, pins=pins).prompts
    assert [one.pin for one in left] == list(pins)
    assert {one.reference for one in left} >= {"Better."}
    place.execute("DELETE FROM texts WHERE decision = 'd-3'")
    later = draw(store, NOW_MS + HOUR_MS, pins=pins)
    assert set(labels(later)) == {"d-1", "d-5"}
    store.keep(Keeping(now_ms=NOW_MS + DAY_MS, events_ms=0, rollups_ms=0, pending_ms=0))
    assert draw(store, pins=pins).prompts == []


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("user: Hi", ("", "Hi")),
        ("system: s\nuser: a\nb", ("s", "a\nb")),
        ("developer: s\nuser: a", ("s", "a")),
        ("user: a\nuser: b", None),
        ("user: a\nsystem: b", None),
        ("assistant: a\nuser: b", None),
        ("Once upon a time", None),
        ("x\nuser: a", None),
        ("user:  ", None),
        ("", None),
    ],
)
def test_only_one_question_is_a_prompt(prompt: str, parts: tuple[str, str] | None) -> None:
    """What may be a conversation is left out."""
    assert question(prompt) == parts


@given(st.text(alphabet="ab:\n userystmian", max_size=60), st.text(max_size=20))
def test_no_word_of_a_question_is_lost_or_moved(system: str, user: str) -> None:
    """Whatever users write: it is told as it was said, or not at all."""
    found = question(f"system: {system}\nuser: {user}")
    assert found is None or found == (system, user)


async def test_draws_are_asked_for_over_http(tmp_path: Path) -> None:
    """With the token's guard, and a word for what is no question."""
    async with ledger(tmp_path) as client:
        client.store.ingest([batch([kept(1, keep_s=10**9), feedback(1)])], NOW_MS)

        async def ask(body: Any) -> tuple[int, Any]:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with client.session.post("/v1/draws", data=data) as answer:
                return answer.status, await answer.json()

        status, told = await ask({"policy": "support", "since": "1440h"})
        assert status == 200
        assert [one["pin"]["decision"] for one in told["prompts"]] == ["d-1"]
        pins = [one["pin"] for one in told["prompts"]]
        assert (await ask({"policy": "support", "pins": pins}))[1]["prompts"] == told["prompts"]
        assert (await ask({"policy": "other", "pins": pins}))[1]["prompts"] == []
        for wrong in (
            b"", b"{", b"[]", b"\xff", {}, {"policy": ""}, {"policy": "p", "sample": 501},
            {"policy": "p", "since": "soon"}, {"policy": "p", "labels": ["Fair"]},
            {"policy": "p", "more": 1}, {"policy": "p", "pins": [{"decision": ""}]},
        ):  # fmt: skip
            status, told = await ask(wrong)
            assert (status, bool(told["reason"])) == (400, True), wrong
        async with client.session.post("/v1/draws", data=io.BytesIO(b" " * 1_100_000)) as answer:
            assert answer.status == 413
