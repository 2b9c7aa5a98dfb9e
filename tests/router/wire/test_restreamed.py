"""Answers as streams and back: nothing of them is lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.lengths import MOST_CHOICES
from pointsman.router.wire.restreamed import as_stream, as_whole, unstreamed, wants_usage
from tests.support.work import growth

calls = st.lists(
    st.fixed_dictionaries({
        "id": st.text(min_size=1, max_size=8),
        "type": st.just("function"),
        "function": st.fixed_dictionaries({
            "name": st.text(min_size=1, max_size=8), "arguments": st.text(max_size=20)
        }),
    }),
    min_size=1,
    max_size=3,
)  # fmt: skip
messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.text(min_size=1, max_size=60)},
    optional={"tool_calls": calls, "reasoning_content": st.text(min_size=1, max_size=20)},
)


def answer(choices: list[dict[str, Any]], kind: str = "chat.completion") -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": kind, "created": 7, "model": "m", "choices": choices,
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip


@given(st.lists(messages, min_size=1, max_size=3))
def test_a_chat_comes_back_as_it_was(said: list[dict[str, Any]]) -> None:
    """Texts, calls and reasons of all its choices, and its usage."""
    whole = answer([
        {"index": i, "message": one, "finish_reason": "stop"} for i, one in enumerate(said)
    ])  # fmt: skip
    stream = as_stream(json.dumps(whole).encode(), usage=True)
    assert stream.endswith(b"data: [DONE]\n\n")
    back = as_whole(stream)
    assert back is not None
    assert json.loads(back) == whole


def test_a_completion_comes_back_as_it_was() -> None:
    """The older API's."""
    whole = answer([{"index": 0, "text": "Hi", "finish_reason": "length"}], "text_completion")
    back = as_whole(as_stream(json.dumps(whole).encode(), usage=True))
    assert back is not None
    assert json.loads(back) == whole


def test_usage_is_told_to_who_asked_for_it() -> None:
    """OpenAI's stream_options."""
    whole = json.dumps(answer([{"index": 0, "message": {"content": "x"}}])).encode()
    assert b"usage" not in as_stream(whole, usage=False)
    assert wants_usage(b'{"stream_options": {"include_usage": true}}')
    assert not wants_usage(b'{"stream_options": null}')
    assert not wants_usage(b'{"stream_options": 5}')


def test_a_request_loses_its_stream_alone() -> None:
    """All else stays, byte for byte."""
    body = b'{"model":"a","stream":true,"stream_options":{},"x":1.0,"y":"\\u00e9"}'
    assert unstreamed(body) == b'{"model":"a","x":1.0,"y":"\\u00e9"}'


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"choices": 5}', b'{"choices": [5]}'])
def test_what_is_no_answer_is_no_stream(body: bytes) -> None:
    """ValueError, whatever it is."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is a parser's
        as_stream(body, usage=True)


@given(st.binary(max_size=80))
def test_what_is_no_stream_is_no_answer(data: bytes) -> None:
    """None, whatever it is."""
    assert as_whole(b"data: " + data + b"\n\n") is None


@pytest.mark.parametrize("name", ["id", "created", "model", "system_fingerprint", "service_tier"])
@pytest.mark.parametrize("value", ["x" * 199, ["x"] * 60, {"x": "é" * 100}])
def test_what_is_long_is_not_repeated_in_each_event(name: str, value: object) -> None:
    """A megabyte of it, twice for each of a thousand choices, was gigabytes."""
    choices = [{"index": n, "message": {"content": "x"}} for n in range(9)]
    short, long = (
        json.dumps({"choices": choices, **more}, ensure_ascii=False).encode()
        for more in ({}, {name: value})
    )
    assert as_stream(long, usage=False) == as_stream(short, usage=False)
    kept = as_stream(json.dumps({"choices": choices, name: "x" * 198}).encode(), usage=False)
    assert kept.count(b"x" * 198) == 18


def test_choices_are_as_many_as_can_be_asked_for() -> None:
    """Two bytes each became four hundred."""

    def body(count: int) -> bytes:
        return json.dumps({"choices": [{}] * count}).encode()

    assert as_stream(body(MOST_CHOICES), usage=False).count(b"data: {") == 2 * MOST_CHOICES
    with pytest.raises(ValueError, match="1,024 choices"):
        as_stream(body(MOST_CHOICES + 1), usage=False)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"index": 0}, {"index": "a"}]},
        {"choices": [{"index": 0}, {"index": None}]},
        {"choices": [{"text": 5}]},
        {"choices": [{"delta": {"content": ["x"]}}, {"delta": {"content": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 128}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": -1}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0.5}]}}]},
        {"choices": [{"index": n} for n in range(MOST_CHOICES + 1)]},
    ],
)
def test_what_is_said_in_no_order_is_no_answer(event: dict[str, Any]) -> None:
    """None, and nothing is raised."""
    assert as_whole(b"data: " + json.dumps(event).encode() + b"\n\n") is None


def test_what_is_made_of_empty_objects_is_no_answer() -> None:
    """Nobody is shown it."""
    assert as_whole(b'data: {"choices":[%b]}\n\n' % b",".join([b"{}"] * 200_000)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        {"delta": {"content": "😀" * 128}},
        {"delta": {"reasoning": "😀" * 128}},
        {"text": "😀" * 128},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "😀" * 128}}]}},
    ],
    ids=["content", "reasoning", "text", "arguments"],
)
def test_pieces_are_put_together_once(part: dict[str, Any]) -> None:
    """Each piece copied all that came before it, four bytes a character."""
    event = b"data: " + json.dumps({"choices": [part]}, ensure_ascii=False).encode() + b"\n\n"

    def stream(count: int) -> Callable[[], object]:
        data = event * count
        return lambda: as_whole(data)

    whole = as_whole(event * 3)
    assert whole is not None
    assert whole.decode().count("😀" * 384) == 1
    assert growth(stream, 2000) < 8


def test_a_call_with_a_large_index_makes_no_others() -> None:
    """Of 30 bytes it made 127 calls that nobody has said, in each choice."""
    said = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    parts = [{"delta": {"tool_calls": [{"index": 127, **said}]}, "index": n} for n in range(9)]
    whole = as_whole(b"data: " + json.dumps({"choices": parts}).encode() + b"\n\n")
    assert whole is not None
    for choice in json.loads(whole)["choices"]:
        assert choice["message"]["tool_calls"] == [said]
