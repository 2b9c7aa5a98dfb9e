"""The admin port against strangers: it lies on the same loop and in the same table of sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from prometheus_client import CollectorRegistry

from pointsman.process.connections import Bounds
from pointsman.router.control.admin import Admin
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.live import Live
from tests.fuzz import corpus
from tests.router.control.router import PATIENCE_S

QUESTION = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
TIGHT = Bounds(head_s=0.3, idle_s=0.3, connections=20)
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
_REFUSALS = {b"HTTP/1.1 %d" % status for status in (*range(400, 500), 501, 505)}
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of an admin port with tight bounds."""
    metrics = ControlMetrics(CollectorRegistry())
    feed = TableFeed(Live(), metrics, namespace="demo", store=None)
    admin = Admin(feed, metrics, router="router-0", auth=None, heartbeat_s=0.05, bounds=TIGHT)
    yield await admin.start("127.0.0.1", 0)
    await admin.close()
    current = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not current and not task.done()] == []


async def _open(stack: AsyncExitStack, port: int, data: bytes = b"") -> Pair:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(data)
    return reader, writer


async def _end(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    "data",
    [b"", b"GET", b"GET /healthz HTTP/1.1\r\nx: ", GET, GET + b"GET /heal",
     b"POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nx"],
    ids=["nothing", "a word", "half a head", "a request", "one and a half", "half a body"],
)  # fmt: skip
async def test_who_says_nothing_more_is_cut(port: int, data: bytes) -> None:
    """Before the first request, in it, and after it."""
    async with AsyncExitStack() as stack:
        reader, _ = await _open(stack, port, data)
        answer = await _end(reader)
        assert answer.startswith(b"HTTP/1.1 200 OK") == data.startswith(GET)


async def test_dripping_moves_no_deadline(port: int) -> None:
    """A head takes as long as it may, however many pieces it comes in."""
    async with AsyncExitStack() as stack:
        reader, writer = await _open(stack, port, b"GET /healthz HTTP/1.1\r\n")

        async def drip() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"x: y\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        await _end(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_questions_that_come_in_share_a_bound() -> None:
    """Strangers could send many large ones before anybody knows who they are."""
    metrics = ControlMetrics(CollectorRegistry())
    feed = TableFeed(Live(), metrics, namespace="demo", store=None)
    admin = Admin(feed, metrics, router="router-0", auth=None, bounds=Bounds(head_s=PATIENCE_S))
    port = await admin.start("127.0.0.1", 0)
    waiting = []
    async with AsyncExitStack() as stack:
        for _ in range(12):
            reader, writer = await _open(stack, port, QUESTION % 1_048_576 + b" " * 1_000_000)
            with suppress(ConnectionError):
                await writer.drain()
            waiting.append(asyncio.ensure_future(_end(reader)))
        async with asyncio.timeout(PATIENCE_S):
            while sum(one.done() for one in waiting) < 4:  # noqa: ASYNC110 - as `until` does
                await asyncio.sleep(0.001)
        said = [one.result() for one in waiting if one.done()]
        assert all(b" 503 " in one or one == b"" for one in said), said
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await admin.close()


async def test_what_comes_early_is_answered_in_turn(port: int) -> None:
    """Three requests in one piece, one of them in two, by a client that keeps its connection."""
    async with AsyncExitStack() as stack:
        reader, writer = await _open(
            stack, port, GET + GET.replace(b"healthz", b"nowhere") + GET[:9]
        )
        async with asyncio.timeout(PATIENCE_S):
            for number, status in enumerate((b"200", b"404", b"200")):
                if number == 2:
                    writer.write(GET[9:])
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status)
                await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))


async def test_a_flood_behind_a_request_ends_the_connection(port: int) -> None:
    """What is sent while a stream runs is kept up to a bound."""
    async with AsyncExitStack() as stack:
        reader, writer = await _open(stack, port, GET.replace(b"/healthz", b"/admin/stream"))
        async with asyncio.timeout(PATIENCE_S):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"x" * 200_000)
            await _end(reader)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET.replace(b"GET", b"DELETE"), b"405"),
        (GET.replace(b"healthz", b"admin/backends/a/b"), b"404"),
        (GET.replace(b"healthz", b"admin/backends/a"), b"405"),
        (GET.replace(b"1.1", b"1.0"), b"200"),
        (
            b"PUT /admin/backends/a%2Fb HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
            b"204",
        ),
        (
            b"PUT /admin/backends/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 70000\r\n\r\n",
            b"413",
        ),
        (QUESTION % 1_048_577, b"413"),
        (QUESTION % 2 + b"{}", b"404"),
    ],
    ids=[
        "method",
        "path",
        "method of an order",
        "1.0",
        "quoted",
        "too large",
        "a question that is",
        "a router that takes none",
    ],
)
async def test_what_is_not_served_is_said(port: int, request_: bytes, status: bytes) -> None:
    """By the status that fits."""
    async with AsyncExitStack() as stack:
        reader, _ = await _open(stack, port, request_)
        assert (await _end(reader)).startswith(b"HTTP/1.1 " + status)


async def test_who_asks_before_sending_is_told_to_go_on(port: int) -> None:
    """As curl does for larger bodies."""
    async with AsyncExitStack() as stack:
        head = b"PUT /admin/backends/a HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
        reader, writer = await _open(stack, port, head + b"content-length: 2\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await reader.readline()).startswith(b"HTTP/1.1 204")


@pytest.mark.slow
async def test_a_stream_outlives_the_deadlines(port: int) -> None:
    """They are for silence of the other side while nothing is asked."""
    async with AsyncExitStack() as stack:
        reader, _ = await _open(stack, port, GET.replace(b"/healthz", b"/admin/stream"))
        async with asyncio.timeout(PATIENCE_S):
            await reader.readuntil(b"\r\n\r\n")
            beats = 0
            while beats < 20:  # three times the deadlines
                beats += b"Heartbeat" in await reader.readline()


async def test_there_are_only_so_many_connections(port: int) -> None:
    """Beyond them it is closed at once; a place that is free is given again."""
    async with AsyncExitStack() as stack:
        pairs = [await _open(stack, port, GET) for _ in range(TIGHT.connections)]
        for reader, _ in pairs:
            async with asyncio.timeout(PATIENCE_S):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        late, _ = await _open(stack, port, GET)
        assert await _end(late) == b""
        for reader, _ in pairs:
            await _end(reader)
        again, _ = await _open(stack, port, GET)
        assert (await _end(again)).startswith(b"HTTP/1.1 200")


async def test_no_shape_is_an_error_of_ours(port: int) -> None:
    """What the data plane refuses, this port refuses in the same words, and lives on."""
    for name, data in corpus.REFUSED.items():
        async with AsyncExitStack() as stack:
            reader, writer = await _open(stack, port, data)
            with suppress(ConnectionError):
                await writer.drain()
                writer.write_eof()
            answer = await _end(reader)
            assert not answer or answer[:12] in _REFUSALS, name
    async with AsyncExitStack() as stack:
        reader, _ = await _open(stack, port, GET)
        assert (await _end(reader)).startswith(b"HTTP/1.1 200")
