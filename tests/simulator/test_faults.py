"""Every ordered fault is what it says, as often as it was ordered."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import openai
import pytest
from openai import AsyncOpenAI

from tests.simulator.running import (
    Simulator,
    chat,
    encode,
    post,
    read_answer,
    send,
    simulated,
    until,
)


async def order(simulator: Simulator, mode: str, **more: Any) -> None:
    """Put a fault in force."""
    answer = await send(simulator.port, "PUT", "/simulator/faults", {"mode": mode, **more})
    assert answer.status == 200, answer.body


async def test_a_fault_holds_for_its_count() -> None:
    """Two fail, the third is answered; other paths never fail."""
    async with simulated() as simulator:
        await order(simulator, "Error500", count=2)
        assert (await send(simulator.port, "GET", "/v1/models")).status == 200
        assert [(await post(simulator.port, chat())).status for _ in range(3)] == [500, 500, 200]
        await order(simulator, "Error500")
        assert [(await post(simulator.port, chat())).status for _ in range(3)] == [500] * 3
        await order(simulator, "None")
        assert (await post(simulator.port, chat())).status == 200


async def test_error_429_says_when_to_come_back() -> None:
    """And the SDK raises its own class."""
    async with (
        simulated() as simulator,
        AsyncOpenAI(base_url=simulator.url, api_key="k", max_retries=0) as client,
    ):
        await order(simulator, "Error429", retry_after=7)
        answer = await post(simulator.port, chat())
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        with pytest.raises(openai.RateLimitError):
            await client.completions.create(model="m", prompt="p")


@pytest.mark.parametrize("mode", ["Hang", "HangAfterHeaders"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_hanging_request_holds_its_slot_until_the_client_goes(
    mode: str, stream: bool
) -> None:
    """No byte, or the head only; the server stays alive for others."""
    async with simulated() as simulator:
        await order(simulator, mode, count=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(encode("POST", "/v1/chat/completions", chat(stream=stream)))
        await until(lambda: simulator.server.slots.running == 1)
        if mode == "HangAfterHeaders":
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert (await post(simulator.port, chat())).status == 200
        writer.close()
        await until(lambda: simulator.server.slots.running == 0)
        assert await reader.read() == b""


@pytest.mark.parametrize("after_tokens", [0, 1, 5])
async def test_a_stream_dies_after_its_tokens(after_tokens: int) -> None:
    """The connection is reset in the middle: exactly k content chunks, no finish, no [DONE]."""
    async with simulated() as simulator:
        await order(simulator, "DieMidStream", after_tokens=after_tokens)
        answer = await post(simulator.port, chat(stream=True))
    assert (answer.status, answer.whole) == (200, False)
    choices = [event["choices"][0] for event in answer.events()]
    assert len([c for c in choices if c["delta"].get("content")]) == after_tokens
    assert all(c["finish_reason"] is None for c in choices)


async def test_a_body_dies_half_way() -> None:
    """Without a stream, half of the announced length arrives."""
    async with simulated() as simulator:
        await order(simulator, "DieMidStream")
        answer = await post(simulator.port, chat())
    assert (answer.status, answer.whole) == (200, False)
    assert 0 < len(answer.body) < int(answer.headers["content-length"])


async def test_a_reset_is_a_tcp_reset() -> None:
    """Not an orderly end: the client's read fails."""
    async with simulated() as simulator:
        await order(simulator, "Reset")
        with pytest.raises(ConnectionResetError):
            await post(simulator.port, chat())


async def test_garbage_is_no_http() -> None:
    """h11 refuses it."""
    async with simulated() as simulator:
        await order(simulator, "Garbage")
        with pytest.raises(h11.RemoteProtocolError):
            await post(simulator.port, chat())


async def test_a_wrong_content_type_is_html() -> None:
    """A misplaced proxy's page, with status 200."""
    async with simulated() as simulator:
        await order(simulator, "WrongContentType")
        answer = await post(simulator.port, chat(stream=True))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_drip_is_whole_in_the_end(stream: bool) -> None:
    """Byte by byte, and yet the same answer."""
    async with simulated() as simulator:
        plain = await post(simulator.port, chat(stream=stream, max_tokens=2))
        await order(simulator, "Drip", delay="0")
        dripped = await post(simulator.port, chat(stream=stream, max_tokens=2))
    assert dripped.whole
    assert len(dripped.body) == len(plain.body)


async def test_a_slow_first_byte_comes_in_the_end() -> None:
    """The delay is kept, then the answer is whole."""
    loop = asyncio.get_running_loop()
    async with simulated() as simulator:
        await order(simulator, "SlowFirstByte", delay="50ms", count=1)
        started_s = loop.time()
        answer = await post(simulator.port, chat(stream=True))
    assert loop.time() - started_s >= 0.049
    assert answer.events()[-1] == "[DONE]"


async def test_a_retrying_client_gets_through() -> None:
    """One reset, then an answer: what the SDK's retries are for."""
    async with (
        simulated() as simulator,
        AsyncOpenAI(base_url=simulator.url, api_key="k", max_retries=2) as client,
    ):
        await order(simulator, "Reset", count=1)
        done = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hello?"}]
        )
    assert done.choices[0].finish_reason == "stop"


async def test_the_connection_lives_on_after_an_error() -> None:
    """A 500 is an answer; the next request uses the same connection."""
    async with simulated() as simulator:
        await order(simulator, "Error500", count=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        statuses = []
        for _ in range(2):
            writer.write(encode("POST", "/v1/chat/completions", chat()))
            statuses.append((await read_answer(reader)).status)
        writer.close()
    assert statuses == [500, 200]
