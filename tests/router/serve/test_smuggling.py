"""Every seed of the fuzz corpus over a real socket, with a backend behind that must see nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import h11
import pytest

from tests.fuzz import corpus
from tests.fuzz.opinions import BODY_BYTES, HEAD_BYTES
from tests.router.serve.test_fallback import JSON_HEAD, answers
from tests.router.serve.world import LIMITS, World, chat, leaks, post, until, world

SMALL = replace(LIMITS, head_bytes=HEAD_BYTES, body_bytes=BODY_BYTES)


@pytest.fixture
async def one(_nothing_left: None) -> AsyncIterator[World]:
    """One backend, and limits that the corpus goes beyond."""
    async with world(SMALL) as found:
        await found.simulator("small")
        found.route("small")
        yield found


async def test_no_shape_gets_through(one: World) -> None:
    """A 4xx or 5xx of HTTP itself in OpenAI's shape, then the end; nothing of it stays here."""
    for name, data in corpus.REFUSED.items():
        async with one.client() as client:
            with suppress(ConnectionError):
                await client.send(data)
            reply = await client.reply()
            assert reply.status in (400, 405, 413, 417, 431, 501, 505), name
            assert reply.complete, name
            assert reply.error["type"] == "invalid_request_error", name
            assert reply.headers["connection"] == "close", name
            assert await client.rest() == b"", name
        await until(lambda: leaks(one.plane) == [])
    assert one.simulators["small"].log.as_json() == []
    assert (await one.ask()).status == 200


async def test_a_shape_behind_a_good_request_is_refused_as_well(one: World) -> None:
    """The good one is answered first; in one read, and when the rest comes later."""
    good = post(chat())
    for apart in (False, True):
        for name in ("two lengths", "length then chunked", "bare LF", "chunk plus", "two spaces"):
            async with one.client() as client:
                data = corpus.REFUSED[name]
                await client.send(good if apart else good + data)
                assert (await client.reply()).status == 200
                if apart:
                    await client.send(data)
                assert (await client.reply()).status in (400, 501), name
                assert await client.rest() == b"", name
    assert len(one.simulators["small"].log.as_json()) == 10


async def test_every_readable_shape_is_answered(one: World) -> None:
    """Each request of it, in order, whatever it asks for."""
    for name, data in corpus.READABLE.items():
        async with one.client() as client:
            await client.send(data)
            reply = await client.reply(b"POST")
            assert reply.status in (200, 400, 404, 405), name
            assert reply.complete, name
        await until(lambda: leaks(one.plane) == [])


async def test_what_the_backend_gets_is_framed_by_the_router_alone(there: World) -> None:
    """h11 reads every request as it leaves: one length, one host, no coding, nothing behind it."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            seen.append(head + await reader.readexactly(size))
            writer.write(JSON_HEAD + b"content-length: 2\r\n\r\n{}")

    await there.scripted("small", serve)
    there.route("small")
    body = b'{"model":"auto","messages":[]}'
    framing = (
        b"content-length: %d\r\n\r\n%b" % (len(body), body),
        b"transfer-encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\ncookie: x\r\n\r\n"
        % (len(body), body),
    )
    extra = (
        b"",
        b"connection: upgrade\r\nupgrade: h2c\r\n",
        b"accept: */*\r\naccept: a/b\r\ntraceparent: 00-1\r\ntracestate: x=y\r\n",
        b"x-request-id: \xe4\t \r\nte: trailers\r\nkeep-alive: 5\r\n",
        b"x-forwarded-host: b\r\nforwarded: for=1\r\nx-http-method-override: PUT\r\n",
    )
    async with there.client() as client:
        for more in extra:
            for rest in framing:
                await client.send(
                    b"POST http://b/v1/chat/completions?x=%0d%0a HTTP/1.1\r\nhost: a\r\n"
                    + more
                    + rest
                )
                assert (await client.reply()).status == 200
    assert len(seen) == len(extra) * len(framing)
    for request in seen:
        http = h11.Connection(h11.SERVER)
        http.receive_data(request)
        event = http.next_event()
        assert isinstance(event, h11.Request)
        names = [name for name, _ in event.headers]
        assert (event.method, event.target) == (b"POST", b"/v1/chat/completions")
        assert [names.count(n) for n in (b"host", b"content-length", b"transfer-encoding")] == [
            1,
            1,
            0,
        ]
        assert {b"upgrade", b"te", b"cookie", b"forwarded", b"x-forwarded-host"}.isdisjoint(names)
        while not isinstance(event, h11.EndOfMessage):
            event = http.next_event()
            assert isinstance(event, h11.Data | h11.EndOfMessage)
        assert http.trailing_data == (b"", False)


SPLITS = (
    "a\r\nset-cookie: x=y",
    "a\nset-cookie: x=y",
    "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "\x00",
    "é",
)


@pytest.mark.parametrize("text", SPLITS)
async def test_nothing_a_caller_says_ends_a_header_line(one: World, text: str) -> None:
    """Model names, metadata and paths come back in JSON at most; h11 reads every answer."""
    for body in (
        chat(text),
        chat(metadata={"tier": text, text: "gold"}),
        {**chat(), text: text},
    ):
        reply = await one.ask(body, x_pointsman_debug="true")
        assert reply.status in (200, 404)
        assert "set-cookie" not in reply.headers
    quoted = "".join(f"%{byte:02x}" for byte in text.encode())
    async with one.client() as client:
        await client.send(f"GET /v1/models/{quoted} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        reply = await client.reply(b"GET")
        assert (reply.status, reply.error["param"]) == (404, "model")
        assert "set-cookie" not in reply.headers


async def test_names_in_the_table_end_no_header_line_either(there: World) -> None:
    """They come from the operator, but a header is no place for trust."""
    await there.simulator("small")
    there.route("small", revision="r\r\nset-cookie: x=y")
    reply = await there.ask()
    assert reply.status == 200
    assert reply.headers["x-pointsman-revision"] == "r??set-cookie: x=y"


@pytest.mark.parametrize(
    "line",
    [b"x-request-id: a\rb", b"x-request-id: a\nset-cookie: b", b"content-type: a\x00b",
     b"retry-after: 1\r\n set-cookie: b", b"date: a\x0bb"],
)  # fmt: skip
async def test_no_backend_puts_lines_into_our_head(there: World, line: bytes) -> None:
    """Its answer is refused whole, and the fallback answers."""
    bad = JSON_HEAD + line + b"\r\ncontent-length: 14\r\n\r\n" + b'{"choices":[]}'
    await there.scripted("first", answers(bad))
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask()
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "second")
    assert "set-cookie" not in reply.headers
