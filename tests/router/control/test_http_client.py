"""The Kubernetes client's connections: when one is used again, and when it must not be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pointsman.router.control.http_client import Broken, HttpClient

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(serve: Serve) -> AsyncIterator[HttpClient]:
    """A client of a server that answers its n-th connection so."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(len(writers), reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}/prefix/", None, connect_s=5, most=2)
    try:
        async with asyncio.timeout(30):
            yield client
    finally:
        client.close()
        for writer in writers:
            writer.close()
        server.close()


async def _ask(client: HttpClient, method: str = "GET", body: bytes | None = None) -> bytes:
    async with client.request(method, "/x", query={"a": "b c"}, headers={}, body=body) as answer:
        return await answer.all()


async def _heads(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    """The request line has the prefix of the URL and the query."""
    seen: list[tuple[int, bytes]] = []

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async for head in _heads(reader):
            seen.append((number, head.partition(b"\r\n")[0]))
            writer.write(OK)

    async with _server(serve) as client:
        assert [await _ask(client) for _ in range(3)] == [b"ok"] * 3
    assert seen == [(1, b"GET /prefix/x?a=b+c HTTP/1.1")] * 3


@pytest.mark.parametrize(
    "answer",
    [OK.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"), OK + OK, OK + b"x"],
    ids=["close", "two answers", "a byte more"],
)
async def test_nothing_that_was_not_asked_for_is_taken_for_an_answer(answer: bytes) -> None:
    """Surplus of one answer must not become the next one's beginning."""
    numbers: list[int] = []

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async for _ in _heads(reader):
            numbers.append(number)
            writer.write(answer)

    async with _server(serve) as client:
        assert [await _ask(client) for _ in range(3)] == [b"ok"] * 3
    assert numbers == [1, 2, 3]


async def test_words_into_an_idle_connection_spend_it() -> None:
    """A 408 of a server that waited too long, for one."""
    idle = asyncio.Event()

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async for _ in _heads(reader):
            writer.write(OK.replace(b"ok", b"%02d" % number))
            if number == 1:
                await writer.drain()
                await idle.wait()
                writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                idle.clear()

    async with _server(serve) as client:
        assert await _ask(client) == b"01"
        idle.set()
        while idle.is_set():  # noqa: ASYNC110 - until the bytes are on their way
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert await _ask(client) == b"02"


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False)])
async def test_what_may_go_out_twice_does_after_a_stale_connection(
    method: str,
    again: bool,
) -> None:
    """A POST may have been carried out."""

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async for _ in _heads(reader):
            if number == 1 and len(done) == 1:
                writer.transport.abort()
                return
            done.append(number)
            writer.write(OK)

    done: list[int] = []
    async with _server(serve) as client:
        await _ask(client)
        if again:
            assert await _ask(client, method) == b"ok"
            assert done == [1, 2]
        else:
            with pytest.raises((Broken, OSError)):
                await _ask(client, method, b"")
            assert done == [1]


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", b"SSH-2.0\r\n",
     b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
     b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"],
    ids=["nothing", "too short", "another protocol", "compressed", "a long head"],
)  # fmt: skip
async def test_what_is_no_whole_answer_is_none(answer: bytes) -> None:
    """Whatever ended early or cannot be read."""

    async def serve(_: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with _server(serve) as client:
        with pytest.raises((Broken, OSError)):
            await _ask(client)


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """As HTTP/1.0 proxies answer."""

    async def serve(_: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        writer.close()

    async with _server(serve) as client:
        assert await _ask(client) == b"all of it"


async def test_who_gives_up_in_an_answer_spends_its_connection() -> None:
    """And leaves its place to another: there are two."""

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async for _ in _heads(reader):
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")

    async with _server(serve) as client:
        for _try in range(5):
            async with client.request("GET", "/x", headers={}) as answer:
                assert await answer.some() == b"ok"


def test_https_without_trust_is_refused() -> None:
    """Nothing is ever sent in the clear because a context was forgotten."""
    with pytest.raises(ValueError, match="TLS"):
        HttpClient("https://a", None, connect_s=1)
    HttpClient("https://a", ssl.create_default_context(), connect_s=1)


async def test_a_token_with_a_line_break_adds_no_header() -> None:
    """It is refused before anything is sent."""
    client = HttpClient("http://127.0.0.1:9", None, connect_s=1)
    with pytest.raises(Broken):
        async with client.request("GET", "/", headers={"authorization": "a\r\nx: y"}):
            pass
