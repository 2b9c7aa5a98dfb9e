"""A request that is sent a second time, and what its answer says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.mirrored import Said, said_of, second

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
HARMLESS = st.sampled_from(["model", "messages", "seed", "user", "n", "x", "temperature"])
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "Why?"}]}


@given(members=st.dictionaries(HARMLESS, VALUES), stream=st.none() | st.booleans())
def test_only_streaming_is_taken_away(members: dict[str, Any], stream: bool | None) -> None:
    """Every other member keeps its value."""
    options = {"stream": stream, "stream_options": {"include_usage": True}}
    found = second(json.dumps({**members, **options}).encode())

    assert found is not None
    assert json.loads(found) == members


def test_what_is_not_streamed_is_sent_as_it_came() -> None:
    """Byte for byte."""
    body = b'{ "model":"auto",  "messages": [] }'

    assert second(body) is body


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function"}, {"type": "web_search_preview"}]},
        {"tools": [{}]},
        {"tools": "web_search"},
        {"enable_search": True},
        {"plugins": [{"id": "web"}]},
        {"store": True},
        {"background": True},
        {"web_search_options": {"user_location": {}}},
        {"previous_response_id": "resp_1"},
    ],
)
def test_what_runs_at_a_provider_is_not_sent_twice(more: dict[str, Any]) -> None:
    """Nor is what is not understood."""
    assert second(json.dumps({**QUESTION, **more}).encode()) is None


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"type": "custom"}]},
        {"tools": None},
        {"tools": []},
        {"store": False},
        {"web_search_options": None},
    ],
)
def test_tools_of_the_caller_are_only_asked_for(more: dict[str, Any]) -> None:
    """Nobody calls them for a shadow's answer."""
    assert second(json.dumps({**QUESTION, **more}).encode()) is not None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_not_sent(body: bytes) -> None:
    """It was not answered either."""
    assert second(body) is None
    assert said_of(body) == Said("", False, "")


def test_what_an_answer_says() -> None:
    """Text, refusal, tools that it calls, and why it ended; of the first choice."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    def said(message: dict[str, Any], finish: str = "stop") -> Said:
        other = {"index": 1, "message": {"content": "other"}}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return said_of(json.dumps({"choices": [other, choice]}).encode())

    assert said({"content": "Because."}) == Said("Because.", False, "stop")
    assert said({"content": None, "refusal": "I cannot."}).text == "I cannot."
    assert said({"content": None, "tool_calls": [call]}, "tool_calls") == Said(
        "", True, "tool_calls"
    )
    assert said({"content": "x", "tool_calls": []}).calls is False
    completion = b'{"choices": [{"index": 0, "text": "and so on", "finish_reason": "length"}]}'
    assert said_of(completion) == Said("and so on", False, "length")
    assert said_of(b'{"choices": []}') == Said("", False, "")
