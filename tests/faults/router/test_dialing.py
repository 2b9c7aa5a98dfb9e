"""Whoever leaves at the very moment of a connection leaves none behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pointsman.router.policy.retry import Fault
from pointsman.router.serve.app import code
from pointsman.router.serve.dial import service_place
from pointsman.router.serve.upstream import Asker, Pool, UpstreamConnection
from pointsman.router.serve.wheel import Wheel
from tests.router.serve.world import LIMITS, until

if code() == "compiled":
    pytest.skip("not run: a compiled Pool has no hasty subclass", allow_module_level=True)


class Told(Asker):
    """Knows what it was told."""

    def __init__(self) -> None:
        super().__init__(takes_whole=False)
        self.faults: list[Fault] = []

    def failed(self, fault: Fault) -> None:
        """Not connected."""
        self.faults.append(fault)


class HastyPool(Pool):
    """Its asker leaves as soon as the connection is made, before who dialed has heard of it."""

    asker: Told

    def opened(self, connection: UpstreamConnection) -> None:
        """See Pool."""
        super().opened(connection)
        self.forgo(self.asker)


@asynccontextmanager
async def hasty() -> AsyncIterator[tuple[HastyPool, list[Pool]]]:
    """One with a server behind it; the second are the pools that said they are unused."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wheel = Wheel(asyncio.get_running_loop(), time.monotonic, LIMITS.tick_s)
    unused: list[Pool] = []
    place = service_place("127.0.0.1", port)
    try:
        yield HastyPool(place, LIMITS, wheel, time.monotonic, unused.append), unused
    finally:
        server.close()
        await server.wait_closed()
        wheel.stop()


async def test_who_leaves_as_the_connection_is_made_leaves_none() -> None:
    """uvloop closes such a connection without a word to its protocol."""
    async with hasty() as (pool, unused):
        pool.asker = Told()
        pool.dial(pool.asker, b"x", b"")
        await until(lambda: pool in unused)
        assert (pool._open, pool._dialing, pool.idle, pool.asker.faults) == (set(), {}, [], [])
