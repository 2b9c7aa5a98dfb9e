"""What holds for every API that is translated: strange requests are refused, never a bug."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import ChatRequest
from pointsman.router.wire.operation import MESSAGES, OPERATIONS, RESPONSES, dialect_of
from pointsman.router.wire.refusal import in_openais_shape
from pointsman.router.wire.translation.dialects import DIALECTS
from tests.fuzz.translations import REQUESTS, ask_disagreement
from tests.router.wire.test_anthropic import DONE, chunk, tool_call
from tests.router.wire.test_anthropic import told as told_message
from tests.router.wire.test_responses import told as told_response

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "source", "output", "name"]), inner
        )
    ),
    max_leaves=6,
)


def places(value: Any) -> int:
    """How many values there are in a value, itself among them."""
    if isinstance(value, dict):
        return 1 + sum(map(places, value.values()))
    return 1 + sum(map(places, value)) if isinstance(value, list) else 1


def with_other(value: Any, at: int, other: Any) -> Any:
    """The value with another one in its place number `at`."""
    if at == 0:
        return other
    at -= 1
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        count = places(inner)
        if at < count:
            copy = value.copy()
            copy[key] = with_other(inner, at, other)
            return copy
        at -= count
    raise AssertionError


@given(data=st.data(), other=values)
def test_a_value_that_is_another_is_a_chat_or_refused(data: st.DataObject, other: object) -> None:
    """Whichever of a request it is."""
    body = json.loads(data.draw(st.sampled_from(REQUESTS)))
    at = data.draw(st.integers(0, places(body) - 1))
    assert ask_disagreement(json.dumps(with_other(body, at, other)).encode(), []) == ""


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"model":"m","x":"\xff"}', b'{"a":' * 5000, b'{"model":"\\ud800"}', b"5"]
)
def test_what_is_no_request_is_refused(name: str, body: bytes) -> None:
    """With 400, as it would be of a chat."""
    with pytest.raises(BadRequest) as raised:
        DIALECTS[name].read(body, [])
    assert raised.value.status == 400


@pytest.mark.parametrize("details", [[1], "x", {"cached_tokens": "many"}])
def test_details_of_usage_never_cost_a_translated_answer(details: object) -> None:
    """A chat with them is answered, so what is translated into one is as well."""
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": details}
    stream = [chunk({"content": "hi"}), chunk(usage=usage), DONE]
    assert told_message(stream)[-2]["usage"]["output_tokens"] == 4
    assert told_response(stream)[-1]["response"]["usage"]["input_tokens"] == 9


@pytest.mark.parametrize("name", DIALECTS)
def test_a_refusal_is_short(name: str) -> None:
    """It may name what the caller wrote, of any length."""
    long = "x" * 100_000
    for body in (
        {"messages": [{"role": long, "content": ""}], "max_tokens": 1},
        {"input": [{"type": long}]},
    ):
        with pytest.raises(BadRequest) as raised:
            DIALECTS[name].read(json.dumps({"model": "m", **body}).encode(), [])
        assert len(raised.value.message) < 1000


def test_an_operation_reads_its_bodies_as_chats() -> None:
    """So whoever reads traffic need not know of translation."""
    asked = MESSAGES.read(REQUESTS[0])
    assert isinstance(asked, ChatRequest)
    assert (asked.tools, asked.max_output_tokens, asked.stream) == (True, 5, True)
    assert list(RESPONSES.read(REQUESTS[3]).texts()) == ["user: x"]


def test_paths_belong_to_apis() -> None:
    """Also those below them that are not there."""
    found = {path: dialect_of(path) for path in (
        b"/v1/messages", b"/v1/messages?x=/v1/responses", b"/v1/messages/batches",
        b"/v1/responses/resp_1", b"/v1/messagesx", b"/v1/chat/completions", b"/v1/rerank", b"/",
        b"",
    )}  # fmt: skip
    assert list(found.values()) == ["Messages"] * 3 + ["Responses"] + [""] * 5
    assert {one.dialect for one in OPERATIONS.values()} == {"", *DIALECTS}


@pytest.mark.parametrize("name", DIALECTS)
@given(error=st.fixed_dictionaries(dict.fromkeys(("message", "type", "param", "code"), values)))
def test_a_backends_refusal_is_told_whatever_its_members_are(
    name: str, error: dict[str, object]
) -> None:
    """vLLM says the status for a code, others null for a type: what is no text is left out."""
    shaped = in_openais_shape(400, json.dumps({"error": error}).encode())
    told = json.loads(DIALECTS[name].refusal(400, shaped, b"r"))["error"]
    assert isinstance(told["message"], str)
    assert isinstance(told["type"], str)
    assert all(isinstance(told.get(field), str | None) for field in ("param", "code"))


def called(*calls: dict[str, Any]) -> bytes:
    """An event of a chat stream with pieces of calls."""
    return chunk({"tool_calls": list(calls)})


def piece(arguments: str, **more: Any) -> dict[str, Any]:
    """More of a call."""
    return {"function": {"arguments": arguments}, **more}


FIRST = tool_call("look", '{"at"', "a")
SECOND = tool_call("wait", '{"for"', "b")
PARALLEL = {
    "each with its index": [
        called({"index": 0, **FIRST}), called(piece(":1}", index=0)),
        called({"index": 1, **SECOND}), called(piece(":2}", index=1)),
    ],
    "no index": [called(FIRST), called(piece(":1}")), called(SECOND), called(piece(":2}"))],
    "the same index": [
        called({"index": 0, **FIRST}), called(piece(":1}", index=0)),
        called({"index": 0, **SECOND}), called(piece(":2}", index=0)),
    ],
    "id and name in each piece": [
        called(FIRST), called(tool_call("look", ":1}", "a")),
        called(SECOND), called(tool_call("wait", ":2}", "b")),
    ],
    "another id in each piece": [  # of some servers
        called({"index": 0, **FIRST}), called(piece(":1}", index=0, id="x")),
        called({"index": 1, **SECOND}), called(piece(":2}", index=1, id="y")),
    ],
    "in one event": [
        called(tool_call("look", '{"at":1}', "a"), SECOND), called(piece(":2}")),
    ],
    "in one event, the same index": [
        called({"index": 0, **tool_call("look", '{"at":1}', "a")}, {"index": 0, **SECOND}),
        called(piece(":2}", index=0)),
    ],
    "no index at first": [
        called(FIRST), called(piece(":1}", index=0)),
        called(SECOND), called(piece(":2}", index=1)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("how", PARALLEL)
def test_parallel_calls_stay_apart(how: str) -> None:
    """However a server tells them apart: by index, by id, or by their places."""
    stream = [*PARALLEL[how], DONE]
    wanted = [("a", "look", '{"at":1}'), ("b", "wait", '{"for":2}')]
    assert calls_of_message(stream) == calls_of_response(stream) == wanted


def test_calls_without_ids_get_different_ones() -> None:
    """A caller answers each by its id."""
    bare = [{"function": {"name": name, "arguments": "{}"}} for name in ("look", "wait")]
    for events in ([called(*bare)], [called({"index": n, **bare[n]}) for n in (0, 1)]):
        stream = [*events, DONE]
        for found in (calls_of_message(stream), calls_of_response(stream)):
            assert [name for _, name, _ in found] == ["look", "wait"]
            assert len({id for id, _, _ in found}) == 2  # noqa: A001


def calls_of_message(stream: list[bytes]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call of a message's events."""
    found: list[list[str]] = []
    for event in told_message(stream):
        block = event.get("content_block", {})
        if block.get("type") == "tool_use":
            found.append([block["id"], block["name"], ""])
        elif event.get("delta", {}).get("type") == "input_json_delta":
            found[-1][2] += event["delta"]["partial_json"]
    return [(id, name, arguments) for id, name, arguments in found]  # noqa: A001


def calls_of_response(stream: list[bytes]) -> list[tuple[str, str, str]]:
    """The same of a response's."""
    items = told_response(stream)[-1]["response"]["output"]
    return [(item["call_id"], item["name"], item["arguments"]) for item in items]
