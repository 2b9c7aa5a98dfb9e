"""What goes wrong raises in both SDKs the class that callers catch, with the reason in place."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import ROLE, SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import World, until
from tests.sdk.calls import Call, Sdk
from tests.sdk.conftest import BODY_BYTES
from tests.sdk.test_answers import HELLO, chat, completion, embeddings, tools

Arrange = Callable[[World], Awaitable[None]]


async def nothing(there: World) -> None:
    """As it is."""


def fails(mode: FaultMode, **more: int) -> Arrange:
    """The backend has a fault."""

    async def arrange(there: World) -> None:
        there.simulators["small"].faults.order(Fault(mode, **more))

    return arrange


async def is_silent(there: World) -> None:
    """The backend takes the request and says nothing; the route does not wait long."""
    there.simulators["small"].faults.order(Fault(FaultMode.HANG))
    there.route("small", first_token_timeout_s=0.2)


async def is_gone(there: World) -> None:
    """The backend has no endpoint."""
    there.place("small")


async def has_no_table(there: World) -> None:
    """The router knows nothing yet."""
    there.live.ready = False


async def drains(there: World) -> None:
    """The router is about to end."""
    there.plane.refusing = True


async def refuses_our_key(there: World) -> None:
    """The backend does not accept the key that the router has for it."""
    _, port = await there.simulated("cloud", api_key="right")
    there.external("cloud", f"http://127.0.0.1:{port}/v1", key=b"sk-wrong")
    there.route("cloud")


async def is_small(there: World) -> None:
    """The backend has a window of ten tokens."""
    port = there.live.endpoints["default/small:8000"][0].port
    there.place("small", port, context_window=10)
    there.route("small")


@dataclass(frozen=True, slots=True)
class Row:
    """Where things stand, a call, and the error."""

    name: str
    arrange: Arrange
    call: Call
    kind: str
    status: int
    type: str
    code: str | None = None
    param: str | None = None


INVALID = "invalid_request_error"
LONG = "word " * (BODY_BYTES // 4)
LARGE = "word " * 3_000_000
ROWS = (
    Row("a wrong type", nothing, chat(messages="hi"), "BadRequestError", 400, INVALID,
        param="messages"),
    Row("a wrong prompt", nothing, completion(prompt=5), "BadRequestError", 400, INVALID,
        param="prompt"),
    Row("a wrong input", nothing, embeddings(input={"a": 1}), "BadRequestError", 400, INVALID,
        param="input"),
    Row("what the backend refuses", nothing, chat(temperature=3), "BadRequestError", 400, INVALID,
        param="temperature"),
    Row("a stream that the backend refuses", nothing, tools(tool_choice="odd", stream=True),
        "BadRequestError", 400, INVALID, param="tool_choice"),
    Row("too long", is_small, chat(messages=[{"role": "user", "content": "word " * 100}]),
        "BadRequestError", 400, INVALID, "context_length_exceeded", "messages"),
    Row("too long an input", is_small, embeddings(input="word " * 100), "BadRequestError", 400,
        INVALID, "context_length_exceeded", "input"),
    Row("what no backend can do", is_small, tools(), "BadRequestError", 400, INVALID,
        "unsupported_capability"),
    Row("an unknown model", nothing, chat(model="gpt-9"), "NotFoundError", 404, INVALID,
        "model_not_found", "model"),
    Row("an unknown model of embeddings", nothing, embeddings(model="gpt-9"), "NotFoundError", 404,
        INVALID, "model_not_found", "model"),
    Row("an unknown model's card", nothing, Call("models.retrieve", "gpt-9"), "NotFoundError", 404,
        INVALID, "model_not_found", "model"),
    Row("an unknown path", nothing, Call("get", "/files"), "NotFoundError", 404, INVALID,
        "unknown_url"),
    Row("a wrong method", nothing, Call("get", "/completions"), "APIError", 405, INVALID,
        "method_not_allowed"),
    Row("too large", nothing, chat(messages=[{"role": "user", "content": LONG}]), "APIError", 413,
        INVALID, "request_too_large"),
    Row("too large for any buffer", nothing, chat(messages=[{"role": "user", "content": LARGE}]),
        "APIError", 413, INVALID, "request_too_large"),
    Row("a rate limit", fails(FaultMode.ERROR_429, retry_after_s=120), chat(), "RateLimitError",
        429, "rate_limit_error", "rate_limit_exceeded"),
    Row("a rate limit, streamed", fails(FaultMode.ERROR_429, retry_after_s=120), chat(stream=True),
        "RateLimitError", 429, "rate_limit_error", "rate_limit_exceeded"),
    Row("a backend's 500", fails(FaultMode.ERROR_500), chat(), "InternalServerError", 502,
        "upstream_error", "upstream_error"),
    Row("a backend's 500, embeddings", fails(FaultMode.ERROR_500), embeddings(),
        "InternalServerError", 502, "upstream_error", "upstream_error"),
    Row("a backend's reset, streamed", fails(FaultMode.RESET), completion(stream=True),
        "InternalServerError", 502, "upstream_error", "upstream_error"),
    Row("a backend's 401", refuses_our_key, chat(), "InternalServerError", 502, "upstream_error",
        "upstream_error"),
    Row("no endpoint", is_gone, chat(), "InternalServerError", 503, "upstream_error",
        "backends_unavailable"),
    Row("no table", has_no_table, chat(), "InternalServerError", 503, "service_unavailable",
        "not_ready"),
    Row("no table for the list", has_no_table, Call("models.list"), "InternalServerError", 503,
        "service_unavailable", "not_ready"),
    Row("a drain", drains, embeddings(), "InternalServerError", 503, "service_unavailable",
        "draining"),
    Row("silence", is_silent, chat(stream=True), "InternalServerError", 504,
        "upstream_error", "upstream_timeout"),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_both_sdks_raise_the_class_that_fits(there: World, sdk: Sdk, row: Row) -> None:
    """Status, type, code and param are where callers look; the request's id is with them."""
    await row.arrange(there)
    outcome = await sdk.call(row.call, f"http://127.0.0.1:{there.port}/v1")
    error = outcome.error
    assert error is not None
    assert (error.kind, error.status) == (row.kind, row.status), error
    assert (error.type, error.code, error.param) == (row.type, row.code, row.param)
    assert error.message
    assert error.request_id
    for secret in ("sk-wrong", "sk-caller", "Incorrect API key"):
        assert secret not in error.message


@pytest.mark.parametrize("call", [chat(stream=True), completion(stream=True), tools(stream=True)],
                         ids=["chat", "completion", "tools"])  # fmt: skip
async def test_a_stream_that_breaks_raises_after_what_came(
    there: World, sdk: Sdk, call: Call
) -> None:
    """An APIError from the event in the stream: a broken answer never looks like a whole one."""
    there.simulators["small"].faults.order(Fault(FaultMode.DIE_MID_STREAM, after_tokens=3))
    outcome = await sdk.call(call, f"http://127.0.0.1:{there.port}/v1")
    assert len(outcome.answers) >= 3
    error = outcome.error
    assert error is not None
    assert (error.kind, error.type, error.code) == (
        "APIError",
        "upstream_error",
        "upstream_disconnected",
    )
    assert "incomplete" in error.message


async def test_a_stream_that_is_cut_inside_an_event_raises_no_other_error(
    there: World, sdk: Sdk
) -> None:
    """Half of an event's JSON would, or half of a letter, before the error event is read."""
    letter = '{"choices":[{"index":0,"delta":{"content":"é'.encode()[:-1]
    await there.scripted("small", answers(SSE_HEAD, *chunked(ROLE, WORD, b"data: " + letter)))
    outcome = await sdk.call(chat(stream=True), f"http://127.0.0.1:{there.port}/v1")
    assert len(outcome.answers) == 2
    error = outcome.error
    assert error is not None
    assert (error.kind, error.code) == ("APIError", "upstream_disconnected")


async def test_an_sdk_comes_back_when_it_is_told_to(there: World, sdk: Sdk) -> None:
    """A 503 with Retry-After: 1; the SDK's own first wait would be half a second at most."""
    there.live.ready = False

    def refusals() -> float:
        return there.count("requests_total", policy="", rule="", backend="", code="503")

    async def bring_table() -> float:
        await until(lambda: refusals() > 0)
        there.live.ready = True
        return time.monotonic()

    bringing = asyncio.create_task(bring_table())
    again = Call("chat.completions.create", {"model": "auto", "messages": HELLO}, max_retries=2)
    outcome = await sdk.call(again, f"http://127.0.0.1:{there.port}/v1")
    assert outcome.answer["model"] == "model-small"
    assert refusals() == 1
    (entry,) = there.simulators["small"].log.as_json()
    assert float(str(entry["monotonic_s"])) - await bringing > 0.8


@pytest.mark.parametrize(
    "mode", [FaultMode.ERROR_500, FaultMode.ERROR_429, FaultMode.RESET, FaultMode.HANG]
)
async def test_an_sdk_tries_again_what_may_pass(there: World, sdk: Sdk, mode: FaultMode) -> None:
    """502, 429 and 504 are tried again by the SDK itself; the second try answers."""
    there.route("small", first_token_timeout_s=3)
    there.simulators["small"].faults.order(Fault(mode, count=1, retry_after_s=1))
    call = Call("chat.completions.create", {"model": "auto", "messages": HELLO, "stream": True},
                max_retries=1)  # fmt: skip
    outcome = await sdk.call(call, f"http://127.0.0.1:{there.port}/v1")
    assert outcome.error is None
    assert len(outcome.answers) == 10
    assert len(there.simulators["small"].log.as_json()) == 2


async def test_the_npm_lock_holds_no_address() -> None:
    """Versions and hashes only: where packages come from is the machine's business."""
    from tests.sdk.node import PROJECT

    text = (PROJECT / "package-lock.json").read_text()
    assert "http" not in text
    assert '"integrity": "sha512-' in text
