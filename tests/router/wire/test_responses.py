"""The Responses API in front of chat completions: what becomes of requests, answers and streams."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.errors import BadRequest
from pointsman.router.wire.responses.answering import ResponseSpeaker
from pointsman.router.wire.responses.asking import read
from pointsman.router.wire.responses.dialect import DIALECT
from pointsman.router.wire.sse import EventReader
from pointsman.router.wire.usage import Usage
from tests.router.wire.test_anthropic import DONE, HELLO, RICH, chunk, tool_call


def asked(given: Any = "hi", **more: Any) -> dict[str, Any]:
    """The chat request of a response request."""
    body = {"model": "auto", "input": given, **more}
    found: dict[str, Any] = json.loads(read(json.dumps(body).encode()).body)
    return found


def test_a_plain_request_says_the_same_as_a_chat() -> None:
    """Nothing that the caller did not say is in it."""
    assert asked() == asked(HELLO) == {"model": "auto", "messages": HELLO}


def test_every_parameter_has_its_chat_name() -> None:
    """Of those that chat completions know."""
    schema = {"type": "object"}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    tool = {"type": "function", "name": "t", "parameters": schema, "strict": True}
    chat = asked(
        instructions="Be brief.", max_output_tokens=9, temperature=0.5, top_p=0.9, stream=True,
        metadata={"a": "b"}, user="u", safety_identifier="s", tools=[tool],
        tool_choice={"type": "function", "name": "t"}, parallel_tool_calls=False,
        reasoning={"effort": "low", "summary": "auto"}, text={"format": form, "verbosity": "low"},
        store=False, truncation="disabled", include=["reasoning.encrypted_content"],
    )  # fmt: skip
    described = {"name": "t", "parameters": schema, "strict": True}
    assert chat.pop("messages") == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert chat == {
        "model": "auto", "stream": True, "stream_options": {"include_usage": True},
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "metadata": {"a": "b"}, "user": "u",
        "safety_identifier": "s", "tools": [{"type": "function", "function": described}],
        "tool_choice": {"type": "function", "function": {"name": "t"}},
        "parallel_tool_calls": False, "reasoning_effort": "low", "verbosity": "low",
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True},
        },
    }  # fmt: skip
    assert asked(text={"format": {"type": "json_object"}})["response_format"] == {
        "type": "json_object"
    }
    assert "response_format" not in asked(text={"format": {"type": "text"}})


def test_a_conversation_keeps_its_order() -> None:
    """Reasoning and calls are of the assistant's message that they stand beside."""
    url = "data:image/png;base64,aGk="
    found = asked([
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": url, "detail": "low"}]},
        {"type": "reasoning", "id": "rs", "summary": [],
         "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "I look.", "annotations": []}]},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "look", "arguments": '{"at":1}'},
        {"type": "function_call_output", "call_id": "a", "output": "nine"},
        {"type": "function_call_output", "call_id": "b", "output": [
            {"type": "input_text", "text": "ten"}, {"type": "input_image", "image_url": url}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}]},
        {"type": "function_call", "call_id": "c", "name": "wait", "arguments": "{}"},
    ])["messages"]  # fmt: skip
    image = {"type": "image_url", "image_url": {"url": url}}
    assert found == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]},
        {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": [
            tool_call("look", "{}", "a"), tool_call("look", '{"at":1}', "b")]},
        {"role": "tool", "tool_call_id": "a", "content": "nine"},
        {"role": "tool", "tool_call_id": "b", "content": "ten"},
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": None, "reasoning_content": "So.",
         "tool_calls": [tool_call("wait", "{}", "c")]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input.0.role"),
        ({"input": [{"content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
         "input.0.content.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]},
         "input.0.content.0"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
    ],
)  # fmt: skip
def test_what_a_chat_cannot_say_is_refused_by_name(more: dict[str, Any], param: str) -> None:
    """What needs a store above all: the answer would be another one without it."""
    body = json.dumps({"model": "auto", "input": "hi", **more}).encode()
    with pytest.raises(BadRequest) as raised:
        DIALECT.read(body, [])
    assert (raised.value.status, raised.value.param) == (400, param)


def test_null_says_nothing() -> None:
    """SDKs send it for what was not given."""
    names = (
        "previous_response_id", "conversation", "prompt", "store", "background", "tools", "text",
        "instructions", "reasoning", "metadata", "truncation", "tool_choice",
    )  # fmt: skip
    assert asked(**dict.fromkeys(names)) == asked()


def test_a_field_of_a_chat_has_the_callers_name_in_errors() -> None:
    """`messages` is nothing that this caller wrote."""
    problem = BadRequest("too long", param="messages", code="context_length_exceeded")
    error = json.loads(DIALECT.problem(problem, b"id"))["error"]
    assert (error["param"], error["code"]) == ("input", "context_length_exceeded")
    body = b'{"error":{"message":"m","type":"t","param":"max_tokens","code":null}}'
    error = json.loads(DIALECT.refusal(400, body, b"id"))["error"]
    assert error == {"message": "m", "type": "t", "param": "max_output_tokens", "code": None}


def speaker(**echo: Any) -> ResponseSpeaker:
    """Of an answer to a prompt of 7 tokens."""
    return ResponseSpeaker(echo, id="d-1", now_s=5, prompt_tokens=7)


def whole(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    """A chat answer with this message, translated."""
    choices = [{"index": 0, "message": {"role": "assistant", **message}, **choice}]
    body = json.dumps({"id": "c-1", "model": "m", "choices": choices}).encode()
    usage = Usage(10, 5, cached_tokens=4, reasoning_tokens=2)
    found: dict[str, Any] = json.loads(speaker().whole(body, usage))
    return found


def test_an_answer_is_a_response() -> None:
    """With the model that answered; it says that nothing is stored."""
    found = whole({"content": "Nine."}, finish_reason="stop")
    (item,) = found["output"]
    assert item == {
        "id": "msg_d-1_0", "type": "message", "role": "assistant", "status": "completed",
        "content": [
            {"type": "output_text", "text": "Nine.", "annotations": [], "logprobs": []}],
    }  # fmt: skip
    told = ("id", "object", "status", "model", "store", "error", "incomplete_details")
    assert [found[name] for name in told] == [
        "c-1",
        "response",
        "completed",
        "m",
        False,
        None,
        None,
    ]
    assert found["usage"] == {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15,
    }  # fmt: skip


def test_reasoning_refusals_and_calls_are_items() -> None:
    """In this order."""
    calls = [tool_call("look", '{"at": 1}'), tool_call("wait", "")]
    found = whole({"reasoning": "Hm.", "refusal": "No.", "tool_calls": calls})["output"]
    assert [item["type"] for item in found] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    assert found[0]["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert found[1]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert (found[2]["name"], found[2]["call_id"], found[2]["arguments"]) == (
        "look", "c", '{"at": 1}',
    )  # fmt: skip
    assert len({item["id"] for item in found}) == 4


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_was_cut_short_says_why(finish: str, reason: str) -> None:
    """Its status is not that of a whole one."""
    found = whole({"content": "x"}, finish_reason=finish)
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert found["output"][0]["status"] == "incomplete"
    events = told([chunk({"content": "x"}, choice={"finish_reason": finish}), DONE])
    assert events[-1]["type"] == "response.incomplete"


def test_what_was_asked_is_repeated() -> None:
    """As it was written; null is what is said where nothing was."""
    body = {"model": "auto", "input": "hi", "temperature": 0.50, "tools": None,
            "metadata": {"a": "b"}, "text": {"format": {"type": "json_object"}}}  # fmt: skip
    asking = read(json.dumps(body).encode())
    one = DIALECT.speaker(asking, id="d", now_s=5, prompt_tokens=1)
    answer = b'{"choices":[{"message":{"content":"x"}}]}'
    found = json.loads(one.whole(answer, Usage(1, 1)))
    assert (found["temperature"], found["metadata"], found["tools"]) == (0.5, {"a": "b"}, [])
    assert found["text"] == {"format": {"type": "json_object"}}


def told(pieces: Sequence[bytes], speaks: ResponseSpeaker | None = None) -> list[dict[str, Any]]:
    """The data of the events that these pieces are translated to; each says its name."""
    speaks = speaks or speaker()
    out = b"".join(map(speaks.feed, pieces))
    names = [line[7:] for line in out.decode().split("\n") if line.startswith("event: ")]
    found = [json.loads(data) for data in EventReader().feed(out)]
    assert [one["type"] for one in found] == names
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    return found


def test_a_stream_is_the_events_of_a_response() -> None:
    """Items in turns, each added and done; the whole at the end."""
    found = told(RICH)
    names = [one["type"].removeprefix("response.") for one in found]
    text = ["output_item.added", "content_part.added", "{}.delta", "{}.delta", "{}.done",
            "content_part.done", "output_item.done"]  # fmt: skip
    arguments = "function_call_arguments"
    assert names == [
        "created", "in_progress",
        *(name.format("reasoning_text") for name in text),
        *(name.format("output_text") for name in text),
        "output_item.added", f"{arguments}.delta", f"{arguments}.delta", f"{arguments}.done",
        "output_item.done",
        "output_item.added", f"{arguments}.delta", f"{arguments}.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert found[0]["response"]["status"] == "in_progress"
    last = found[-1]["response"]
    assert (last["id"], last["model"], last["usage"]["output_tokens"]) == ("c-1", "m", 5)
    done = [one["item"] for one in found if one["type"] == "response.output_item.done"]
    assert last["output"] == done
    assert done[1]["content"][0]["text"] == "I look é."
    assert done[2]["arguments"] == '{"at": 1}'


def test_a_stream_ends_as_the_whole_answer_does() -> None:
    """Both ways of asking give one response."""
    message = {"reasoning_content": "Hm.", "content": "I look é.", "tool_calls": [
        tool_call("look", '{"at": 1}'), tool_call("wait", "{}", "d")]}  # fmt: skip
    assert told(RICH)[-1]["response"]["output"] == whole(message)["output"]


@given(st.lists(st.integers(0, len(b"".join(RICH))), max_size=12))
def test_however_the_network_cuts_the_bytes_the_events_are_the_same(cuts: list[int]) -> None:
    """Also in the middle of a character."""
    stream = b"".join(RICH)
    edges = [0, *sorted(cuts), len(stream)]
    assert told([stream[a:b] for a, b in pairwise(edges)]) == told(RICH)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b"data: nothing\n\n", "no"),
        (chunk({"tool_calls": [{"index": 3, "function": {"arguments": "x"}}]}), "turns"),
    ],
)
def test_what_cannot_be_told_ends_in_a_failure(event: bytes, why: str) -> None:
    """With what came before it."""
    one = speaker()
    first = chunk({"content": "a"})
    assert one.feed(first + event) == speaker().feed(first)
    assert why in one.broken
    *_, last = EventReader().feed(one.fail("It broke.", "upstream_timeout"))
    response = json.loads(last)["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert response["error"]["message"] == "It broke. (upstream_timeout)"
    assert response["output"][0]["content"][0]["text"] == "a"
    assert one.finish() == one.fail("again", "x") == b""


def test_before_the_first_event_there_is_no_response_to_fail() -> None:
    """An error event of its own."""
    (event,) = EventReader().feed(speaker().fail("It broke.", "no_backend"))
    assert json.loads(event) == {
        "type": "error", "code": "no_backend", "message": "It broke.", "param": None,
        "sequence_number": 0,
    }  # fmt: skip
