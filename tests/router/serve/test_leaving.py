"""Clients that send no more, leave, or ask ahead: answered or ended, and nothing stays."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import LIMITS, Client, World, chat, leaks, post, until, world

HEAD, _, BODY = post(chat()).partition(b"\r\n\r\n")


def reset(client: Client) -> None:
    """Leave with a reset instead of an end."""
    found = client.writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


@pytest.mark.parametrize("stream", [False, True])
async def test_who_only_sends_no_more_gets_its_answer(there: World, stream: bool) -> None:
    """A pipe into a shut-down socket is no hang-up; interim answers are skipped by every client."""
    await there.simulator("small", ttft_s=0.6)
    there.route("small")
    async with there.client() as client:
        await client.send(post(chat(stream=stream)))
        client.writer.write_eof()
        reply = await client.reply()
        assert (reply.status, reply.complete) == (200, True)
        assert reply.content.startswith("model-small here.")
        assert await client.rest() == b""


async def test_all_that_was_asked_before_the_end_is_answered(there: World) -> None:
    """More requests than wait at once, of all kinds, the end right behind them."""
    await there.simulator("small")
    there.route("small")
    async with there.client() as client:
        await client.send(b"".join(post(chat(stream=n % 2 == 0)) for n in range(40)))
        client.writer.write_eof()
        for _ in range(40):
            assert (await client.reply()).status == 200
        assert await client.rest() == b""


async def test_what_is_answered_at_once_is_answered(there: World) -> None:
    """Without a backend."""
    async with there.client() as client:
        await client.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        client.writer.write_eof()
        assert (await client.reply(b"GET")).status == 200
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "sent", [HEAD[:9], HEAD, HEAD + b"\r\n\r\n", HEAD + b"\r\n\r\n" + BODY[:5]]
)
async def test_an_end_in_a_request_ends_the_connection(there: World, sent: bytes) -> None:
    """Silently: there is nobody to answer to, and nothing reached a backend."""
    await there.simulator("small")
    there.route("small")
    async with there.client() as client:
        await client.send(sent)
        await until(lambda: there.metrics.connections == 1)
        client.writer.write_eof()
        assert await client.rest() == b""
        await until(lambda: leaks(there.plane) == [])
    assert there.simulators["small"].log.as_json() == []


async def test_http_1_0_knows_no_interim_answers(there: World) -> None:
    """So its end is a hang-up."""
    await there.simulator("small")
    there.simulators["small"].faults.order(Fault(FaultMode.HANG))
    there.route("small")
    async with there.client() as client:
        head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")
        await client.send(head + b"\r\n\r\n" + BODY)
        await until(lambda: there.live.in_flight == {"small": 1})
        client.writer.write_eof()
        assert await client.rest() == b""


Stage = Callable[[World, Client], Awaitable[None]]


async def _connected(there: World, client: Client) -> None:
    await until(lambda: there.metrics.connections == 1)


async def _in_head(there: World, client: Client) -> None:
    await client.send(HEAD)


async def _in_body(there: World, client: Client) -> None:
    await client.send(HEAD + b"\r\n\r\n" + BODY[:3])


async def _in_large_body(there: World, client: Client) -> None:
    await client.send(post(b" " * 3_000_000)[:-1])
    await until(lambda: there.plane.held_bodies_bytes > 2_000_000)


async def _dialing(there: World, client: Client) -> None:
    there.place("small", await full_port(there))
    there.route("small")
    await client.send(post(chat()))
    await until(lambda: any(p._dialing for p in there.plane.pools._pools.values()))


async def full_port(there: World) -> int:
    """Of a server whose queue of connections is full, so that more of them stay in the making."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=0)
    there.stack.callback(listening.close)
    port: int = listening.getsockname()[1]
    for _ in range(4):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))
        there.stack.callback(waiting.close)
    return port


async def _waiting(there: World, client: Client) -> None:
    await there.scripted("small", answers(close=False))
    there.route("small")
    await client.send(post(chat()))
    await until(lambda: there.live.in_flight == {"small": 1})


async def _backing_off(there: World, client: Client) -> None:
    await there.scripted("small", answers(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"))
    there.route("small")
    await client.send(post(chat()))
    await until(lambda: there.count("attempts_total", backend="small", outcome="Http503") >= 1)


async def _in_opening(there: World, client: Client) -> None:
    await there.scripted("small", answers(SSE_HEAD, *chunked(b": ping\n\n"), close=False))
    there.route("small")
    await client.send(post(chat(stream=True)))
    await until(lambda: there.live.in_flight == {"small": 1})


async def _in_stream(there: World, client: Client) -> None:
    await there.scripted("small", answers(SSE_HEAD, *chunked(WORD), close=False))
    there.route("small")
    await client.send(post(chat(stream=True)))
    await client.read_until(WORD)


async def _not_reading(there: World, client: Client) -> None:
    await there.scripted("small", answers(SSE_HEAD, *chunked(*[WORD * 4000] * 200), close=False))
    there.route("small")
    await client.send(post(chat(stream=True)))
    await until(lambda: any(c.paused for c in there.plane._clients))


async def _pipelining(there: World, client: Client) -> None:
    await _waiting(there, client)
    await client.send(post(chat()) * 100)


async def _refused(there: World, client: Client) -> None:
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    await client.read_until(b"\r\n\r\n")


STAGES: tuple[Stage, ...] = (
    _connected, _in_head, _in_body, _in_large_body, _dialing, _waiting, _backing_off, _in_opening,
    _in_stream, _not_reading, _pipelining, _refused,
)  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__.strip("_"))
@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_client_may_leave_at_any_stage(there: World, stage: Stage, how: str) -> None:
    """Its request ends with it: backend, slot, memory and timers are free soon after."""
    async with there.client() as client:
        await stage(there, client)
        reset(client) if how == "reset" else client.writer.close()
        await until(lambda: leaks(there.plane) == [])


async def test_who_asks_ahead_waits_as_bytes() -> None:
    """Sixteen requests are read; the rest is counted with the large bodies, and refused beyond."""
    async with world(replace(LIMITS, held_bodies_bytes=1_000_000)) as there:
        await there.scripted("small", answers(close=False))
        there.route("small")
        async with there.client() as client:
            client.writer.write(post(chat()) * 20_000)
            await until(lambda: any(not c._reading for c in there.plane._clients))
            (ours,) = there.plane._clients
            assert len(ours._queue) <= LIMITS.pipelined
            assert 0 < there.plane.held_bodies_bytes < 1_000_000
            client.writer.transport.abort()
            await until(lambda: leaks(there.plane) == [])


async def test_a_client_that_asks_ahead_is_answered_in_order_though_it_reads_late(
    there: World,
) -> None:
    """Its answers fill its socket, then it is not read, then it gets all of them."""
    await there.simulator("small", output_tokens=200)
    there.route("small")
    count = 600
    async with there.client() as client:
        asked = b"".join(
            post(chat(stream=n % 2 == 0), headers={"x-request-id": str(n)}) for n in range(count)
        )
        sending = asyncio.create_task(client.send(asked))
        await until(lambda: any(c.paused or not c._reading for c in there.plane._clients))
        for number in range(count):
            reply = await client.reply()
            assert (reply.status, reply.headers["x-request-id"]) == (200, str(number))
        await sending


async def test_a_bound_of_two_bodies_is_of_two_bodies(there: World) -> None:
    """At the limit it is read, one byte more is 413; by length and in chunks; the SDK's way too."""
    await there.simulator("small")
    there.route("small")
    limit = LIMITS.body_bytes
    start = json.dumps(chat())[:-1] + ', "user": "'
    full = f'{start}{"x" * (limit - len(start) - 2)}"}}'.encode()
    assert len(full) == limit
    for extra, status in ((b"", 200), (b" ", 413)):
        body = full + extra
        pieces = [body[at : at + 1_000_000] for at in range(0, len(body), 1_000_000)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        for request in (
            post(body),
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunks + b"0\r\n\r\n",
        ):  # fmt: skip
            async with there.client() as client:
                sending = asyncio.create_task(client.send(request))
                reply = await client.reply()
                assert reply.status == status
                assert reply.complete
                await client.close()
                await asyncio.gather(sending, return_exceptions=True)
            await until(lambda: leaks(there.plane) == [])
    assert len(there.simulators["small"].log.as_json()) == 2
