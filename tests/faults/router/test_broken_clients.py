"""A client that leaves, does not read, asks ahead or sends garbage: nobody else notices."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from pointsman.api.table import Activation
from tests.faults.router.clock import Clock
from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, WORD, answers, chunked
from tests.router.serve.test_leaving import STAGES, reset
from tests.router.serve.world import LIMITS, Client, World, chat, leaks, post, until, world

FLOOD = WORD * 1000
MIB = 1024 * 1024


@pytest.fixture
async def clock() -> Clock:
    """Of the world."""
    return Clock()


@pytest.fixture
async def there(clock: Clock, _nothing_left: None) -> AsyncIterator[World]:
    """A good backend, `good`, behind the model name `good`; each stage adds its own."""
    async with world(replace(LIMITS, retries=0), clock=clock) as found:
        await found.simulator("good")
        found.route("good")
        yield found


async def others_are_served(there: World) -> None:
    """Somebody else asks."""
    there.route("good")
    reply = await there.ask()
    assert (reply.status, reply.complete) == (200, True)
    assert reply.content.startswith("model-good here.")


# Clients that leave. The stages of tests/router/serve/test_leaving.py, and these.


async def _between_requests(there: World, client: Client) -> None:
    await client.send(post(chat()))
    assert (await client.reply()).status == 200


async def _before_the_last_chunk(there: World, client: Client) -> None:
    body = json.dumps(chat()).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    await client.send(head + b"%x\r\n%b\r\n" % (len(body), body))


async def _told_to_continue(there: World, client: Client) -> None:
    head, _, _ = post(chat(), headers={"expect": "100-continue"}).partition(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    await client.read_until(b"100 Continue\r\n\r\n")


async def _waiting_for_a_server(there: World, client: Client) -> None:
    there.place("cold", activation=Activation(mode="Hold", timeout_s=1000.0, max_held=5))
    there.route("cold")
    await client.send(post(chat(stream=True)))
    await until(lambda: there.live.held == {"cold": 1})


async def _in_line(there: World, client: Client) -> None:
    port = await there.scripted("busy", answers(close=False))
    line = Activation(mode="Hold", timeout_s=1000.0, max_held=5, at_once=1)
    there.place("busy", port, queue=line, max_concurrent=1)
    there.route("busy")
    await client.send(post(chat()) * 2)
    second = Client(*await asyncio.open_connection("127.0.0.1", there.port))
    there.stack.push_async_callback(second.close)
    await until(lambda: there.live.in_flight == {"busy": 1})
    await second.send(post(chat()))
    await until(lambda: there.live.held == {"busy": 1})
    reset(second)


async def _in_a_large_answer(there: World, client: Client) -> None:
    head = JSON_HEAD + b"content-length: 9000000\r\n\r\n"
    await there.scripted("large", answers(head, b'{"x":"' + b"y" * 600_000, close=False))
    there.route("large")
    await client.send(post(chat()))
    await client.read_until(b"\r\n\r\n")


async def _in_a_translated_stream(there: World, client: Client) -> None:
    await there.scripted("small", answers(SSE_HEAD, *chunked(WORD), close=False))
    there.route("small")
    asked = {"model": "auto", "max_tokens": 9, "stream": True, "messages": chat()["messages"]}
    await client.send(post(asked, path="/v1/messages"))
    await client.read_until(b"content_block_delta")


async def _with_the_answer_complete(there: World, client: Client) -> None:
    await there.scripted("small", answers(SSE_HEAD, *chunked(WORD, DONE), close=False))
    there.route("small")
    await client.send(post(chat(stream=True)))
    await client.read_until(DONE)


async def _stuck_behind_garbage(there: World, client: Client) -> None:
    await there.scripted("small", answers(close=False))
    there.route("small")
    await client.send(post(chat()) + b"\x00\x01\x02 \r\n\r\n")
    await until(lambda: there.live.in_flight == {"small": 1})


MORE_STAGES: tuple[Callable[[World, Client], Awaitable[None]], ...] = (
    _between_requests, _before_the_last_chunk, _told_to_continue, _waiting_for_a_server, _in_line,
    _in_a_large_answer, _in_a_translated_stream, _with_the_answer_complete, _stuck_behind_garbage,
)  # fmt: skip


@pytest.mark.parametrize(
    "stage", [*STAGES, *MORE_STAGES], ids=lambda stage: stage.__name__.strip("_")
)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_who_leaves_takes_everything_along(
    there: World, stage: Callable[[World, Client], Awaitable[None]], how: str
) -> None:
    """Slot, place in line, bytes, timers and the backend's connection; others are served."""
    async with there.client() as client:
        await stage(there, client)
        reset(client) if how == "reset" else client.writer.close()
        await until(lambda: leaks(there.plane) == [])
    await others_are_served(there)


# Clients that do not read, or slowly.


async def _flooding(there: World, *, stream: bool) -> list[int]:
    """A backend that says more than anybody holds; what it could say so far is in the list."""
    said = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = JSON_HEAD + b"content-length: 1000000000\r\n\r\n"
        writer.write(SSE_HEAD if stream else head)
        piece = chunked(FLOOD)[0] if stream else b" " * 65_536
        while True:
            writer.write(piece)
            await writer.drain()
            said[0] += len(piece)

    await there.scripted("flood", serve)
    there.route("flood", request_timeout_s=100.0, stream_idle_timeout_s=30.0)
    return said


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_who_never_reads_is_cut_at_the_total_deadline(
    there: World, clock: Clock, stream: bool
) -> None:
    """Until then the backend is not read either, so that little is held; then both are let go."""
    said = await _flooding(there, stream=stream)
    async with there.client() as client:
        await client.send(post(chat(stream=stream)))
        await until(lambda: any(c.paused for c in there.plane._clients))
        async with clock.moving_while(lambda: True):
            await until(lambda: leaks(there.plane) == [])
    assert said[0] < 32 * MIB
    await others_are_served(there)


async def test_who_reads_slowly_gets_every_byte(there: World) -> None:
    """A little at a time, from a backend that is done at once."""
    body = b'{"choices":[],"x":"%b"}' % bytes(random.Random(1).choices(b"abcdef", k=3 * MIB))
    head = JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body)
    await there.scripted("large", answers(head + body))
    there.route("large")
    async with there.client() as client:
        await client.send(post(chat()))
        await client.read_until(b"\r\n\r\n")
        got = b""
        while len(got) < len(body):
            got += await client.reader.readexactly(min(50_000, len(body) - len(got)))
            await asyncio.sleep(0)
        assert got == body
    await until(lambda: leaks(there.plane) == [])


async def test_who_does_not_read_keeps_nobody_else_waiting(there: World) -> None:
    """Ten of them."""
    await _flooding(there, stream=True)
    clients = [Client(*await asyncio.open_connection("127.0.0.1", there.port)) for _ in range(10)]
    for client in clients:
        await client.send(post(chat(stream=True)))
    await until(lambda: sum(c.paused for c in there.plane._clients) == 10)
    await others_are_served(there)
    for client in clients:
        reset(client)
        await client.close()


# Clients that send slowly, ahead, or what is no request.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"GET", 408),
        (post(chat())[:30], 408),
        (post(chat())[:-1], 408),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", 408),
    ],
    ids=["nothing", "a word", "half a head", "all but a byte", "half a chunk"],
)
async def test_who_falls_silent_is_cut(
    there: World, clock: Clock, sent: bytes, status: int | None
) -> None:
    """With 408 in a request, without a word before one."""
    async with there.client() as client:
        await client.send(sent)
        await until(lambda: there.metrics.connections == 1)
        async with clock.moving_while(lambda: True):
            if status is None:
                assert await client.rest() == b""
            else:
                assert (await client.reply()).status == status
            await until(lambda: leaks(there.plane) == [])
    await others_are_served(there)


NOISE = random.Random(9)
GARBAGE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "NUL": bytes(100_000),
    "line ends": b"\r\n" * 40_000,
    "a line without end": b"GET /" + b"x" * 100_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    "a bad length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1e3\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello",
    "two framings": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /",
    **{f"noise {n}": NOISE.randbytes(NOISE.choice((1, 50, 5000, 100_000))) for n in range(20)},
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("before", [0, 1], ids=["alone", "behind a request"])
async def test_garbage_is_refused_and_the_connection_ends(
    there: World, clock: Clock, data: bytes, before: int
) -> None:
    """What was asked before it is answered; none of it reaches a backend."""
    async with there.client() as client:
        with suppress(ConnectionError):
            await client.send(post(chat()) * before + data)
        for _ in range(before):
            assert (await client.reply()).status == 200
        async with clock.moving_while(lambda: True):
            refusal = await client.rest()
            await until(lambda: leaks(there.plane) == [])
    assert not refusal or refusal.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert len(there.simulators["good"].log.as_json()) == before
    await others_are_served(there)


@pytest.mark.parametrize("ahead", [1, 15, 16, 17, 200])
async def test_who_asks_ahead_is_answered_in_order(there: World, ahead: int) -> None:
    """Within the bound of requests that are read, at it and beyond."""
    asked = [post(chat(stream=n % 2 == 0), headers={"x-request-id": f"n{n}"}) for n in range(ahead)]
    async with there.client() as client:
        await client.send(b"".join(asked))
        for number in range(ahead):
            reply = await client.reply()
            assert (reply.status, reply.headers["x-request-id"]) == (200, f"n{number}")
    await until(lambda: leaks(there.plane) == [])
