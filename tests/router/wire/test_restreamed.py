"""Answers as streams and back: nothing of them is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.restreamed import as_stream, as_whole, unstreamed, wants_usage

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
