"""A router that ends: what it holds is finished, newcomers come back later, nobody sees a reset."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import DONE, SSE_HEAD, WORD, chunked
from tests.router.serve.world import (
    LIMITS,
    PATIENCE_S,
    Client,
    Handler,
    World,
    chat,
    post,
    until,
    world,
)

FOR_EVER_S = 3600.0


@pytest.fixture
async def one(_nothing_left: None) -> AsyncIterator[World]:
    """One backend, `small`; the test itself drains."""
    async with world(LIMITS) as found:
        await found.simulator("small")
        found.route("small")
        yield found


def drained(
    one: World, deadline_s: float = FOR_EVER_S, delay_s: float = 0.0
) -> "asyncio.Task[int]":
    """A drain that has begun."""
    return asyncio.create_task(one.plane.drain(deadline_s, delay_s=delay_s))


async def cut_by(task: "asyncio.Task[int]") -> int:
    """How many requests a drain has cut, once it is over."""
    async with asyncio.timeout(PATIENCE_S):
        return await task


def hang(one: World) -> None:
    """The next request meets a backend that never answers."""
    one.simulators["small"].faults.order(Fault(FaultMode.HANG))


async def running(one: World, client: Client, *, stream: bool = False) -> None:
    """A request of this client is with the backend."""
    before = one.live.in_flight.get("small", 0)
    await client.send(post(chat(stream=stream)))
    await until(lambda: one.live.in_flight.get("small", 0) == before + 1)


async def test_during_the_delay_all_are_served_and_told_to_close(one: World) -> None:
    """Who sends by EndpointSlices does not know yet: newcomers and old connections alike."""
    async with one.client() as old:
        await old.send(post(chat()))
        assert "connection" not in (await old.reply()).headers
        task = drained(one, delay_s=FOR_EVER_S)
        await until(lambda: one.live.draining)
        for _ in range(3):
            newcomer = await one.ask()
            assert (newcomer.status, newcomer.headers["connection"]) == (200, "close")
        await old.send(post(chat()))
        reply = await old.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await old.rest() == b""
    one.plane.hurry()
    assert await cut_by(task) == 0


async def test_after_the_delay_newcomers_come_back_later(one: World) -> None:
    """The listener answers to the last: 503, Retry-After, close, in OpenAI's shape."""
    async with one.client() as held:
        simulator = one.live.endpoints
        await one.scripted("small", gated(asyncio.Event()))
        await running(one, held, stream=True)
        one.live.endpoints = simulator
        task = drained(one, delay_s=0.05)
        async with asyncio.timeout(PATIENCE_S):
            while (refused := await one.ask()).status == 200:
                pass
        assert (refused.status, refused.error["code"]) == (503, "draining")
        assert refused.error["type"] == "service_unavailable"
        assert refused.headers["connection"] == "close"
        assert int(refused.headers["retry-after"]) >= 1
        assert not task.done()
    assert await cut_by(task) == 0
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", one.port)


def gated(gate: asyncio.Event) -> Handler:
    """A stream of two words; the second waits for the gate."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(SSE_HEAD + b"".join(chunked(WORD)))
        await gate.wait()
        writer.write(b"".join(chunked(WORD, DONE, last=True)))
        await writer.drain()

    return serve


@pytest.mark.slow
async def test_a_stream_ends_whole_and_its_connection_is_asked_once_more(one: World) -> None:
    """Its head promised keep-alive, so the next request may be under way: it is answered."""
    gate, other = asyncio.Event(), asyncio.Event()
    await one.scripted("small", gated(gate))
    async with one.client() as first, one.client() as second:
        await first.send(post(chat(stream=True)))
        assert b"connection:" not in await first.read_until(b"\r\n\r\n")
        await running(one, second, stream=True)  # keeps the router from its end
        task = drained(one)
        await until(lambda: one.plane.refusing)
        await one.scripted("small", gated(other))
        await first.send(post(chat(stream=True)))
        gate.set()
        assert b"data: [DONE]" in await first.read_until(b"\r\n0\r\n\r\n")
        assert not task.done()
        other.set()
        again = await first.reply()
        assert (again.status, again.events[-1]) == (200, "[DONE]")
        assert again.headers["connection"] == "close"
        assert await first.rest() == b""
        assert (await second.reply()).events[-1] == "[DONE]"
        assert await cut_by(task) == 0


@pytest.mark.slow
async def test_a_request_that_was_on_its_way_in_is_answered(one: World) -> None:
    """Half of its body came before the end began."""
    request = post(chat())
    async with one.client() as client, one.client() as nobody:
        await client.send(request[:-10])
        await nobody.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await nobody.reply()
        task = drained(one)
        await until(lambda: one.plane.refusing)
        assert not task.done()
        await client.send(request[-10:])
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await cut_by(task) == 0


@pytest.mark.parametrize("how", ["deadline", "hurry"])
@pytest.mark.slow
async def test_what_does_not_end_in_time_is_cut_with_a_word(one: World, how: str) -> None:
    """An error event and no [DONE] in a stream that has begun; else a 503 that may be repeated."""
    async with one.client() as hung, one.client() as half, one.client() as streaming:
        hang(one)
        await running(one, hung)
        await half.send(post(chat())[:-10])
        await one.scripted("small", gated(asyncio.Event()))
        await running(one, streaming, stream=True)
        head = await streaming.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        task = drained(one, 0.05 if how == "deadline" else FOR_EVER_S)
        await until(lambda: one.plane.refusing)
        if how == "hurry":
            one.plane.hurry()

        for client in (hung, half):
            refused = await client.reply()
            assert (refused.status, refused.error["code"]) == (503, "draining")
            assert refused.headers["connection"] == "close"
            assert int(refused.headers["retry-after"]) >= 1
        body = await streaming.rest()
        assert b"[DONE]" not in body
        assert body.endswith(b"\r\n0\r\n\r\n")
        event = json.loads(body.rpartition(b"data: ")[2].partition(b"\n")[0])
        assert event["error"]["code"] == "draining"
        assert event["error"]["message"] == "The answer is incomplete: the router was shut down."
        assert await cut_by(task) == 2
    assert one.count("attempts_total", backend="small", outcome="Cut") == 1


async def test_an_idle_connection_ends_without_a_reset(one: World) -> None:
    """Not even under a request that crosses the end: the client sees that nobody answered."""
    async with one.client() as idle, one.client() as crossing:
        for client in (idle, crossing):
            await client.send(post(chat()))
            assert (await client.reply()).status == 200
        task = drained(one)
        assert await idle.reader.read() == b""
        await crossing.send(post(chat()))
        assert await crossing.reader.read() == b""  # a reset would raise ConnectionError
        assert not task.done()
        await idle.close()
        await crossing.close()
        assert await cut_by(task) == 0


async def test_a_client_that_does_not_read_holds_up_no_end(one: World) -> None:
    """What it will not take is thrown away when its time is over."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD)
        while True:
            writer.write(b"".join(chunked(WORD)) * 1000)
            await writer.drain()

    await one.scripted("small", endless)
    async with one.client() as deaf:
        await running(one, deaf, stream=True)
        await until(lambda: any(client.paused for client in one.plane._clients))
        assert await cut_by(drained(one, 0.05)) == 1
