"""Every bound of the router at both ends: what just fits is served, one more is told why."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pointsman.api.table import Activation
from pointsman.router.serve.limits import Limits
from tests.faults.router.clock import Clock
from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import LIMITS, Reply, World, chat, leaks, post, until, world

ROOT = Path(__file__).parents[3]
FRAMINGS = ("length", "chunks")


@asynccontextmanager
async def small(clock: Clock | None = None, **limits: float) -> AsyncIterator[World]:
    """A router with these bounds and a backend `good`; nothing is tried twice."""
    chosen = replace(LIMITS, retries=0, **limits)  # type: ignore[arg-type]
    async with world(chosen, clock=clock or Clock()) as there:
        await there.simulator("good")
        there.route("good")
        yield there
        await until(lambda: leaks(there.plane) == [])


def is_refused(reply: Reply, status: int, code: str) -> None:
    """Typed, and with the time to come back if there is one."""
    assert (reply.status, reply.error["code"], reply.complete) == (status, code, True)
    assert ("retry-after" in reply.headers) is (status in (429, 503))
    if status in (429, 503):
        assert int(reply.headers["retry-after"]) >= 1


def padded(head: bytes, size: int) -> bytes:
    """A head of so many bytes, its last line end included."""
    head += b"x-more: "
    return head + b"y" * (size - len(head) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize("over", [0, 1])
async def test_a_head(over: int) -> None:
    """Bytes, the empty line included."""
    async with small(head_bytes=2000) as there, there.client() as client:
        head, _, body = post(chat()).partition(b"\r\n\r\n")
        await client.send(padded(head + b"\r\n", 2000 + over) + body)
        reply = await client.reply()
        if over:
            is_refused(reply, 431, "headers_too_large")
        else:
            assert reply.status == 200


@pytest.mark.parametrize("over", [0, 1])
async def test_headers(over: int) -> None:
    """A request of the default bound, and of one more."""
    most = Limits().headers
    async with small() as there, there.client() as client:
        head, _, body = post(chat()).partition(b"\r\n\r\n")
        more = most - (head.count(b"\r\n")) + over
        lines = b"".join(b"\r\nx-%d: y" % number for number in range(more))
        await client.send(head + lines + b"\r\n\r\n" + body)
        reply = await client.reply()
        if over:
            is_refused(reply, 431, "headers_too_large")
        else:
            assert reply.status == 200


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("over", [0, 1])
async def test_a_body(over: int, framing: str) -> None:
    """Of a length, and in chunks; the default's ends are in tests/router/serve/test_leaving.py."""
    body = post(chat()).partition(b"\r\n\r\n")[2]
    body += b" " * (5000 - len(body) + over)
    asked = post(body)
    if framing == "chunks":
        asked = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
    async with small(body_bytes=5000) as there, there.client() as client:
        await client.send(asked)
        reply = await client.reply()
        if over:
            is_refused(reply, 413, "request_too_large")
        else:
            assert reply.status == 200


@pytest.mark.parametrize("over", [0, 1])
async def test_all_bodies_together(over: int) -> None:
    """Two that are still coming in: the second fits beside the first, or is told at once."""
    body = b" " * 40_000  # which is no JSON, and so answered by the router itself
    fits = 2 * len(body) - 2
    async with (
        small(held_bodies_bytes=fits - over) as there,
        there.client() as first,
        there.client() as second,
    ):
        await first.send(post(body)[:-1])
        await until(lambda: there.plane.held_bodies_bytes == len(body) - 1)
        await second.send(post(body)[:-1])
        if over:
            is_refused(await second.reply(), 503, "overloaded")
        else:
            await until(lambda: there.plane.held_bodies_bytes == fits)
        for client in (first,) if over else (second, first):
            await client.send(b" ")
            assert (await client.reply()).status == 400


async def test_connections() -> None:
    """The last that fits is served, one more is refused, a place that is free is given again."""
    async with small(connections=3) as there:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                client = await stack.enter_async_context(there.client())
                await client.send(post(chat()))
                assert (await client.reply()).status == 200
            async with there.client() as one_more:
                is_refused(await one_more.reply(), 503, "overloaded")
        await until(lambda: there.metrics.connections == 0)
        assert (await there.ask()).status == 200


async def test_streams() -> None:
    """A connection carries one at a time, so their bound is that of connections."""
    gate = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD + chunked(WORD)[0])
        await gate.wait()
        writer.write(b"".join(chunked(DONE, last=True)))
        await writer.drain()

    async with small(connections=5) as there, AsyncExitStack() as stack:
        await there.scripted("open", serve)
        there.route("open")
        clients = [await stack.enter_async_context(there.client()) for _ in range(5)]
        for client in clients:
            await client.send(post(chat(stream=True)) * 2)
        await until(lambda: there.live.in_flight == {"open": 5})
        async with there.client() as one_more:
            is_refused(await one_more.reply(), 503, "overloaded")
        gate.set()
        for client in clients:
            for _ in range(2):
                reply = await client.reply()
                assert (reply.status, reply.events[-1]) == (200, "[DONE]")


@pytest.mark.parametrize("waits_for", ["start", "room"])
async def test_a_queue(waits_for: str) -> None:
    """So many wait, one more is told when to come again, those that wait are answered."""
    async with small() as there:
        line = Activation(mode="Hold", timeout_s=60.0, max_held=3, at_once=1)
        gate = asyncio.Semaphore(0)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await gate.acquire()
            writer.write(JSON_HEAD + b"content-length: 2\r\nconnection: close\r\n\r\n{}")
            await writer.drain()

        port = await there.scripted_port(serve)
        if waits_for == "start":
            there.place("busy", activation=line)
        else:
            there.place("busy", port, queue=line, max_concurrent=1)
        there.route("busy")
        served = [asyncio.create_task(there.ask())] if waits_for == "room" else []
        if served:
            await until(lambda: there.live.in_flight == {"busy": 1})
        for number in range(3):
            served.append(asyncio.create_task(there.ask()))
            await until(lambda wanted=number + 1: there.live.held == {"busy": wanted})  # type: ignore[misc]
        is_refused(await there.ask(), 503, "backends_unavailable")
        if waits_for == "start":
            there.place("busy", port, activation=line)
        for _ in served:
            gate.release()
        assert [(await task).status for task in served] == [200] * len(served)


async def test_a_hold() -> None:
    """Just before its end a request still waits, just behind it has been told."""
    clock = Clock()
    async with small(clock) as there:
        line = Activation(mode="Hold", timeout_s=60.0, max_held=3)
        there.place("cold", activation=line)
        there.route("cold", request_timeout_s=600.0)
        waiting = asyncio.create_task(there.ask())
        await until(lambda: there.live.held == {"cold": 1})
        clock.added_s += 55.0
        await asyncio.sleep(0.02)
        assert there.live.held == {"cold": 1}
        clock.added_s += 5.0
        is_refused(await waiting, 503, "backends_unavailable")


@pytest.mark.parametrize("what", ["head", "body"])
async def test_the_time_of_a_request_to_come_in(what: str) -> None:
    """Just before its end it is still taken, just behind it is 408."""
    limit_s = Limits().head_s if what == "head" else Limits().body_s
    asked = post(chat())
    sent = 20 if what == "head" else len(asked) - 1
    for added_s, status in ((limit_s - 3.0, 200), (limit_s + 0.1, 408)):
        clock = Clock()
        async with small(clock) as there, there.client() as client:
            await client.send(asked[:sent])
            await until(lambda: any(c.in_request for c in there.plane._clients))
            clock.added_s += added_s
            await asyncio.sleep(0.02)
            if status == 200:
                await client.send(asked[sent:])
            assert (await client.reply()).status == status


async def test_an_idle_connection() -> None:
    """Just before its end it still serves, just behind it is closed."""
    clock = Clock()
    async with small(clock) as there, there.client() as client:
        for _ in range(2):
            clock.added_s += Limits().keep_alive_s - 3.0
            await asyncio.sleep(0.02)
            await client.send(post(chat()))
            assert (await client.reply()).status == 200
        clock.added_s += Limits().keep_alive_s
        assert await client.rest() == b""


@pytest.mark.parametrize("over", [0, 1])
async def test_the_head_of_an_answer(over: int) -> None:
    """Bytes, the empty line included; beyond it the answer is malformed."""
    head = padded(JSON_HEAD + b"content-length: 2\r\n", 3000 + over)
    async with small(response_head_bytes=3000) as there:
        await there.scripted("wordy", answers(head + b"{}"))
        there.route("wordy")
        reply = await there.ask()
        if over:
            is_refused(reply, 502, "upstream_error")
        else:
            assert reply.status == 200


@pytest.mark.parametrize("over", [0, 1])
async def test_what_is_held_of_a_whole_answer(over: int) -> None:
    """Up to the bound a backend that dies at its end is replaced; beyond it the answer breaks."""
    async with small(buffered_body_bytes=5000) as there:
        head = JSON_HEAD + b"content-length: %d\r\n\r\n" % (5000 + over)
        await there.scripted("first", answers(head + b"x" * 4000))
        there.route("first", "good")
        reply = await there.ask()
        assert reply.complete is (not over)
        assert reply.headers["x-pointsman-backend"] == ("first" if over else "good")


@pytest.mark.parametrize("over", [0, 1])
async def test_what_is_held_of_a_stream(over: int) -> None:
    """Start-up events without content; beyond the bound the next backend answers."""
    comment = b": " + b"x" * (3000 - 4 + over) + b"\n\n"
    async with small(held_stream_bytes=3000) as there:
        await there.scripted(
            "first", answers(SSE_HEAD, *chunked(comment), *chunked(WORD, DONE, last=True))
        )
        there.route("first", "good")
        reply = await there.ask(chat(stream=True))
        assert reply.status == 200
        assert reply.headers["x-pointsman-backend"] == ("good" if over else "first")


@pytest.mark.parametrize("over", [0, 1])
async def test_an_event_that_is_not_complete(over: int) -> None:
    """Until a stream's first content."""
    piece = b"data: " + b"x" * (3000 - 6 + over)
    clock = Clock()
    async with small(clock, sse_frame_bytes=3000) as there:
        await there.scripted("first", answers(SSE_HEAD, *chunked(piece), close=False))
        there.route("first", "good")
        async with clock.moving_while(lambda: not over and there.live.in_flight == {"first": 1}):
            reply = await there.ask(chat(stream=True))
        assert reply.headers["x-pointsman-backend"] == "good"
        outcome = "Malformed" if over else "FirstTokenTimeout"
        assert there.count("attempts_total", backend="first", outcome=outcome) == 1


def told(name: str, value: float) -> str:
    """As the page writes it."""
    if name.endswith("_bytes"):
        size = int(value)
        return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"
    return f"{value:g} s" if name.endswith("_s") else f"{int(value):,}"


def test_the_page_names_each_bound_with_its_default_and_its_reason() -> None:
    """docs/limits.md has a row for each field of Limits, and no other."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]{15,}) \| ([^|]{3,}) \|$",
        (ROOT / "docs" / "limits.md").read_text(),
        re.MULTILINE,
    )
    own = Limits()
    bounds = {f.name for f in fields(own)} - {"tick_s", "allow_loopback"}
    assert {name: value for name, value, *_ in rows} == {
        name: told(name, getattr(own, name)) for name in bounds
    }
