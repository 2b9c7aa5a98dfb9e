"""The Messages API in front of chat completions: what becomes of requests, answers and streams."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.errors import BadRequest
from pointsman.router.wire.anthropic.answering import MessageSpeaker
from pointsman.router.wire.anthropic.asking import Echo, read, read_sized
from pointsman.router.wire.anthropic.dialect import DIALECT
from pointsman.router.wire.sse import EventReader
from pointsman.router.wire.translation.dialect import Untranslatable
from pointsman.router.wire.usage import Usage

HELLO = [{"role": "user", "content": "hi"}]


def asked(**more: Any) -> dict[str, Any]:
    """The chat request of a message request."""
    body = {"model": "auto", "max_tokens": 9, "messages": HELLO, **more}
    found: dict[str, Any] = json.loads(read(json.dumps(body).encode()).body)
    return found


def messages(*content: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    """The chat messages of one message with these blocks."""
    found: list[dict[str, Any]] = asked(messages=[{"role": role, "content": list(content)}])[
        "messages"
    ]
    return found


def test_a_plain_request_says_the_same_as_a_chat() -> None:
    """Nothing that the caller did not say is in it."""
    assert asked() == {"model": "auto", "messages": HELLO, "max_tokens": 9}


def test_every_parameter_has_its_chat_name() -> None:
    """Of those that chat completions know."""
    chat = asked(
        system=[{"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "Two."}],
        stop_sequences=["###"], temperature=0.5, top_p=0.9, top_k=7, stream=True,
        metadata={"user_id": "u1"}, service_tier="auto", thinking={"type": "disabled"},
        output_config={"effort": "max",
                       "format": {"type": "json_schema", "schema": {"type": "object"}}},
    )  # fmt: skip
    assert chat.pop("messages") == [{"role": "system", "content": "One.\n\nTwo."}, *HELLO]
    assert chat == {
        "model": "auto", "max_tokens": 9, "stop": ["###"], "temperature": 0.5, "top_p": 0.9,
        "top_k": 7, "stream": True, "stream_options": {"include_usage": True}, "user": "u1",
        "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "output", "schema": {"type": "object"}, "strict": True}},
    }  # fmt: skip


def test_rules_see_the_user_and_profiles_hear_of_thinking() -> None:
    """Neither stands in the body: not every server knows `metadata` or `thinking`."""
    body = {"model": "auto", "max_tokens": 9, "messages": HELLO}
    asking = read(json.dumps({**body, "metadata": {"user_id": "u1"}}).encode())
    assert (asking.metadata, asking.thinks) == ({"user_id": "u1"}, None)
    for kind, thinks in (("enabled", True), ("adaptive", True), ("disabled", False)):
        asking = read(json.dumps({**body, "thinking": {"type": kind}}).encode())
        assert (asking.metadata, asking.thinks) == ({}, thinks)


def test_images_become_urls() -> None:
    """Base64 as a data URL."""
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    (message,) = messages(
        {"type": "text", "text": "What is it?"},
        {"type": "image", "source": source},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    )
    assert message["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


def test_a_document_of_text_is_text() -> None:
    """With its title."""
    source = {"type": "text", "media_type": "text/plain", "data": "Track 9."}
    (message,) = messages({"type": "document", "source": source, "title": "Timetable"})
    assert message["content"] == "Timetable\n\nTrack 9."


def test_calls_and_results_keep_their_ids_and_their_order() -> None:
    """A result stands before what the user says with it, an image of it behind."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    found = asked(messages=[
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "a", "name": "look", "input": {"at": [1, 2.50]}},
            {"type": "tool_use", "id": "b", "name": "look", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "Go on."},
            {"type": "tool_result", "tool_use_id": "a", "content": "nine"},
            {"type": "tool_result", "tool_use_id": "b", "is_error": True,
             "content": [{"type": "text", "text": "broken"}, image]},
        ]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "x"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]},
    ])["messages"]  # fmt: skip
    assert found == [
        {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": [
            {"id": i, "type": "function", "function": {"name": "look", "arguments": told}}
            for i, told in (("a", '{"at": [1, 2.5]}'), ("b", "{}"))]},
        {"role": "tool", "tool_call_id": "a", "content": "nine"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: broken"},
        {"role": "user", "content": [
            {"type": "text", "text": "Go on."},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "x", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "told", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "t"}, {"type": "function", "function": {"name": "t"}}, None),
    ],
)
def test_tools_become_functions(
    choice: dict[str, Any], told: object, parallel: bool | None
) -> None:
    """With their schema as it was written."""
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    tool = {"name": "t", "description": "d", "input_schema": schema, "type": "custom"}
    chat = asked(tools=[tool], tool_choice=choice)
    described = {"name": "t", "description": "d", "parameters": schema}
    assert chat["tools"] == [{"type": "function", "function": described}]
    assert (chat["tool_choice"], chat.get("parallel_tool_calls")) == (told, parallel)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {
            "type": "base64", "data": "", "media_type": "application/pdf"}}]}]},
         "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": 5}]}]},
         "messages.0.content.0.content"),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
         "messages.0.content.0"),
        ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"container": "x"}, "container"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ],
)  # fmt: skip
def test_what_a_chat_cannot_say_is_refused_by_name(more: dict[str, Any], param: str) -> None:
    """Nothing is left out in silence that would change the answer."""
    with pytest.raises(BadRequest) as raised:
        asked(**more)
    assert raised.value.status == 400
    assert param in (raised.value.param or "")


def test_the_first_version_is_not_spoken() -> None:
    """It had other events. Later ones are: SDKs say theirs with every request."""
    body = json.dumps({"model": "auto", "max_tokens": 9, "messages": HELLO}).encode()
    for version in (b"2023-06-01", b"2026-10-21", b"2030-01-01"):
        assert DIALECT.read(body, [(b"anthropic-version", version)]).body
    assert DIALECT.read(body, []).body
    with pytest.raises(BadRequest, match="2023-01-01"):
        DIALECT.read(body, [(b"anthropic-version", b"2023-01-01")])


def test_counting_needs_no_max_tokens() -> None:
    """It is a chat with the same text and tools."""
    tool = {"name": "t", "input_schema": {}}
    body = {"model": "auto", "messages": HELLO, "system": "S", "tools": [tool]}
    chat = json.loads(read_sized(json.dumps(body).encode()))
    assert [m["content"] for m in chat["messages"]] == ["S", "hi"]
    assert chat["tools"][0]["function"]["name"] == "t"


def speaker(*stops: str) -> MessageSpeaker:
    """Of an answer to a prompt of 7 tokens."""
    return MessageSpeaker(Echo(stops), id="d-1", prompt_tokens=7)


def whole(message: dict[str, Any], *stops: str, **choice: Any) -> dict[str, Any]:
    """A chat answer with this message, translated."""
    choices = [{"index": 0, "message": {"role": "assistant", **message}, **choice}]
    body = json.dumps({"id": "c-1", "model": "m", "choices": choices}).encode()
    found: dict[str, Any] = json.loads(speaker(*stops).whole(body, Usage(10, 5, cached_tokens=4)))
    return found


def tool_call(name: str, arguments: str, id: str = "c") -> dict[str, Any]:  # noqa: A002
    """Of an answer."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_an_answer_is_a_message() -> None:
    """With the model that answered, and tokens read before set apart, as theirs counts."""
    assert whole({"content": "Nine."}, finish_reason="stop") == {
        "id": "c-1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "Nine."}],
        "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 6, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 4, "output_tokens": 5},
    }  # fmt: skip


def test_reasoning_and_calls_are_blocks() -> None:
    """In this order."""
    calls = [tool_call("look", '{"at": 1}'), tool_call("wait", "")]
    found = whole({"reasoning": "Hm.", "content": "", "tool_calls": calls}, finish_reason="stop")
    assert found["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "c", "name": "wait", "input": {}},
    ]
    assert found["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("choice", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, "end_turn", None),
        ({"finish_reason": "length"}, "max_tokens", None),
        ({"finish_reason": "content_filter"}, "refusal", None),
        ({"finish_reason": "stop", "stop_reason": "##"}, "stop_sequence", "##"),
        ({"finish_reason": "stop", "stop_reason": "other"}, "end_turn", None),
        ({"finish_reason": "stop", "stop_reason": 151645}, "end_turn", None),
        ({}, "end_turn", None),
    ],
)
def test_why_an_answer_ended(choice: dict[str, Any], reason: str, sequence: str | None) -> None:
    """A stop sequence is named where the server says which it was (vLLM)."""
    found = whole({"content": "x"}, "##", **choice)
    assert (found["stop_reason"], found["stop_sequence"]) == (reason, sequence)


def test_a_refusal_is_text_with_its_reason() -> None:
    """OpenAI has a member of its own for it."""
    found = whole({"content": None, "refusal": "No."}, finish_reason="stop")
    assert found["content"] == [{"type": "text", "text": "No."}]
    assert found["stop_reason"] == "refusal"


def test_arguments_that_are_no_object_are_no_answer() -> None:
    """Another backend may do better; of an answer that was cut short nothing else is to be had."""
    broken = {"content": None, "tool_calls": [tool_call("look", '{"at":')]}
    with pytest.raises(Untranslatable):
        whole(broken, finish_reason="tool_calls")
    assert whole(broken, finish_reason="length")["content"][0]["input"] == {}
    with pytest.raises(Untranslatable):
        whole({"tool_calls": [{"id": "a"}]})


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> bytes:
    """An event of a chat stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, **more.pop("choice", {})}]
    return (
        b"data: "
        + json.dumps({"id": "c-1", "model": "m", "choices": choices, **more}).encode()
        + b"\n\n"
    )


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5,
         "prompt_tokens_details": {"cached_tokens": 4}}  # fmt: skip
RICH = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm"}), chunk({"reasoning_content": "."}),
    chunk({"content": "I "}), chunk({"content": "look é."}),
    chunk({"tool_calls": [{"index": 0, **tool_call("look", "")}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"at"'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
    chunk({"tool_calls": [{"index": 1, **tool_call("wait", "{}", "d")}]}),
    chunk({}, choice={"finish_reason": "tool_calls"}),
    chunk(usage=USAGE), DONE,
]  # fmt: skip


def told(pieces: Sequence[bytes], speaks: MessageSpeaker | None = None) -> list[dict[str, Any]]:
    """The data of the events that these pieces are translated to; each says its name."""
    speaks = speaks or speaker()
    out = b"".join(map(speaks.feed, pieces))
    names = [line[7:] for line in out.decode().split("\n") if line.startswith("event: ")]
    found = [json.loads(data) for data in EventReader().feed(out)]
    assert [one["type"] for one in found] == names
    return found


def test_a_stream_is_the_events_of_a_message() -> None:
    """Blocks in turns, each begun and ended; usage and the reason before the end."""
    found = told(RICH)
    assert [one["type"].replace("content_block", "block") for one in found] == [
        "message_start", "ping",
        "block_start", "block_delta", "block_delta", "block_stop",
        "block_start", "block_delta", "block_delta", "block_stop",
        "block_start", "block_delta", "block_delta", "block_stop",
        "block_start", "block_delta", "block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    start = found[0]["message"]
    assert (start["id"], start["model"], start["content"]) == ("c-1", "m", [])
    assert start["usage"]["input_tokens"] == 7  # the router's estimate
    blocks = [one["content_block"] for one in found if one["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block.get("id") for block in blocks] == [None, None, "c", "d"]
    indices = [one["index"] for one in found if one["type"] == "content_block_stop"]
    assert indices == [0, 1, 2, 3]
    assert found[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert found[-2]["usage"]["input_tokens"] == 6
    assert found[-2]["usage"]["output_tokens"] == 5


@given(st.lists(st.integers(0, len(b"".join(RICH))), max_size=12))
def test_however_the_network_cuts_the_bytes_the_events_are_the_same(cuts: list[int]) -> None:
    """Also in the middle of a character."""
    whole_stream = b"".join(RICH)
    edges = [0, *sorted(cuts), len(whole_stream)]
    pieces = [whole_stream[a:b] for a, b in pairwise(edges)]
    assert told(pieces) == told(RICH)


def test_tokens_are_estimated_where_the_server_does_not_say() -> None:
    """About one an event, as everywhere in this router."""
    found = told([chunk({"content": "a"}), chunk({"content": "b"}), DONE])
    assert found[-2]["usage"]["output_tokens"] == 2
    assert found[-2]["usage"]["input_tokens"] == 7


def test_an_empty_answer_is_a_message_without_blocks() -> None:
    """As theirs."""
    found = told([chunk({}, choice={"finish_reason": "stop"}), DONE])
    assert [one["type"] for one in found] == [
        "message_start", "ping", "message_delta", "message_stop",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b"data: nothing\n\n", "no"),
        (chunk({"tool_calls": [{"index": 3, "function": {"arguments": "x"}}]}), "turns"),
    ],
)
def test_what_cannot_be_told_ends_in_an_error(event: bytes, why: str) -> None:
    """What came before it is told, and nothing after it."""
    one = speaker()
    first = chunk({"content": "a"})
    out = one.feed(first + event)
    assert out == speaker().feed(first)
    assert why in one.broken
    error = json.loads(EventReader().feed(one.fail("It broke.", "upstream_timeout"))[0])
    assert error["type"] == "error"
    assert error["error"] == {
        "type": "timeout_error", "message": "It broke.",
        "details": {"error_code": "upstream_timeout"},
    }  # fmt: skip
    assert one.finish() == one.fail("again", "x") == b""


def test_nothing_follows_the_end() -> None:
    """Neither a second end nor an error."""
    one = speaker()
    assert one.feed(b"".join(RICH)).endswith(b'{"type":"message_stop"}\n\n')
    assert one.feed(RICH[3]) == one.finish() == one.fail("x", "y") == b""
