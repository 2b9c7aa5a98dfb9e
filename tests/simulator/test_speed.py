"""Times are kept, as ratios of what was asked for, and the scale divides them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.running import chat, encode, post, read_answer, simulated


async def lasted_s(body: Any, **settings: Any) -> float:
    """Seconds one request takes."""
    loop = asyncio.get_running_loop()
    async with simulated(**settings) as simulator:
        started_s = loop.time()
        assert (await post(simulator.port, body)).status == 200
        return loop.time() - started_s


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_is_never_faster_than_declared(stream: bool) -> None:
    """ttft + (n - 1) / speed is the least it may take."""
    body = chat(max_tokens=21, stream=stream)
    assert await lasted_s(body, ttft_s=0.1, tokens_per_second=100) >= 0.3 * 0.98


async def test_twice_the_speed_is_about_half_the_time() -> None:
    """Sleeping late at one token does not delay the next: the schedule is absolute."""
    body = chat(max_tokens=61, stream=True)
    slow = await lasted_s(body, tokens_per_second=150)
    fast = min([await lasted_s(body, tokens_per_second=600) for _ in range(3)])
    assert slow > 2 * fast


async def test_the_time_scale_divides() -> None:
    """An hour's work in a moment."""
    body = chat(max_tokens=60, stream=True)
    scaled = await lasted_s(body, ttft_s=3600, tokens_per_second=0.1, time_scale=100_000)
    assert 0.04 <= scaled < 3600


async def test_tokens_come_one_by_one() -> None:
    """The first token is there before the last is spoken."""
    async with simulated(tokens_per_second=0.5) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(encode("POST", "/v1/chat/completions", chat(stream=True)))
        first = await reader.readuntil(b'"content":"qwen-light"')
        assert b"here." not in first
        assert simulator.server.slots.running == 1
        assert simulator.server.metrics.generation_tokens == 1
        writer.close()


async def test_an_unlimited_model_waits_for_a_slow_reader() -> None:
    """A client that does not read stops the writing: memory stays bounded."""
    async with simulated(output_tokens=200_000, context_window=1_000_000) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port, limit=1024)
        writer.write(encode("POST", "/v1/chat/completions", chat(stream=True)))
        await reader.readuntil(b"qwen-light")
        spoken, metrics, loop = -1, simulator.server.metrics, asyncio.get_running_loop()
        quiet_since_s = loop.time()
        while loop.time() - quiet_since_s < 0.1:
            await asyncio.sleep(0.005)
            if metrics.generation_tokens != spoken:
                spoken, quiet_since_s = metrics.generation_tokens, loop.time()
        assert 0 < spoken < 150_000
        writer.close()


async def test_embeddings_take_the_time_to_first_token() -> None:
    """They occupy a slot like any request."""
    loop = asyncio.get_running_loop()
    async with simulated(ttft_s=0.05) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        started_s = loop.time()
        writer.write(encode("POST", "/v1/embeddings", {"model": "m", "input": "a"}))
        assert (await read_answer(reader)).status == 200
        assert loop.time() - started_s >= 0.049
        writer.close()
