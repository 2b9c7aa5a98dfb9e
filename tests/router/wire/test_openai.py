"""Reading what routing needs, and replacing the model, without touching the rest."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode

from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import (
    USAGE_BYTES,
    read_answer,
    read_chat,
    read_stream_usage,
    read_usage_at,
)
from pointsman.router.wire.refusal import says_too_long
from pointsman.router.wire.splice import replace_model

KEYS = st.sampled_from(["model", "mod", "messages", "metadata", "tools", "stream_options", 'a"b'])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["model", '"model"', '"model":"auto"', "auto", "\\", "é", "\U0001f600"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=8
)


@given(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.sampled_from(["auto", "model", 'a"b', "é", ""]),
    st.text(max_size=10),
    st.sampled_from([None, 2]),
    st.booleans(),
)
@pytest.mark.slow
def test_replacing_the_model_keeps_every_other_member(
    members: dict[str, object], old: str, new: str, indent: int | None, ascii_only: bool
) -> None:
    """For any nesting, escapes and spacing, any reader sees the new model and nothing else new."""
    members = {**members, "model": old}
    body = json.dumps(members, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.loads(replace_model(body, encode(new))) == {**members, "model": new}


def test_all_other_bytes_stay_as_they_came() -> None:
    """Spacing, number spelling and unknown members included."""
    body = b'{ "seed":1e400 , "model" :\n"auto","x":"\\u00e9 \\"model\\"" }'
    assert replace_model(body, b'"m"') == body.replace(b'"auto"', b'"m"')


def test_only_what_is_needed_is_judged() -> None:
    """Fields and content parts the router does not know pass."""
    chat = read_chat(
        json.dumps(
            {
                "model": "auto",
                "stream": None,
                "max_tokens": 5,
                "max_completion_tokens": 7,
                "metadata": {"a": "b", "c": 1},
                "tools": [],
                "new_field": {"x": [1]},
                "messages": [
                    {"role": "developer", "content": "be brief"},
                    {"role": "user", "content": [{"type": "text", "text": "one"}]},
                    {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                    {"role": "tool", "content": {"odd": 1}},
                    {"role": "user", "content": [{"type": "image_url", "image_url": {}},
                                                 {"type": "text", "text": "two"}]},
                    {"role": "assistant", "content": "pre"},
                ],
            }
        ).encode()
    )  # fmt: skip
    assert (chat.model, chat.stream, chat.max_output_tokens) == ("auto", False, 7)
    assert (chat.metadata, chat.tools) == ({"a": "b"}, False)
    prompt = chat.prompt()
    assert (prompt.user, prompt.system, prompt.turns) == ("two", "be brief", 2)
    assert prompt.history == "one\n\n\npre"
    assert prompt.images == 1
    assert prompt.total_chars == len("be briefonetwopre") + len('[{"id": "1"}]')


def test_long_histories_are_counted_whole_and_copied_in_part() -> None:
    """Head and tail."""
    messages = [{"role": "assistant", "content": f"{n:04d}" * 1000} for n in range(50)]
    body = {"model": "auto", "messages": [*messages, {"role": "user", "content": "x"}]}
    prompt = read_chat(json.dumps(body).encode()).prompt()
    assert prompt.total_chars == 50 * 4000 + 1
    assert len(prompt.history) < 17_000
    assert prompt.history.startswith("0000")
    assert prompt.history.endswith("0049")


@given(VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    """BadRequest is the only way to say no."""
    for body in (value, {"model": "a", "messages": value}, {"model": "a", "messages": [value]}):
        with suppress(BadRequest):
            read_chat(json.dumps(body).encode()).prompt()


def test_usage_is_read_from_answers_and_streams() -> None:
    """Stated usage; an answer that is none; the last usage of a stream, null before."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    _, found, wrong = read_answer(json.dumps({"choices": [], "usage": usage}).encode())
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, wrong) == (3, 4, "")
    assert read_answer(b'{"choices": []}')[1:] == (None, "")
    for body in (b"", b"{", b"[]", b"<html>", b'{"error": {"message": "x"}}'):
        assert read_answer(body)[2]
    event = b"data: " + json.dumps({"usage": usage}).encode() + b"\n\n"
    tail = b'lf"}\n\n' + event + b'data: {"usage":null}\n\ndata: [DONE]\n\n'
    assert read_stream_usage(tail) == found
    assert read_stream_usage(b'data: {"usage": bro\n\n') is None


@pytest.mark.parametrize(
    ("usage", "cached", "reasoning"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 7}}, 7, 0),
        ({"prompt_cache_hit_tokens": 6}, 6, 0),
        ({"completion_tokens_details": {"reasoning_tokens": 3}}, 0, 3),
        ({"prompt_tokens_details": {"cached_tokens": 700}}, 9, 0),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, 0, 0),
        ({"prompt_tokens_details": None, "completion_tokens_details": {}}, 0, 0),
        ({"prompt_tokens_details": [1], "completion_tokens_details": "x"}, 0, 0),
        ({"prompt_cache_hit_tokens": 1.5}, 0, 0),
    ],
)
def test_details_of_usage_never_cost_the_answer(
    usage: dict[str, object], cached: int, reasoning: int
) -> None:
    """Parts of tokens are read where they make sense, and an answer counts where they do not."""
    usage = {"prompt_tokens": 9, "completion_tokens": 4, **usage}
    _, found, wrong = read_answer(json.dumps({"usage": usage, "id": 5, "model": [1]}).encode())
    assert wrong == ""
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (9, 4)
    assert (found.cached_tokens, found.reasoning_tokens) == (cached, reasoning)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ((32, 9, 135, 94), (32, 103, 94)),
        ((20, 198, 623, 0), (20, 603, 0)),
        ((21, 0, 81, 60), (21, 60, 60)),
        ((9, 4, 13, 3), (9, 4, 3)),
        ((9, 4, 5, 3), (9, 4, 3)),
    ],
    ids=["xAI", "Gemini", "thought only", "OpenAI", "a sum that is none"],
)
def test_what_was_thought_is_counted_where_only_the_sum_has_it(
    usage: tuple[int, int, int, int], counted: tuple[int, int, int]
) -> None:
    """Some providers leave it out of completion_tokens, and on the bill."""
    prompt, completion, total, reasoning = usage
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": reasoning}}  # fmt: skip
    body = json.dumps({"choices": [], "usage": told}).encode()
    for found in (read_answer(body)[1], read_stream_usage(b"data: %b\n\n" % body)):
        assert found is not None
        assert (found.prompt_tokens, found.completion_tokens, found.reasoning_tokens) == counted


@pytest.mark.parametrize(
    "nothing", [{}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}]
)
def test_no_tokens_at_all_are_not_stated(nothing: dict[str, int]) -> None:
    """Some servers say so until the last event, or always: such answers cost nothing."""
    none = json.dumps({"choices": [], "usage": nothing}).encode()
    assert read_answer(none)[1] is None
    said = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}).encode()
    found = read_stream_usage(b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n" % (said, none))
    assert found == read_answer(said)[1]


@pytest.mark.parametrize("place", ["choices", "x_groq"])
def test_a_streams_usage_is_found_where_providers_put_it(place: str) -> None:
    """Moonshot's is in a choice, Groq's in a member of its own: neither waits to be asked."""
    told = {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    last: dict[str, object] = {"choices": [choice], "usage": None}
    last |= {"choices": [choice | told]} if place == "choices" else {"x_groq": {"id": "r"} | told}
    found = read_stream_usage(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(last).encode())
    assert found == read_answer(json.dumps(told).encode())[1]
    assert found is not None


@pytest.mark.parametrize("after", [b"", b', "service_tier": "}", "timings": {"prompt_tokens": 5}'])
@pytest.mark.parametrize(
    "usage",
    [
        b'{"prompt_tokens": 9, "completion_tokens": 4}',
        b'{"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 7}, "x": {"y": {}}}',
        b'{"prompt_tokens": 9, "prompt_tokens_details": [1], "note": "}{"}',
        b'{"total_tokens": 13}',
        b'{"prompt_tokens": 9, "by_model": {"prompt_tokens": 2}}',
    ],
)
def test_the_end_of_an_answer_tells_what_all_of_it_tells(usage: bytes, after: bytes) -> None:
    """A large answer cost more than a small one that states the same: details were not read."""
    body = b'{"choices": ["%b"], "usage": %b%b}' % (b"x" * USAGE_BYTES, usage, after)
    found = read_usage_at(body[-USAGE_BYTES:])
    assert found is not None
    assert found == read_answer(body)[1]


@pytest.mark.parametrize(
    "end",
    [
        b"",
        b'"usage": {"prompt_tokens": 9}}',
        b', "usage": null, "x": {}}',
        b', "usage": {"prompt_tokens": 9',
        b', "usage": {"prompt_tokens": "9"}}',
        b'says \\"usage\\": {"prompt_tokens": 9}"}]}',
        b'says \\"usage": {"prompt_tokens": 9}"}]}',
    ],
)
def test_an_end_without_usage_tells_none(end: bytes) -> None:
    """It is cut, is none, or is what a model said."""
    assert read_usage_at(end) is None


@pytest.mark.parametrize(
    ("body", "too_long"),
    [
        (b'{"error":{"code":"context_length_exceeded","message":"x"}}', True),
        (b'{"error":{"code":400,"message":"This model\'s maximum context length is 5"}}', True),
        (b'{"object":"error","message":"maximum context length is 5","code":400}', True),
        (b'{"error":{"code":"invalid","message":"temperature"}}', False),
        (b'{"error":{"message":"max_tokens must be at least 1, got 0"}}', False),
        (b'{"error":"x"}', False),
        (b"<html>", False),
        (b"", False),
    ],
)
def test_a_refusal_for_length_is_recognized(body: bytes, too_long: bool) -> None:
    """OpenAI's code, and vLLM's words."""
    assert says_too_long(body) is too_long


@pytest.mark.parametrize(
    ("response_format", "asks"),
    [
        ({"type": "json_object"}, True),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}, True),
        ({"type": "text"}, False),
        ({}, False),
        (None, False),
        ("json_object", False),
        ({"type": 1}, False),
    ],
)
def test_json_mode_is_what_response_format_asks_for(response_format: object, asks: bool) -> None:
    """What is not understood is the backend's matter."""
    message = {"role": "user", "content": "hi"}
    body = {"model": "m", "messages": [message], "response_format": response_format}
    assert read_chat(json.dumps(body).encode()).prompt().json_mode is asks
