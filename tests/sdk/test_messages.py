"""The Messages API through Anthropic's own SDK: answers, streams, tools, errors, patience."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from pointsman.api.callers import Limits, digest_of
from pointsman.router.callers import Caller, callers_of
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.world import World, until
from tests.sdk import PLAIN

ASKED: dict[str, Any] = {
    "model": "auto", "max_tokens": 64,
    "messages": [{"role": "user", "content": "Which train leaves first?"}],
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"train": {"type": "string"}, "track": {"type": "integer"}},
    "required": ["train", "track"],
    "additionalProperties": False,
}
TOOLS = [{"name": name, "description": "A train.", "input_schema": SCHEMA} for name in "ab"]
PNG = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}


@pytest.fixture
async def client(there: World) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The SDK before `there`; its key is shown as x-api-key."""
    digests = frozenset({digest_of(b"sk-caller")})
    there.live.callers = callers_of([Caller("app", "search", None, digests)], complete=True)
    url = f"http://127.0.0.1:{there.port}"
    async with (
        anthropic.DefaultAsyncHttpxClient(verify=PLAIN) as http,
        anthropic.AsyncAnthropic(
            base_url=url, api_key="sk-caller", max_retries=0, timeout=50, http_client=http
        ) as found,
    ):
        yield found


def arrived(there: World) -> dict[str, Any]:
    """The last body that the model got."""
    found: dict[str, Any] = json.loads(str(there.simulators["small"].log.as_json()[-1]["body"]))
    return found


async def test_an_answer(there: World, client: anthropic.AsyncAnthropic) -> None:
    """Text, why it ended, usage, the model that answered and the request's id."""
    message = await client.messages.create(
        **ASKED, system="Be brief.", stop_sequences=["###"], metadata={"user_id": "u-1"}
    )
    (block,) = message.content
    assert block.type == "text"
    assert block.text.startswith("model-small here.")
    assert (message.model, message.role, message.stop_reason) == (
        "model-small", "assistant", "end_turn",
    )  # fmt: skip
    assert (message.usage.output_tokens, message.usage.cache_read_input_tokens) == (8, 0)
    assert message._request_id
    chat = arrived(there)
    assert [m["role"] for m in chat["messages"]] == ["system", "user"]
    assert (chat["max_tokens"], chat["stop"], chat["user"]) == (64, ["###"], "u-1")


async def test_a_length_is_kept(client: anthropic.AsyncAnthropic) -> None:
    """And told as theirs."""
    message = await client.messages.create(**{**ASKED, "max_tokens": 3})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)


async def test_a_stream_adds_up_to_the_answer(client: anthropic.AsyncAnthropic) -> None:
    """By the SDK's own helper, which minds the order of events."""
    async with client.messages.stream(**ASKED) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
        text = await stream.get_final_text()
    assert list(dict.fromkeys(kinds)) == [
        "message_start", "content_block_start", "content_block_delta", "text",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert kinds.count("text") > 3
    assert text.startswith("model-small here.")
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 8)


async def test_raw_events_can_be_iterated(client: anthropic.AsyncAnthropic) -> None:
    """`stream=True` without the helper."""
    stream = await client.messages.create(**ASKED, stream=True)
    events = [event async for event in stream]
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_its_result_comes_back(
    there: World, client: anthropic.AsyncAnthropic, stream: bool
) -> None:
    """A whole turn of an agent."""
    asked = {**ASKED, "tools": TOOLS, "tool_choice": {"type": "tool", "name": "b"}}
    if stream:
        async with client.messages.stream(**asked) as events:
            message: Any = await events.get_final_message()
    else:
        message = await client.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    (block,) = message.content
    assert (block.type, block.name, block.input) == ("tool_use", "b", {"train": "", "track": 0})
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "track 9"}
    turns = [*ASKED["messages"], {"role": "assistant", "content": message.to_dict()["content"]},
             {"role": "user", "content": [result]}]  # fmt: skip
    answer = await client.messages.create(**{**ASKED, "messages": turns, "tools": TOOLS})
    assert answer.stop_reason == "end_turn"
    _, called, told = arrived(there)["messages"]
    (call,) = called["tool_calls"]
    assert (call["id"], json.loads(call["function"]["arguments"])) == (block.id, block.input)
    assert told == {"role": "tool", "tool_call_id": block.id, "content": "track 9"}


async def test_answers_can_be_parsed_into_a_type(client: anthropic.AsyncAnthropic) -> None:
    """Structured outputs: the schema reaches the model."""

    class Departure(BaseModel):
        train: str
        track: int

    message = await client.messages.parse(**ASKED, output_format=Departure)
    assert message.parsed_output == Departure(train="", track=0)


async def test_images_need_a_model_that_sees(
    there: World, client: anthropic.AsyncAnthropic
) -> None:
    """Refused with the capability's name; a model that has it gets the image."""
    content = [{"type": "image", "source": PNG}, {"type": "text", "text": "What is it?"}]
    asked = {**ASKED, "messages": [{"role": "user", "content": content}]}
    with pytest.raises(anthropic.BadRequestError, match="Vision"):
        await client.messages.create(**asked)
    (port,) = (endpoint.port for endpoint in there.live.endpoints["default/small:8000"])
    there.place("small", port, capabilities=("Vision",))
    there.route("small")
    await client.messages.create(**asked)
    url = {"url": "data:image/png;base64,aGVsbG8="}
    assert arrived(there)["messages"][0]["content"][0] == {"type": "image_url", "image_url": url}


async def test_tokens_are_counted(client: anthropic.AsyncAnthropic) -> None:
    """An estimate."""
    found = await client.messages.count_tokens(model="auto", messages=ASKED["messages"])
    assert 4 <= found.input_tokens <= 12


async def test_models_are_listed(client: anthropic.AsyncAnthropic) -> None:
    """In their shape, page and all."""
    assert [model.id async for model in client.models.list()] == ["auto"]
    assert (await client.models.retrieve("auto")).display_name == "auto"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (FaultMode.ERROR_500, (anthropic.InternalServerError, "api_error")),
        (FaultMode.ERROR_429, (anthropic.RateLimitError, "rate_limit_error")),
        (FaultMode.RESET, (anthropic.InternalServerError, "api_error")),
        (FaultMode.HANG, (anthropic.GatewayTimeoutError, "timeout_error")),
    ],
)
async def test_a_backends_fault_raises_what_callers_catch(
    there: World,
    client: anthropic.AsyncAnthropic,
    mode: FaultMode,
    expected: tuple[type[Exception], str],
    stream: bool,
) -> None:
    """With the id that finds it again."""
    await there.simulator("other")
    there.route("small", "other", first_token_timeout_s=0.3, request_timeout_s=0.7)
    for simulator in there.simulators.values():
        simulator.faults.order(Fault(mode))
    with pytest.raises(expected[0]) as raised:
        await client.messages.create(**ASKED, stream=stream)
    assert isinstance(raised.value, anthropic.APIStatusError)
    assert raised.value.type == expected[1]
    assert raised.value.request_id


async def test_a_callers_faults_raise_what_callers_catch(
    there: World, client: anthropic.AsyncAnthropic
) -> None:
    """By status, in their words, with the router's code as theirs."""
    with pytest.raises(anthropic.NotFoundError) as missing:
        await client.messages.create(**{**ASKED, "model": "nope"})
    assert (missing.value.type, missing.value.error_code) == (
        "not_found_error", "model_not_found",
    )  # fmt: skip
    with pytest.raises(anthropic.AuthenticationError) as stranger:
        await client.with_options(api_key="sk-other").messages.create(**ASKED)
    assert stranger.value.type == "authentication_error"
    with pytest.raises(anthropic.ContentTooLargeError) as large:
        await client.messages.create(**{**ASKED, "system": "x" * 300_000})
    assert str(large.value.type) == "request_too_large"
    deep: Any = {}
    for _ in range(500):
        deep = {"items": deep}
    tools: Any = [{"name": "x", "input_schema": deep}]
    with pytest.raises(anthropic.BadRequestError, match="is nested deeper than 128 levels"):
        await client.messages.create(**ASKED, tools=tools)
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.batches.retrieve("x")


async def test_a_stream_that_breaks_raises_after_what_came(
    there: World, client: anthropic.AsyncAnthropic
) -> None:
    """A broken answer never looks like a whole one."""
    there.simulators["small"].faults.order(Fault(FaultMode.DIE_MID_STREAM, after_tokens=3))
    texts: list[str] = []

    async def listen() -> None:
        async with client.messages.stream(**ASKED) as stream:
            async for text in stream.text_stream:
                texts.append(text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(anthropic.APIStatusError, match="incomplete") as raised:
        await listen()
    assert len(texts) >= 3
    assert raised.value.type == "api_error"
    await until(lambda: there.live.in_flight == {})


async def test_the_sdk_comes_back_when_it_is_told_to(
    there: World, client: anthropic.AsyncAnthropic
) -> None:
    """A 503 with Retry-After."""
    there.live.ready = False

    async def bring_table() -> None:
        await until(
            lambda: there.count("requests_total", policy="", rule="", backend="", code="503") > 0
        )
        there.live.ready = True

    bringing = asyncio.create_task(bring_table())
    message = await client.with_options(max_retries=2).messages.create(**ASKED)
    await bringing
    assert message.model == "model-small"


async def test_limits_hold_as_for_a_chat(there: World, client: anthropic.AsyncAnthropic) -> None:
    """Requests and tokens of one caller, whichever API it speaks."""
    digests = frozenset({digest_of(b"sk-caller")})
    there.live.callers = callers_of(
        [Caller("app", "search", None, digests, limits=Limits(rpm=1))], complete=True
    )
    await client.messages.create(**ASKED)
    with pytest.raises(anthropic.RateLimitError) as raised:
        await client.messages.create(**ASKED)
    assert raised.value.type == "rate_limit_error"
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60
