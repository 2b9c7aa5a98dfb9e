"""The official SDK is content with the simulator: every surface, streamed and not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.simulator.running import MODEL, simulated

HELLO: Iterable[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello?"}]
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
}


@asynccontextmanager
async def sdk(**settings: Any) -> AsyncIterator[AsyncOpenAI]:
    """The async client of a fresh simulator, without the SDK's own retries."""
    async with (
        simulated(**settings) as simulator,
        AsyncOpenAI(base_url=simulator.url, api_key="k", max_retries=0) as client,
    ):
        yield client


async def test_a_chat_completion_says_who_spoke() -> None:
    """Model, text, usage, finish reason and the declared truth."""
    async with sdk(output_tokens=12) as client:
        done = await client.chat.completions.create(model=MODEL, messages=HELLO)
    assert done.model == MODEL
    assert done.id.startswith("chatcmpl-")
    assert (done.system_fingerprint or "").startswith("sim-")
    (choice,) = done.choices
    assert (choice.message.content or "").startswith("qwen-light here. ")
    assert choice.finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.completion_tokens == len((choice.message.content or "").split()) == 12
    assert done.usage.total_tokens == done.usage.prompt_tokens + 12
    truth = (done.model_extra or {})["simulator"]
    assert truth["task"] == "Chat"
    assert ("Declared right." in (choice.message.content or "")) is truth["correct"]


@pytest.mark.parametrize("stream_usage", [False, True])
async def test_a_stream_carries_the_same_answer(stream_usage: bool) -> None:
    """Role first, then words, then the finish, then usage if it was asked for."""
    async with sdk() as client:
        done = await client.chat.completions.create(
            model=MODEL, messages=HELLO, max_completion_tokens=9
        )
        stream = await client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            max_tokens=9,
            stream=True,
            stream_options={"include_usage": stream_usage},
        )
        chunks = [chunk async for chunk in stream]
    if stream_usage:
        last = chunks.pop()
        assert last.choices == []
        assert last.usage == done.usage
    assert chunks[0].choices[0].delta.role == "assistant"
    assert not chunks[0].choices[0].delta.content
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text == done.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks] == [None] * 10 + ["length"]
    assert (chunks[-1].model_extra or {})["simulator"] == (done.model_extra or {})["simulator"]
    assert all(chunk.usage is None for chunk in chunks)


async def test_the_synchronous_client_works_too() -> None:
    """The same server, from a thread."""

    def use(url: str) -> tuple[str | None, str]:
        with OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            done = client.chat.completions.create(model=MODEL, messages=HELLO)
            with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as stream:
                text = "".join(c.choices[0].delta.content or "" for c in stream)
        return done.choices[0].message.content, text

    async with simulated() as simulator:
        whole, streamed = await asyncio.to_thread(use, simulator.url)
    assert whole == streamed


async def test_completions() -> None:
    """The older endpoint, streamed and not, text and token prompts."""
    async with sdk(output_tokens=6) as client:
        done = await client.completions.create(model=MODEL, prompt="Once upon")
        stream = await client.completions.create(model=MODEL, prompt=["Once upon"], stream=True)
        text = "".join([c.choices[0].text async for c in stream])
        tokens = await client.completions.create(model=MODEL, prompt=[1, 2, 3])
        assert done.object == "text_completion"
        assert done.choices[0].text == text
        assert done.choices[0].finish_reason == "stop"
        assert tokens.usage is not None
        assert tokens.usage.prompt_tokens == 3
        both = await client.completions.create(model=MODEL, prompt=["Once upon", "Then"], n=2)
        assert [c.index for c in both.choices] == [0, 1, 2, 3]
        assert both.choices[0].text == text
        assert len({c.text for c in both.choices}) == 4
        with pytest.raises(openai.BadRequestError, match="At most 128 answers"):
            await client.completions.create(model=MODEL, prompt=["a", "b"], n=65)


async def test_several_answers_are_spoken_side_by_side() -> None:
    """`n` choices, each its own text, streamed as it is whole; usage counts all of them."""
    async with sdk(output_tokens=6) as client:
        done = await client.chat.completions.create(model=MODEL, messages=HELLO, n=3)
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, n=3, stream=True)
        texts, ends = ["", "", ""], 0
        async for chunk in stream:
            (choice,) = chunk.choices
            texts[choice.index] += choice.delta.content or ""
            ends += choice.finish_reason is not None
    assert texts == [choice.message.content for choice in done.choices]
    assert len(set(texts)) == ends == 3
    assert done.usage is not None
    assert done.usage.completion_tokens == 18


async def test_log_probabilities_are_of_the_tokens() -> None:
    """In the form of each operation, the same streamed and whole."""
    async with sdk(output_tokens=5) as client:
        ask: Any = {"model": MODEL, "messages": HELLO, "logprobs": True, "top_logprobs": 1}
        done = await client.chat.completions.create(**ask)
        stream = await client.chat.completions.create(**ask, stream=True)
        choices = [chunk.choices[0] async for chunk in stream]
        text = await client.completions.create(model=MODEL, prompt="x", logprobs=1)
    assert done.choices[0].logprobs is not None
    whole = done.choices[0].logprobs.content or []
    assert "".join(t.token for t in whole) == done.choices[0].message.content
    assert [t.top_logprobs[0].token for t in whole] == [t.token for t in whole]
    assert [t for c in choices if c.logprobs for t in c.logprobs.content or []] == whole
    logprobs = text.choices[0].logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or []) == text.choices[0].text
    assert [text.choices[0].text.index(t) for t in logprobs.tokens or []] == logprobs.text_offset


async def test_embeddings_in_both_encodings() -> None:
    """The SDK asks for base64 by default and decodes it; floats say the same."""
    async with sdk() as client:
        default = await client.embeddings.create(model=MODEL, input=["a b", "c"])
        floats = await client.embeddings.create(model=MODEL, input="a b", encoding_format="float")
        tokens = await client.embeddings.create(model=MODEL, input=[[1, 2], [3]], dimensions=5)
    assert [e.index for e in default.data] == [0, 1]
    assert default.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert [len(e.embedding) for e in tokens.data] == [5, 5]


async def test_models_can_be_listed_and_read() -> None:
    """One model, under its name; another is not found."""
    async with sdk() as client:
        assert [m.id async for m in client.models.list()] == [MODEL]
        assert (await client.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("gpt-x")


async def test_tools_may_be_called_in_parallel() -> None:
    """Each once, with arguments that satisfy its schema; the SDK's accumulator agrees."""
    tools: Any = [
        {"type": "function", "function": {"name": name, "strict": True, "parameters": {
            "type": "object", "properties": {field: {"type": "integer"}}, "required": [field],
            "additionalProperties": False}}}
        for name, field in (("left", "track"), ("right", "signal"))
    ]  # fmt: skip
    ask: Any = {"model": MODEL, "messages": HELLO, "tools": tools, "tool_choice": "required",
                "parallel_tool_calls": True}  # fmt: skip
    async with sdk() as client:
        done = await client.chat.completions.create(**ask)
        async with client.chat.completions.stream(**ask) as stream:
            streamed = await stream.get_final_completion()
    for answer in (done, streamed):
        calls = [c for c in answer.choices[0].message.tool_calls or [] if c.type == "function"]
        assert [(c.function.name, c.function.arguments) for c in calls] == [
            ("left", '{"track":0}'),
            ("right", '{"signal":0}'),
        ]
        assert len({c.id for c in calls}) == 2
        assert answer.choices[0].finish_reason == "tool_calls"


async def test_a_tool_is_called_where_the_caller_insists() -> None:
    """By name or as `required`, streamed or not; `auto` answers in words."""
    async with sdk() as client:
        for choice in ("required", {"type": "function", "function": {"name": "look_up"}}):
            wanted: Any = choice
            done = await client.chat.completions.create(
                model=MODEL, messages=HELLO, tools=[TOOL], tool_choice=wanted
            )
            (call,) = done.choices[0].message.tool_calls or []
            assert call.type == "function"
            assert (call.function.name, call.function.arguments) == ("look_up", "{}")
            assert done.choices[0].finish_reason == "tool_calls"
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, tools=[TOOL], tool_choice="required", stream=True
        )
        deltas = [d for c in [c async for c in stream] for d in c.choices[0].delta.tool_calls or []]
        arguments = "".join((d.function.arguments or "") for d in deltas if d.function)
        assert deltas[0].function is not None
        assert (deltas[0].function.name, arguments) == ("look_up", "{}")
        words = await client.chat.completions.create(model=MODEL, messages=HELLO, tools=[TOOL])
        assert words.choices[0].message.tool_calls is None
        with pytest.raises(openai.BadRequestError, match="tool_choice"):
            await client.chat.completions.create(
                model=MODEL, messages=HELLO, tools=[TOOL],
                tool_choice={"type": "function", "function": {"name": "other"}},
            )  # fmt: skip


async def test_json_mode_and_schemas() -> None:
    """A JSON object on request; the SDK's `parse` gets its own type back."""

    class Verdict(BaseModel):
        text: str
        score: int

    async with sdk() as client:
        done = await client.chat.completions.create(
            model=MODEL, messages=HELLO, response_format={"type": "json_object"}
        )
        assert done.choices[0].message.content == '{"model": "qwen-light", "answer": "ok"}'
        parsed = await client.chat.completions.parse(
            model=MODEL, messages=HELLO, response_format=Verdict
        )
        assert parsed.choices[0].message.parsed == Verdict(text="", score=0)


async def test_content_may_be_a_list_of_parts() -> None:
    """Text parts say the same as a string; an image only costs tokens."""
    parts: Any = [{"type": "text", "text": "Hello?"}]
    image: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    async with sdk() as client:
        plain = await client.chat.completions.create(model=MODEL, messages=HELLO)
        same = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": parts}]
        )
        seen = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": [*parts, image]}]
        )
    assert same.choices[0].message.content == plain.choices[0].message.content
    assert plain.usage is not None
    assert seen.usage is not None
    assert seen.usage.prompt_tokens == plain.usage.prompt_tokens + 256


async def test_errors_are_the_sdks_exceptions() -> None:
    """Status, code and param arrive where callers look for them."""
    async with sdk(api_key="k", context_window=100, strict_model=True) as client:
        create = client.chat.completions.create
        with pytest.raises(openai.BadRequestError) as too_long:
            await create(model=MODEL, messages=HELLO, max_tokens=99)
        assert too_long.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError) as unknown:
            await create(model="gpt-x", messages=HELLO)
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.with_options(api_key="wrong").models.list()
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.BadRequestError) as too_many:
            await create(model=MODEL, messages=HELLO, n=129)
        assert too_many.value.param == "n"
    async with sdk(error_rate=1.0) as client:
        with pytest.raises(openai.InternalServerError) as broken:
            await client.chat.completions.create(model=MODEL, messages=HELLO)
        assert broken.value.code == "error_rate"
