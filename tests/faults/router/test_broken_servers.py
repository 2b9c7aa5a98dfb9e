"""A model server that misbehaves: what the caller sees, that it is let go, that nothing stays."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from pointsman.router.serve.exchange import Exchange
from pointsman.router.wire.sse import PART_BYTES, EventReader
from tests.faults.router.broken_server import (
    ROWS,
    Answered,
    BrokenOff,
    Ending,
    Row,
    Server,
    Told,
)
from tests.faults.router.clock import Clock
from tests.router.serve.test_leaving import full_port
from tests.router.serve.world import LIMITS, Reply, World, chat, leaks, post, until, world

SMALL = replace(LIMITS, retries=0, sse_frame_bytes=1024 * 1024, buffered_body_bytes=64 * 1024)
"""One attempt: what it comes to is what is looked at. Retries have tests of their own."""
FIRST_TOKEN_S, IDLE_S, TOTAL_S = 30.0, 30.0, 100.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A world with the row's server as backend `first`, and `second` that answers."""

    there: World
    server: Server
    clock: Clock
    row: Row

    def route(self, *names: str) -> None:
        """A policy of these."""
        self.there.route(
            *names,
            first_token_timeout_s=FIRST_TOKEN_S,
            stream_idle_timeout_s=IDLE_S,
            request_timeout_s=TOTAL_S,
        )


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
async def stage(request: pytest.FixtureRequest, _nothing_left: None) -> AsyncIterator[Stage]:
    """Each row's."""
    row: Row = request.param
    clock = Clock()
    limits = replace(SMALL, connect_s=0.1) if row.name == "hangs at connect" else SMALL
    async with world(limits, clock=clock) as there:
        server = Server(row.act or _nothing, clock, lambda: _committed(there))
        if row.name == "hangs at connect":
            there.place("first", await full_port(there))
        elif row.act is None:
            there.place("first", _closed_port())
        else:
            await there.scripted("first", server)
        await there.simulator("second")
        yield Stage(there, server, clock, row)


def _committed(there: World) -> bool:
    exchanges = [client.exchange for client in there.plane._clients]
    return any(isinstance(each, Exchange) and each.committed for each in exchanges)


async def _nothing(_: object) -> None:
    raise AssertionError("nobody listens here")


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as here:
        port: int = here.getsockname()[1]
        return port


def _is_as_said(reply: Reply, ending: Ending) -> None:
    if isinstance(ending, Told):
        assert (reply.status, reply.error["code"]) == ending
        assert reply.complete
        assert ("retry-after" in reply.headers) is (ending.status in (429, 503))
    elif isinstance(ending, BrokenOff):
        assert (reply.status, reply.complete) == (200, True)
        assert reply.body.startswith(b'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}')
        last = reply.body.rstrip(b"\n").rpartition(b"\n")[2].removeprefix(b"data: ")
        assert json.loads(last)["error"]["code"] == ending.code
        assert b"data: [DONE]" not in reply.body
        for event in EventReader().feed(reply.body):
            assert len(event) > PART_BYTES or json.loads(event), "half of one"
    else:
        assert (reply.status, reply.complete) == (200, isinstance(ending, Answered))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with another"])
async def test_the_caller_sees_what_the_table_says_and_nothing_stays(
    stage: Stage, alone: bool, stream: bool
) -> None:
    """The row's ending, or the other backend's answer; the server is let go; the next is served."""
    there, server, row = stage.there, stage.server, stage.row
    stage.route(*(("first",) if alone else ("first", "second")))
    ending = row.stream if stream else row.whole
    if row.warm:
        assert (await there.ask(chat(stream=stream))).status == 200
    asked = server.asked
    async with there.client() as client:
        await client.send(post(chat(stream=stream)))
        async with stage.clock.moving_while(lambda: server.stuck > 0):
            reply = await client.reply()
        replaced = isinstance(ending, Told) and not alone
        if replaced:
            assert (reply.status, reply.complete) == (200, True)
            assert reply.headers["x-pointsman-backend"] == "second"
            assert reply.content.startswith("model-second here.")
        else:
            _is_as_said(reply, ending)
            assert there.simulators["second"].log.as_json() == []
        assert server.asked - asked <= (2 if isinstance(ending, Answered) else 1)
        await until(lambda: _held(there) == [])
    await until(lambda: leaks(there.plane) == [])
    counted = [o for o in row.outcomes if there.count("attempts_total", backend="first", outcome=o)]
    assert counted, "the metric names another outcome"
    stage.route("second")
    assert (await there.ask(chat(stream=stream))).content.startswith("model-second here.")


def _held(there: World) -> list[str]:
    """Besides the client, which is still there and has a deadline."""
    own = ("clients", "connections", "alarms")
    return [text for text in leaks(there.plane) if not text.startswith(own)]


async def test_the_server_is_let_go_at_once(stage: Stage) -> None:
    """Its connection is closed while the caller's is kept; only a good one stays, and idle."""
    there, server = stage.there, stage.server
    stage.route("first")
    if stage.row.warm:
        await there.ask(chat(stream=True))
    async with there.client() as client:
        await client.send(post(chat(stream=True)))
        async with stage.clock.moving_while(lambda: server.stuck > 0):
            await client.reply()
        await until(lambda: _held(there) == [])
        await until(lambda: server.open == isinstance(stage.row.stream, Answered))


async def test_many_at_once_leave_nothing_either(stage: Stage) -> None:
    """Twenty callers, half of whom leave."""
    there, server = stage.there, stage.server
    stage.route("first", "second")

    async def ask(number: int) -> None:
        async with there.client() as client:
            await client.send(post(chat(stream=number % 2 == 0)))
            if number % 4 < 2:
                return
            reply = await client.reply()
            assert reply.status in (200, 504), "whoever drips takes the time of all"

    async with stage.clock.moving_while(lambda: server.stuck > 0):
        await asyncio.gather(*(ask(number) for number in range(20)))
        await until(lambda: leaks(there.plane) == [])
    await until(lambda: server.open == 0 or stage.row.warm)
