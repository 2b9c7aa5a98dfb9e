"""The admin port against who asks and does not read, and questions that wait to be judged."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from pointsman.process.connections import Bounds
from pointsman.router.control.port import MAX_HELD_BYTES, Answer, Asked, Handler, Port
from tests.router.control.router import PATIENCE_S

TIGHT = Bounds(head_s=PATIENCE_S, idle_s=0.2)
SOME = Answer(body=b"x" * 1_000_000)
GET = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"
QUESTION = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"


@asynccontextmanager
async def listening(handle: Handler, bounds: Bounds = TIGHT) -> AsyncIterator[tuple[Port, int]]:
    """The port and its number."""
    port = Port(handle, bounds)
    try:
        yield port, await port.start("127.0.0.1", 0)
    finally:
        await port.close()


@asynccontextmanager
async def deaf(number: int, data: bytes) -> AsyncIterator[socket.socket]:
    """A client that sends this and reads nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", number))
        await loop.sock_sendall(client, data)
        yield client


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - as the world's `until` does
            await asyncio.sleep(0.001)


async def test_nothing_more_is_answered_before_it_is_read() -> None:
    """A thousand requests in one piece cost the memory of a few answers, and the connection."""
    asked = []

    async def handle(one: Asked) -> Answer:
        asked.append(one.path)
        return SOME

    async with listening(handle) as (port, number), deaf(number, GET * 1000):
        await until(lambda: asked)
        await until(lambda: not port.connections)
        assert len(asked) < 20


async def test_who_reads_gets_all_that_was_asked_in_turn() -> None:
    """However much more than a socket holds."""

    async def handle(_: Asked) -> Answer:
        return SOME

    async with listening(handle) as (_, number), AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        stack.callback(writer.close)
        writer.write(GET * 20)
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(20):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
                assert await reader.readexactly(len(SOME.body)) == SOME.body


async def test_a_last_answer_that_nobody_reads_is_cut() -> None:
    """Closing waits for the client, but not for ever."""

    async def handle(_: Asked) -> Answer:
        return Answer(body=b"x" * 32_000_000)

    asking = GET.replace(b"host: a", b"host: a\r\nconnection: close")
    async with listening(handle) as (port, number), deaf(number, asking):
        await until(lambda: port.connections)
        await until(lambda: not port.connections)


async def test_a_port_that_closes_waits_for_nobody_who_does_not_read() -> None:
    """What it was sending is cut, too."""

    async def handle(_: Asked) -> Answer:
        return Answer(body=b"x" * 32_000_000)

    slow = Bounds(head_s=PATIENCE_S, idle_s=0.3)
    async with listening(handle, slow) as (port, number), deaf(number, GET):
        await until(lambda: any(each.task for each in port.connections))
        await port.close()
        await until(lambda: not port.connections)


async def test_questions_that_wait_to_be_judged_share_the_bound() -> None:
    """Whole as they are, nobody knows yet who asked them; answered ones count no longer."""
    judged = asyncio.Event()
    held: list[int] = []

    async def handle(one: Asked) -> Answer:
        held.append(len(one.body))
        await judged.wait()
        return Answer()

    async def ask(number: int, size: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(QUESTION % size + b" " * size)
        with suppress(ConnectionError):
            await writer.drain()
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()

    async with listening(handle, Bounds(head_s=PATIENCE_S)) as (_, number):
        for size, many in ((1_000_000, 12), (100_000, 100)):
            judged.clear()
            held.clear()
            asking = [asyncio.create_task(ask(number, size)) for _ in range(many)]
            await until(
                lambda many=many, asking=asking: (
                    len(held) + sum(map(asyncio.Task.done, asking))  # type: ignore[misc]
                    >= many
                )
            )
            assert 0 < sum(held) <= MAX_HELD_BYTES
            judged.set()
            async with asyncio.timeout(PATIENCE_S):
                answers = await asyncio.gather(*asking)
            assert sum(b" 200 " in one for one in answers) == len(held)
            assert all(b" 200 " in one or b" 503 " in one or not one for one in answers)
