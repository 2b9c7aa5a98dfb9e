"""The least a router in Python can cost: `python -m tests.perf.bare PORT...`.

Two asyncio protocols on uvloop: llhttp finds the ends of requests and answers, bytes are passed on
in turn to the ports over kept connections. No routing, no head is written, nothing is counted, no
deadline is kept: it is no proxy to use, but a floor under ours. Prints its port, serves until
SIGTERM.
"""

import asyncio
import itertools
import signal
import sys
from collections import deque
from typing import Any, cast

import httptools
import uvloop


class Server(asyncio.Protocol):
    """One connection to a model server, lent to one client at a time."""

    def __init__(self, idle: "deque[Server]") -> None:
        self._idle = idle
        self._parser: Any = httptools.HttpResponseParser(self)
        self.client: Client | None = None
        self.transport: asyncio.Transport | None = None
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def on_message_complete(self) -> None:
        self._over = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        client = self.client
        if client is not None and client.transport is not None:
            client.transport.write(data)
        if self._over:
            self._over = False
            self.client = None
            self._idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.transport = None


class Client(asyncio.Protocol):
    """One client's connection, one request at a time."""

    def __init__(self, pools: "itertools.cycle[tuple[int, deque[Server]]]") -> None:
        self._pools = pools
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request: list[bytes] = []
        self._over = False
        self.transport: asyncio.Transport | None = None
        self._asking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def on_message_complete(self) -> None:
        self._over = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        self._request.append(data)
        if not self._over:
            return
        self._over = False
        request, self._request = b"".join(self._request), []
        port, idle = next(self._pools)
        while idle:
            server = idle.pop()
            if server.transport is not None:
                server.client = self
                server.transport.write(request)
                return
        self._asking = asyncio.get_running_loop().create_task(self._ask(request, port, idle))

    async def _ask(self, request: bytes, port: int, idle: "deque[Server]") -> None:
        loop = asyncio.get_running_loop()
        _, server = await loop.create_connection(lambda: Server(idle), "127.0.0.1", port)
        server.client = self
        assert server.transport is not None
        server.transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.transport = None


async def main() -> None:
    """Serve until SIGTERM."""
    pools: itertools.cycle[tuple[int, deque[Server]]]
    pools = itertools.cycle([(int(port), deque[Server]()) for port in sys.argv[1:]])
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Client(pools), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
