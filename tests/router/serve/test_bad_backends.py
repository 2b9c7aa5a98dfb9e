"""Answers of hostile model servers: the next candidate answers, or the answer visibly breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pointsman.api.table import Price
from pointsman.router.wire.sse import EventReader
from tests.fuzz import corpus
from tests.router.serve.test_fallback import (
    DONE,
    JSON_HEAD,
    ROLE,
    SSE_HEAD,
    WORD,
    answers,
    chunked,
)
from tests.router.serve.world import LIMITS, Handler, World, chat, leaks, post, until, world

SMALL = replace(
    LIMITS, response_head_bytes=4096, held_stream_bytes=64 * 1024, sse_frame_bytes=1024 * 1024
)
ANSWER = b'{"choices":[]}'
WHOLE = JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


@pytest.fixture
async def bad(_nothing_left: None) -> AsyncIterator[World]:
    """A good backend, `second`, and a small bound for heads of answers."""
    async with world(SMALL) as found:
        await found.simulator("second")
        yield found


def endless(start: bytes, more: bytes) -> Handler:
    """A server that never ends what it says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()

    return serve


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.slow
async def test_every_shape_of_an_answer_leads_to_one_answer(bad: World, stream: bool) -> None:
    """That of the good backend, unless the bad one's was whole; after each nothing is left."""
    for name, data in corpus.ANSWERS.items():
        await bad.scripted("first", answers(data))
        bad.route("first", "second")
        reply = await bad.ask(chat(stream=stream))
        assert reply.complete, name
        assert reply.status in (200, 400), name
        assert reply.status != 400 or reply.headers["x-pointsman-backend"] == "first", name
        await until(lambda: leaks(bad.plane) == [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 10),
        (JSON_HEAD, b"x: y\r\n" * 100),
        (JSON_HEAD + b"x: ", b"y" * 1000),
        (b"HTTP/1.1 200 ", b"O" * 1000),
        (JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1000),
        (JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y" * 10_000),
        (JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"y" * 10_000),
        (SSE_HEAD, b"5\r\n: hi\n\r\n" * 100),
        (SSE_HEAD + b"ffffffff\r\ndata: ", b"x" * 100_000),
        (b"", b"\r\n" * 1000),
        (b"", b"\x00" * 1000),
    ],
    ids=["100", "103", "headers", "header", "reason", "trailers", "trailer", "extension",
         "comments", "event", "line ends", "NUL"],
)  # fmt: skip
async def test_what_has_no_end_is_cut(bad: World, start: bytes, more: bytes) -> None:
    """At a bound in bytes, not at a deadline; the next candidate answers."""
    await bad.scripted("first", endless(start, more))
    bad.route("first", "second")
    reply = await bad.ask(chat(stream=start.startswith(SSE_HEAD)))
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "second")
    assert bad.count("attempts_total", backend="first", outcome="Malformed") == 1


@pytest.mark.parametrize(
    "surplus",
    [WHOLE, b"x", b"\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\": 1}"],
    ids=["an answer", "a byte", "a line end", "half an answer"],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [True, False])
async def test_surplus_bytes_are_never_the_next_callers_answer(
    bad: World, surplus: bytes, at_once: bool
) -> None:
    """The connection is spent, whether they come with the answer or after it."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = connections
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        body = b'{"choices":[],"n":%d}' % number
        answer = JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)
        writer.write(answer + surplus if at_once else answer)
        await writer.drain()
        if not at_once:
            await asyncio.sleep(0)
            writer.write(surplus)
        await reader.read()

    await bad.scripted("first", serve)
    bad.route("first")
    for number in (1, 2, 3):
        reply = await bad.ask()
        assert (reply.status, reply.json()["n"]) == (200, number)
        await until(lambda: not any(p._open for p in bad.plane.pools._pools.values()))


@pytest.mark.slow
async def test_an_answer_before_the_end_of_the_request_ends_the_connection(bad: World) -> None:
    """What is not read of the request could be read as the next one."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)
        await writer.drain()
        await asyncio.Event().wait()

    await bad.scripted("first", serve)
    bad.route("first")
    large = {**chat(), "user": "x" * 15_000_000}
    for number in (1, 2):
        assert (await bad.ask(large)).status == 200
        assert connections == number
        await until(lambda: not any(p._open for p in bad.plane.pools._pools.values()))


@pytest.mark.parametrize("tokens", [b"9" * 400, b"1" + b"0" * 308, b"1" + b"0" * 12, b"-1"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_usage_that_no_answer_has_ends_no_accounting(
    bad: World, tokens: bytes, stream: bool
) -> None:
    """It is counted nowhere; the request ends as it should, and metrics can still be read."""
    usage = b'"usage":{"prompt_tokens":%b,"completion_tokens":1}' % tokens
    if stream:
        pieces = (SSE_HEAD, *chunked(WORD, b'data: {"choices":[],%b}\n\n' % usage, DONE, last=True))
    else:
        body = b'{"choices":[],%b}' % usage
        pieces = (JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body) + body,)
    port = await bad.scripted("first", answers(*pieces))
    price = Price(input_pico=100_000, output_pico=1_500_000)
    bad.place("first", port, prices=(price,), currency="EUR")
    bad.route("first")
    assert (await bad.ask(chat(stream=stream))).status == 200
    await until(lambda: leaks(bad.plane) == [])
    counted = bad.count("tokens_total", backend="first", direction="input", source="stated")
    assert counted == 0


@pytest.mark.parametrize("size", [5, 5_000_000])
@pytest.mark.parametrize("said", [-1, 1])
async def test_a_body_of_another_length_than_said_is_seen_as_broken(
    bad: World, size: int, said: int
) -> None:
    """Short: the next candidate answers, or the connection breaks. Long: nothing of it is kept."""
    body = b'{"choices":[],"x":"%b"}' % (b"x" * size)
    length = len(body) + said
    await bad.scripted("first", answers(JSON_HEAD + b"content-length: %d\r\n\r\n" % length + body))
    bad.route("first", "second")
    reply = await bad.ask()
    if size < 100:
        assert reply.headers["x-pointsman-backend"] == "second"
        assert reply.complete
    elif said > 0:
        assert not reply.complete
    else:
        assert (reply.complete, len(reply.body)) == (True, length)


async def test_a_backend_that_hangs_up_again_and_again_is_asked_a_few_times_only(
    bad: World,
) -> None:
    """Each kept connection that turns out dead is replaced once."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        first = True
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked += 1
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
            if not first:
                return
            first = False
            writer.write(WHOLE)
            await writer.drain()

    await bad.scripted("first", serve)
    bad.route("first")
    async with bad.client() as client:
        for _ in range(5):
            await client.send(post(chat()))
            assert (await client.reply()).status == 200
    assert asked == 9


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (1, (SSE_HEAD, *chunked(ROLE, WORD, WORD[:40]))),
        (1, (SSE_HEAD, *chunked(ROLE, WORD), b"ff\r\n", WORD[:40])),
        (1, (SSE_HEAD, *chunked(ROLE + WORD + WORD[:5]))),
        (3, (SSE_HEAD, *chunked(ROLE + WORD, WORD[:3], WORD[3:], WORD + WORD[:-3]))),
        (1, (SSE_HEAD, *chunked(ROLE, WORD, WORD[:-1]))),
        (1, (SSE_HEAD, *chunked(ROLE, WORD, b"event: x\n"))),
        (1, (SSE_HEAD, *chunked(ROLE, WORD, b'data: {"choices":\r\n', b"data: [\r\n"))),
        (1, (SSE_HEAD.replace(b"transfer-encoding: chunked\r\n", b""), ROLE + WORD + WORD[:40])),
    ],
    ids=[
        "a chunk",
        "half a chunk",
        "with content",
        "in pieces",
        "all but a blank line",
        "its name",
        "some of its lines",
        "no chunks",
    ],
)
async def test_of_an_event_that_was_cut_nothing_goes_on(
    bad: World, words: int, pieces: tuple[bytes, ...]
) -> None:
    """Readers would take half of it for one, and fail before they come to the error event."""
    await bad.scripted("first", answers(*pieces))
    bad.route("first")
    reply = await bad.ask(chat(stream=True))
    assert b"event: " not in reply.body
    *came, last = map(json.loads, EventReader().feed(reply.body))
    assert len(came) == 1 + words
    assert last["error"]["code"] == "upstream_disconnected"


@pytest.mark.parametrize("last", [b"data: [DONE]", b"data: [DONE]\n"])
async def test_an_end_without_a_line_end_goes_on(bad: World, last: bytes) -> None:
    """Byte by byte, as the backend sent it."""
    await bad.scripted("first", answers(SSE_HEAD, *chunked(ROLE, WORD, last, last=True)))
    bad.route("first")
    reply = await bad.ask(chat(stream=True))
    assert (reply.complete, reply.body) == (True, ROLE + WORD + last)
