"""One call over real HTTP: whatever a server does becomes a value, within the deadline."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.running.asking import (
    MAX_BODY,
    Asker,
    Denied,
    Endpoint,
    Reply,
    read_completion,
)
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Usage
from tests.evaluation.running.serving import Handler, completion, served

BODY = {"model": "m", "messages": []}


async def asked(handler: Handler, *, deadline_s: float = 5.0, key: str = "") -> Reply:
    async with served(handler) as server, Asker(limit=2, deadline_s=deadline_s) as asker:
        reply = await asker.ask(Endpoint(url=server.url, key=key), BODY)
        assert server.keys[0] == (f"Bearer {key}" if key else None)
        return reply


def always(status: int, body: Any = None, **headers: str) -> Handler:
    async def handler(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body if body is not None else {}, status=status, headers=headers)

    return handler


async def test_an_answer_with_all_that_is_said_about_it() -> None:
    """Tokens, who answered, and how long it took."""
    usage = {
        "prompt_tokens": 10, "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }  # fmt: skip
    reply = await asked(
        always(200, completion(usage=usage), **{"x-pointsman-backend": "b"}), key="k"
    )

    assert (reply.missing, reply.text, reply.backend) == (None, "yes", "b")
    assert reply.usage == Usage(input=10, output=5, cached=4, reasoning=2)
    assert (reply.model, reply.fingerprint, reply.finish) == ("m-1", "fp", "stop")
    assert reply.latency_s > 0


async def test_what_was_thought_is_paid_where_only_the_sum_has_it() -> None:
    """xAI's and Gemini's usage: a cap that did not see it would be passed."""
    usage = {
        "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }  # fmt: skip
    reply = await asked(always(200, completion(usage=usage)))
    assert reply.usage == Usage(input=32, output=103, reasoning=94)


@pytest.mark.parametrize(
    ("status", "missing", "again"),
    [
        (400, Missing.REFUSED, False),
        (413, Missing.REFUSED, False),
        (402, Missing.REFUSED, False),
        (408, Missing.TIMED_OUT, False),
        (504, Missing.TIMED_OUT, False),
        (302, Missing.ERROR, True),
    ],
)
async def test_what_a_status_means(status: int, missing: Missing, again: bool) -> None:
    """With the server's own words."""
    reply = await asked(always(status, {"error": {"message": "no room"}}), deadline_s=0.4)

    assert (reply.missing, reply.again) == (missing, again)
    assert reply.why == f"{status}: no room"


@pytest.mark.parametrize("status", [429, 503, 500])
async def test_a_busy_server_is_asked_again_within_the_deadline(status: int) -> None:
    """And no longer: what it asks for may be more than there is time."""
    seen = 0

    async def busy_once(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        return (
            web.json_response({}, status=status) if seen == 1 else web.json_response(completion())
        )

    assert (await asked(busy_once)).text == "yes"
    begun = time.monotonic()
    patient = await asked(always(status, **{"retry-after": "60"}))
    assert patient.again
    assert time.monotonic() - begun < 2


async def test_a_server_that_says_not_to_is_not_asked_again() -> None:
    """As when a budget is used up."""
    seen = 0

    async def used_up(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        return web.json_response({}, status=429, headers={"x-should-retry": "false"})

    reply = await asked(used_up)
    assert (reply.missing, reply.again, seen) == (Missing.REFUSED, True, 1)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_would_meet_every_call_ends_all(status: int) -> None:
    """A wrong key, name or URL."""
    with pytest.raises(Denied, match=f"says {status}: wrong key"):
        await asked(always(status, {"error": {"message": "wrong key"}}))


async def test_a_server_that_drips_is_timed_out() -> None:
    """However many bytes come: the deadline is for the whole answer."""

    async def drip(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _unused in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    begun = time.monotonic()
    reply = await asked(drip, deadline_s=0.3)

    assert (reply.missing, reply.again) == (Missing.TIMED_OUT, False)
    assert time.monotonic() - begun < 2


async def test_a_book_is_unreadable() -> None:
    """Nothing is read beyond the bound."""

    async def book(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _unused in range(2 * MAX_BODY // 65536):
            await response.write(b"x" * 65536)
        return response

    reply = await asked(book)

    assert (reply.missing, reply.why) == (Missing.UNREADABLE, "longer than 4,194,304 bytes")


async def test_nobody_there_is_an_error() -> None:
    """Which the next start asks again."""
    async with Asker(limit=1, deadline_s=0.2) as asker:
        reply = await asker.ask(Endpoint(url="http://127.0.0.1:9/v1"), BODY)

    assert (reply.missing, reply.again) == (Missing.ERROR, True)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"<html>", b"{}", b'{"choices": []}', b"\xff", b"[" * 200_000,
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": null}, "finish_reason": "length"}]}',
        b'{"choices": [{"message": {"content": "  "}}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}',
    ],
)  # fmt: skip
def test_a_body_that_holds_no_answer_is_unreadable(body: bytes) -> None:
    """And never an exception."""
    reply = read_completion(body)

    assert reply.missing is Missing.UNREADABLE
    assert reply.why


def test_half_a_surrogate_pair_is_replaced() -> None:
    """JSON can escape it, UTF-8 cannot hold it."""
    reply = read_completion(b'{"choices": [{"message": {"content": "a\\ud800b \\ud83d\\ude00"}}]}')

    assert (reply.missing, reply.text) == (None, "a\ufffdb 😀")


def test_parts_are_one_text_and_a_refusal_declines() -> None:
    """Both are OpenAI's shapes."""
    parts = (
        b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]}'
    )
    refused = b'{"choices": [{"message": {"content": null, "refusal": "I will not."}}]}'
    filtered = b'{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}'

    assert read_completion(parts).text == "ab"
    assert (read_completion(refused).declined, read_completion(refused).text) == (
        True,
        "I will not.",
    )
    assert read_completion(filtered).declined


@given(st.binary())
def test_any_bytes_are_read(body: bytes) -> None:
    """Into an answer, or a reason."""
    reply = read_completion(body)

    assert reply.missing is not None
