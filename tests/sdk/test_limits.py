"""A caller's limits as the real SDK meets them: its exception, its headers, its own patience."""

import asyncio
import time

import openai
import pytest

from pointsman.api.callers import Limits, digest_of
from pointsman.router.callers import Caller, callers_of
from tests.router.serve.world import World, until
from tests.sdk.calls import Call, Sdk

HELLO = [{"role": "user", "content": "hi"}]
CHAT = {"model": "auto", "messages": HELLO, "max_tokens": 8}


def limit(there: World, limits: Limits) -> None:
    """Of the SDKs' key."""
    digests = frozenset({digest_of(b"sk-caller")})
    there.live.callers = callers_of(
        [Caller("app", "search", None, digests, limits=limits)], complete=True
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_over_a_limit_both_sdks_raise_what_callers_catch(
    there: World, sdk: Sdk, stream: bool
) -> None:
    """RateLimitError with OpenAI's code."""
    limit(there, Limits(rpm=1))
    call = Call("chat.completions.create", CHAT | {"stream": stream})
    base = f"http://127.0.0.1:{there.port}/v1"
    assert (await sdk.call(call, base)).error is None
    error = (await sdk.call(call, base)).error

    assert error is not None
    assert (error.kind, error.status, error.code) == ("RateLimitError", 429, "rate_limit_exceeded")
    assert error.type == "rate_limit_error"
    assert "limit 1" in error.message


async def test_the_sdk_reads_the_headers(there: World) -> None:
    """On an answer and on the exception."""
    limit(there, Limits(rpm=1, tpm=10_000))
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key="sk-caller", max_retries=0
    ) as client:
        raw = client.chat.completions.with_raw_response
        answer = await raw.create(model="auto", messages=HELLO, max_tokens=8)  # type: ignore[arg-type]
        with pytest.raises(openai.RateLimitError) as raised:
            await raw.create(model="auto", messages=HELLO, max_tokens=8)  # type: ignore[arg-type]

    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-ratelimit-limit-tokens"] == "10000"
    assert 9900 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 9992
    refused = raised.value.response.headers
    assert 58 <= int(refused["retry-after"]) <= 60
    assert refused["x-ratelimit-remaining-requests"] == "0"
    assert refused["x-ratelimit-reset-requests"].endswith("s")


async def test_the_sdk_comes_back_when_it_was_told(there: World) -> None:
    """By itself, after Retry-After: the caller notices nothing but the time."""
    limit(there, Limits(rpm=40))
    for _ in range(40):
        assert (await there.ask(CHAT, authorization="Bearer sk-caller")).status == 200
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key="sk-caller", max_retries=1
    ) as client:
        began_s = time.monotonic()
        await client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    assert 1.0 < time.monotonic() - began_s < 5.0
    assert there.count("limited_total", team="search", limit="Requests") == 1


async def test_the_sdk_does_not_try_again_what_is_too_large(there: World) -> None:
    """One request, and the error at once."""
    limit(there, Limits(tpm=100))
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key="sk-caller", max_retries=5
    ) as client:
        with pytest.raises(openai.RateLimitError, match="Request too large"):
            await client.chat.completions.create(**CHAT | {"max_tokens": 500})  # type: ignore[call-overload]
    assert there.count("limited_total", team="search", limit="Tokens") == 1


async def test_parallel_calls_of_the_sdk_keep_to_the_limit(there: World) -> None:
    """Of fifty at once four go."""
    limit(there, Limits(max_concurrent_requests=4))
    small = there.simulators["small"]
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key="sk-caller", max_retries=0
    ) as client:
        body = CHAT | {"max_tokens": 8}
        calls = [client.chat.completions.create(**body) for _ in range(50)]  # type: ignore[call-overload]
        found = await asyncio.gather(*calls, return_exceptions=True)
    refused = [one for one in found if isinstance(one, openai.RateLimitError)]
    assert len(found) - len(refused) == len(small.log.as_json()) >= 4
    assert refused
    await until(lambda: there.live.in_flight == {})
