"""What works with an OpenAI server works here: each row through both SDKs, router and simulator."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.router.serve.world import World
from tests.sdk.calls import Call, Outcome, Sdk

HELLO = [{"role": "user", "content": "Which train leaves first?"}]
SCHEMA = {
    "type": "object",
    "properties": {"train": {"type": "string"}, "track": {"type": "integer"}},
    "required": ["train", "track"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function",
     "function": {"name": name, "strict": True, "parameters": SCHEMA}}
    for name in ("depart", "arrive")
]  # fmt: skip
ARGUMENTS = {"train": "", "track": 0}


def chat(**more: Any) -> Call:
    """A chat completion."""
    return Call("chat.completions.create", {"model": "auto", "messages": HELLO, **more})


def completion(**more: Any) -> Call:
    """A legacy completion."""
    return Call("completions.create", {"model": "auto", "prompt": "Once upon", **more})


def embeddings(**more: Any) -> Call:
    """Embeddings."""
    return Call("embeddings.create", {"model": "auto", "input": ["a b", "c"], **more})


def tools(*, accumulate: bool = False, **more: Any) -> Call:
    """A chat that has to call tools."""
    body = {"model": "auto", "messages": HELLO, "tools": TOOLS, "tool_choice": "required"}
    return Call("chat.completions.create", {**body, **more}, accumulate=accumulate)


def says(outcome: Outcome) -> None:
    """The model speaks, usage is stated, the request has an id."""
    (choice,) = outcome.answer["choices"]
    assert choice["message"]["content"].startswith("model-small here.")
    assert outcome.answer["usage"]["completion_tokens"] == 8
    assert outcome.request_id


def streams(outcome: Outcome) -> None:
    """Role, words, the finish; no usage that nobody asked for."""
    chunks = outcome.chunks
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text.startswith("model-small here.")
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any(chunk.get("usage") for chunk in chunks)
    assert outcome.request_id


def states_usage(outcome: Outcome) -> None:
    """The last chunk has no choices but the usage."""
    last = outcome.chunks[-1]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 8


def has_choices(count: int) -> Callable[[Outcome], None]:
    """This many different answers."""

    def expect(outcome: Outcome) -> None:
        texts: dict[int, str] = {}
        for answer in outcome.chunks:
            for choice in answer["choices"]:
                said = choice.get("message") or choice.get("delta") or choice
                more = said.get("content") or said.get("text") or ""
                texts[choice["index"]] = texts.get(choice["index"], "") + more
        assert sorted(texts) == list(range(count))
        assert len(set(texts.values())) == count

    return expect


def calls(*names: str) -> Callable[[Outcome], None]:
    """These tools are called, with arguments that satisfy the schema."""

    def expect(outcome: Outcome) -> None:
        (choice,) = outcome.answer["choices"]
        found = choice["message"]["tool_calls"]
        assert [call["function"]["name"] for call in found] == list(names)
        for call in found:
            assert json.loads(call["function"]["arguments"]) == ARGUMENTS
        assert len({call["id"] for call in found}) == len(names)
        assert choice["finish_reason"] == "tool_calls"

    return expect


def streams_calls(outcome: Outcome) -> None:
    """Id and name first, then the arguments in pieces, call by call."""
    deltas = [
        delta
        for chunk in outcome.chunks
        for delta in chunk["choices"][0]["delta"].get("tool_calls") or ()
    ]
    for index, name in enumerate(("depart", "arrive")):
        first, *rest = [delta for delta in deltas if delta["index"] == index]
        assert (first["function"]["name"], bool(first["id"])) == (name, True)
        assert len(rest) > 1
        assert json.loads("".join(d["function"]["arguments"] for d in rest)) == ARGUMENTS


def is_json(value: object) -> Callable[[Outcome], None]:
    """The content is this value as JSON."""

    def expect(outcome: Outcome) -> None:
        assert json.loads(outcome.answer["choices"][0]["message"]["content"]) == value

    return expect


def has_logprobs(outcome: Outcome) -> None:
    """One for each token, and their bytes."""
    tokens = [
        token
        for chunk in outcome.chunks
        for choice in chunk["choices"]
        for token in (choice.get("logprobs") or {}).get("content") or ()
    ]
    assert len(tokens) == 8
    assert all(bytes(token["bytes"]).decode() == token["token"] for token in tokens)


def continues(outcome: Outcome) -> None:
    """A legacy completion: whole or streamed, its text."""
    text = "".join(c["text"] for answer in outcome.chunks for c in answer["choices"])
    assert text.startswith("model-small here.")
    assert all(answer["object"] == "text_completion" for answer in outcome.chunks)


def embeds(size: int) -> Callable[[Outcome], None]:
    """Two vectors of floats, however they were sent."""

    def expect(outcome: Outcome) -> None:
        data = outcome.answer["data"]
        assert [one["index"] for one in data] == [0, 1]
        for one in data:
            assert len(one["embedding"]) == size
            assert sum(value * value for value in one["embedding"]) == pytest.approx(1, abs=1e-5)
        assert outcome.answer["usage"]["prompt_tokens"] == 2

    return expect


def is_base64(outcome: Outcome) -> None:
    """Asked for by name it stays a string: 64 floats of 4 bytes."""
    assert [len(one["embedding"]) for one in outcome.answer["data"]] == [344, 344]


def lists(outcome: Outcome) -> None:
    """The model names of the policies."""
    assert [card["id"] for card in outcome.answers] == ["auto"]


def is_card(outcome: Outcome) -> None:
    """One of them."""
    assert (outcome.answer["id"], outcome.answer["object"]) == ("auto", "model")


@dataclass(frozen=True, slots=True)
class Row:
    """A call, and what it answers."""

    name: str
    call: Call
    expect: Callable[[Outcome], None]


JSON_SCHEMA = {"type": "json_schema",
               "json_schema": {"name": "departure", "strict": True, "schema": SCHEMA}}  # fmt: skip
ROWS = (
    Row("chat", chat(), says),
    Row("chat, streamed", chat(stream=True), streams),
    Row("chat, accumulated",
        Call("chat.completions.create", {"model": "auto", "messages": HELLO}, accumulate=True),
        has_choices(1)),
    Row("usage of a stream", chat(stream=True, stream_options={"include_usage": True}),
        states_usage),
    Row("n", chat(n=3), has_choices(3)),
    Row("n, streamed", chat(n=3, stream=True), has_choices(3)),
    Row("logprobs", chat(logprobs=True, top_logprobs=1), has_logprobs),
    Row("logprobs, streamed", chat(logprobs=True, stream=True), has_logprobs),
    Row("a tool", tools(), calls("depart")),
    Row("a tool by name",
        tools(tool_choice={"type": "function", "function": {"name": "arrive"}}), calls("arrive")),
    Row("tools in parallel", tools(parallel_tool_calls=True), calls("depart", "arrive")),
    Row("tools in parallel, streamed", tools(parallel_tool_calls=True, stream=True),
        streams_calls),
    Row("tools in parallel, accumulated", tools(parallel_tool_calls=True, accumulate=True),
        calls("depart", "arrive")),
    Row("JSON mode", chat(response_format={"type": "json_object"}),
        is_json({"model": "model-small", "answer": "ok"})),
    Row("JSON schema", chat(response_format=JSON_SCHEMA), is_json(ARGUMENTS)),
    Row("completion", completion(), continues),
    Row("completion, streamed", completion(stream=True), continues),
    Row("completion of tokens", completion(prompt=[1, 2, 3]), continues),
    Row("completions of several prompts", completion(prompt=["one", "two"]), has_choices(2)),
    Row("completions of several prompts, streamed", completion(prompt=["one", "two"], stream=True),
        has_choices(2)),
    Row("embeddings", embeddings(), embeds(64)),
    Row("embeddings as floats", embeddings(encoding_format="float"), embeds(64)),
    Row("embeddings in base64", embeddings(encoding_format="base64"), is_base64),
    Row("embeddings of tokens", embeddings(input=[[1, 2], [3]], dimensions=5), embeds(5)),
    Row("models", Call("models.list"), lists),
    Row("a model", Call("models.retrieve", "auto"), is_card),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_both_sdks_get_what_they_ask_for(there: World, sdk: Sdk, row: Row) -> None:
    """And the backend got the body as the SDK wrote it, but for the model's name."""
    outcome = await sdk.call(row.call, f"http://127.0.0.1:{there.port}/v1")
    row.expect(outcome)
    seen = there.simulators["small"].log.as_json()
    if isinstance(row.call.argument, dict):
        (entry,) = seen
        body = json.loads(str(entry["body"]))
        assert {**body, **row.call.argument, "model": "model-small"} == body
    else:
        assert seen == []


async def test_the_id_a_caller_gives_is_the_one_it_gets(there: World, sdk: Sdk) -> None:
    """And the one its backend sees."""
    call = Call("embeddings.create", {"model": "auto", "input": "x"},
                headers={"x-request-id": "trace-7"})  # fmt: skip
    outcome = await sdk.call(call, f"http://127.0.0.1:{there.port}/v1")
    assert outcome.request_id == "trace-7"
    assert there.seen("small")[0]["x-request-id"] == "trace-7"
