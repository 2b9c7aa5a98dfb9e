"""What a backend sends in a few bytes, and what would become of it for callers of another API."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.router.wire.anthropic.dialect import DIALECT as ANTHROPIC
from pointsman.router.wire.lengths import MOST_ITEMS, MOST_NAME_CHARS
from pointsman.router.wire.responses.dialect import DIALECT as RESPONSES
from pointsman.router.wire.sse import EventReader
from pointsman.router.wire.translation.dialect import Asking, Speaker, Untranslatable
from pointsman.router.wire.usage import Usage
from tests.router.wire.test_anthropic import DONE, chunk, tool_call
from tests.support.work import peak_bytes

MESSAGE = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
RESPONSE = b'{"model":"m","input":"hi"}'


def _message() -> Speaker:
    asking: Asking = ANTHROPIC.read(MESSAGE, [])
    return ANTHROPIC.speaker(asking, id="d", now_s=1, prompt_tokens=1)


def _response() -> Speaker:
    asking: Asking = RESPONSES.read(RESPONSE, [])
    return RESPONSES.speaker(asking, id="d", now_s=1, prompt_tokens=1)


SPEAKERS = {"messages": _message, "responses": _response}
each_api = pytest.mark.parametrize("speaker", SPEAKERS.values(), ids=SPEAKERS)
Begin = Callable[[], Speaker]
NAMED: dict[str, Any] = {"function": {"name": "a"}}


@each_api
@pytest.mark.parametrize("call", [NAMED, {"function": {"arguments": "1"}}, {}])
def test_an_event_of_very_many_calls_is_not_told(speaker: Begin, call: dict[str, Any]) -> None:
    """Begun ones, more of one, and empty ones: each became events of hundreds of bytes."""
    one = speaker()
    begun = one.feed(chunk({"tool_calls": [NAMED]}))
    assert not one.broken
    assert one.feed(chunk({"tool_calls": [call] * (MOST_ITEMS + 1)})) == b""
    assert f"more than {MOST_ITEMS:,}" in one.broken
    assert begun


@each_api
def test_as_many_calls_as_may_be_are_told(speaker: Begin) -> None:
    """In one event, or in one each."""
    calls = [{"index": n, **tool_call("look", "{}", f"c{n}")} for n in range(MOST_ITEMS)]
    together, apart = speaker(), speaker()
    told = together.feed(chunk({"tool_calls": calls}) + DONE)
    assert not together.broken
    assert told.count(b'"id":"c') + told.count(b'"call_id":"c') >= MOST_ITEMS
    for call in calls:
        assert apart.feed(chunk({"tool_calls": [call]}))
    assert not apart.broken
    further = {"index": MOST_ITEMS, **tool_call("look", "{}", "one more")}
    assert b"one more" not in apart.feed(chunk({"tool_calls": [further]}))
    assert apart.broken


@each_api
def test_turns_of_thoughts_and_text_have_an_end(speaker: Begin) -> None:
    """A character each, and each an item that is remembered or a block that is begun."""
    one = speaker()
    turns = chunk({"reasoning_content": "a"}) + chunk({"content": "b"})
    told = b"".join(one.feed(turns) for _ in range(MOST_ITEMS))
    assert f"more than {MOST_ITEMS:,}" in one.broken
    assert one.feed(turns) == b"" or one.broken
    few = speaker().feed(turns * 8)
    assert len(told) < len(few) * MOST_ITEMS / 8


@each_api
def test_a_whole_answer_of_very_many_calls_is_not_told(speaker: Begin) -> None:
    """The next candidate answers, or nobody."""
    calls = [tool_call("look", "{}", f"c{n}") for n in range(MOST_ITEMS + 1)]

    def body(count: int) -> bytes:
        return json.dumps({"choices": [{"message": {"tool_calls": calls[:count]}}]}).encode()

    assert speaker().whole(body(MOST_ITEMS), Usage(1, 1)).count(b'"c1') > 0
    with pytest.raises(Untranslatable, match="more than"):
        speaker().whole(body(MOST_ITEMS + 1), Usage(1, 1))


@each_api
def test_a_long_id_of_a_backend_is_not_repeated(speaker: Begin) -> None:
    """In the id of each call that has none of its own, and in the events of a response."""

    def stream(chars: int) -> bytes:
        one = speaker()
        events = [
            chunk({"tool_calls": [{"index": n, "function": {"name": "a"}}]}, id="i" * chars)
            for n in range(50)
        ]
        return one.feed(b"".join(events) + DONE)

    assert b'"id":"' + b"i" * MOST_NAME_CHARS in stream(MOST_NAME_CHARS)
    assert len(stream(10_000)) <= len(stream(MOST_NAME_CHARS))


def test_ids_and_names_of_calls_count_as_text() -> None:
    """They are remembered as it is: up to 16 MiB, and not that many for each call."""
    one, sent = _response(), 0
    while not one.broken:
        call = {"index": sent, **tool_call("look", "{}", "i" * 1024 * 1024)}
        one.feed(chunk({"tool_calls": [call]}))
        sent += 1
        assert sent < 20
    assert "larger than" in one.broken


@pytest.mark.slow
@each_api
@pytest.mark.parametrize("holder", [b'{"choices":[%b]}', b'{"choices":[{"delta":{"x":[%b]}}]}'])
def test_what_is_made_of_empty_objects_is_not_decoded(speaker: Begin, holder: bytes) -> None:
    """Each would take a hundred bytes."""
    data = holder % b",".join([b"{}"] * 500_000)
    one = speaker()
    event = b"data: %b\n\n" % data
    assert peak_bytes(lambda: one.feed(event)) < 5 * len(event)
    assert "empty objects" in one.broken
    with pytest.raises(Untranslatable, match="empty objects"):
        speaker().whole(data, Usage(1, 1))


@pytest.mark.slow
@each_api
def test_log_probabilities_are_no_crowd(speaker: Begin) -> None:
    """Twenty for each token of a long answer: more objects than any other answer has."""
    top = {"token": "word", "logprob": -0.25, "bytes": [119, 111]}
    said = {"index": 0, "message": {"content": "x"}, "logprobs": {"content": [top] * 100_000}}
    assert b'"x"' in speaker().whole(json.dumps({"choices": [said]}).encode(), Usage(1, 1))


def test_a_whole_answer_makes_no_events() -> None:
    """They held its text four times, and were thrown away."""
    text = "x" * 2**20
    body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    one = _response()
    assert peak_bytes(lambda: one.whole(body, Usage(1, 1))) < 4 * len(body)


def test_what_was_told_before_the_bound_is_told_as_failed() -> None:
    """The events end in one that says so."""
    one = _response()
    turns = chunk({"reasoning_content": "a"}) + chunk({"content": "b"})
    out = one.feed(turns * MOST_ITEMS) + one.fail("It broke.", "upstream_disconnected")
    *_, last = EventReader().feed(out)
    assert json.loads(last)["response"]["status"] == "failed"
    assert len(json.loads(last)["response"]["output"]) == MOST_ITEMS
