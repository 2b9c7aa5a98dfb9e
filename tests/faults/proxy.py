"""A TLS-terminating HTTP/1.1 proxy before a real API server that plays faults, by client address.

Guarantees: without a fault every byte of a body passes as it is, as soon as it comes (watches: as
soon as a line is whole); a fault begins and ends at once, for new requests and for open streams.
What a fault froze stays frozen after the heal, as a connection does whose NAT entry is gone.
"""

import asyncio
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from tests.faults.connection import Connection
from tests.faults.fault import Fault

T = TypeVar("T")
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Met:
    """A request that met a fault: who sent it, and what it asked for."""

    client: str
    method: str
    target: str
    watch: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the API server is."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class FaultProxy:
    """
    A context manager; its loop runs in a thread of its own.

    `bookmark_s`: the proxy adds a BOOKMARK to every watch after so many seconds without a line, as
    the API server does each minute: clients whose clocks are shortened need shorter minutes.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        bookmark_s: float | None = None,
    ) -> None:
        self.upstream = upstream
        self.bookmark_s = bookmark_s
        self.life = 0
        self.port = 0
        self._host = host
        self.tls = tls
        self._faults: dict[str, Fault] = {}
        self._everybody: Fault | None = None
        self._met: list[Met] = []
        self._written: list[Met] = []
        self._connections: set[Connection] = set()
        self._deaf: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._listener = socket.socket()

    # For the test's thread

    def __enter__(self) -> Self:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self._host, 0))
        self._listener.listen(256)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._thread.start()
        self._in_loop(self._spawn_accepting)
        return self

    def __exit__(self, *_: object) -> None:
        self._ask(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def inject(self, fault: Fault, clients: Collection[str] | None = None) -> None:
        """Play it from now on to these client addresses (None: to all), instead of another."""
        self._in_loop(lambda: self._begin(fault, clients))

    def heal(self) -> None:
        """No fault any more; what is dead stays dead, new connections and requests work."""

        def end() -> None:
            self._faults, self._everybody = {}, None

        self._in_loop(end)

    def drop(self) -> None:
        """End every connection that is open: what comes next shakes hands anew."""

        def end() -> None:
            for connection in list(self._connections):
                connection.drop()

        self._in_loop(end)

    def met(self) -> list[Met]:
        """Requests and connections that met the present fault, or the last one."""
        return self._in_loop(lambda: list(self._met))

    def written(self) -> list[Met]:
        """What was asked to be written since this was asked last, whatever came of it."""

        def take() -> list[Met]:
            found, self._written = self._written, []
            return found

        return self._in_loop(take)

    def watches(self) -> Counter[tuple[str, str]]:
        """(client address, plural) of every watch that is open and alive."""
        return self._in_loop(
            lambda: Counter(
                (one.client, one.watched)
                for one in self._connections
                if one.watched and not one.dead
            )
        )

    # In the proxy's thread

    def fault_of(self, client: str) -> Fault | None:
        """What this client meets now."""
        return self._faults.get(client, self._everybody)

    def passage(
        self, _life: int, _method: str, _target: str, /
    ) -> AbstractAsyncContextManager[None]:
        """Open; see `tests.faults.killing`."""
        return nullcontext()

    def answered(self, life: int, method: str, target: str, status: int, /) -> None:
        """Nobody counts."""

    def meets(self, client: str, method: str, target: str, *, watch: bool) -> Fault | None:
        """The fault that this request meets; it is noted, and so is each write."""
        if method != "GET":
            self._written.append(Met(client, method, target, watch))
        fault = self.fault_of(client)
        if fault is None or not fault.concerns(method, target, watch=watch):
            return None
        self._met.append(Met(client, method, target, watch))
        return fault

    def _begin(self, fault: Fault, clients: Collection[str] | None) -> None:
        self._met.clear()
        if clients is None:
            self._everybody = fault
        else:
            self._faults = dict.fromkeys(clients, fault)
        for connection in list(self._connections):
            if clients is None or connection.client in clients:
                connection.cut(fault)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _ask(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_ANSWER_S)

    def _in_loop(self, do: Callable[[], T]) -> T:
        async def call() -> T:
            return do()

        return self._ask(call())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _spawn_accepting(self) -> None:
        self._spawn(self._accept())

    async def _accept(self) -> None:
        while True:
            accepted, address = await self._loop.sock_accept(self._listener)
            fault = self.fault_of(address[0])
            if fault and fault.accept != "yes":
                self._met.append(Met(address[0], "CONNECT", "", False))
                if fault.accept == "reset":
                    reset(accepted)
                else:
                    self._deaf.add(accepted)
                continue
            self._spawn(self._serve(accepted, address[0]))

    async def _serve(self, accepted: socket.socket, client: str) -> None:
        reader = asyncio.StreamReader(limit=2**20)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=self.tls
            )
        except OSError:  # the client went away, or does not like our certificate
            accepted.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        connection = Connection(self, client, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for held in self._deaf:
            held.close()
        self._listener.close()


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
