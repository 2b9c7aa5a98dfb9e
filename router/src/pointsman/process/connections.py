"""What strangers may take of a port: so many connections, each for so long.

Guarantees that a connection of an aiohttp server (the ledger's) on which nobody asks anything ends
by itself: aiohttp has no deadline before the first request, and one of an hour after it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Times in seconds."""

    head_s: float = 10.0
    """From the connection to the end of its first head, as on the data plane."""
    idle_s: float = 90.0
    """From an answer to the next head: scrapes are at most a minute apart."""
    connections: int = 256
    """A router has eight streams, probes, scrapes; a ledger one of each router."""


BOUNDS = Bounds()


class BoundedServer:
    """Wraps what `make` makes, aiohttp's protocols; `asking` and `answered` tell of requests."""

    def __init__(self, make: Callable[[], asyncio.Protocol], bounds: Bounds) -> None:
        self._make = make
        self._bounds = bounds
        self._timers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def __call__(self) -> asyncio.BaseProtocol:
        return _Connection(self, self._make())

    def opened(self, transport: asyncio.Transport) -> bool:
        """False if there are too many."""
        if len(self._timers) >= self._bounds.connections:
            return False
        self._arm(transport, self._bounds.head_s)
        return True

    def closed(self, transport: asyncio.BaseTransport) -> None:
        """It is gone."""
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def asking(self, transport: asyncio.BaseTransport | None) -> None:
        """A head is complete: from here on the handler's own deadlines count."""
        if transport in self._timers:
            self._timers[transport].cancel()

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """The handler is done."""
        if transport in self._timers:
            self._arm(cast(asyncio.Transport, transport), self._bounds.idle_s)

    def _arm(self, transport: asyncio.Transport, after_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(after_s, transport.abort)


class _Connection(asyncio.Protocol):
    """aiohttp's protocol, and an ear at both ends of its life."""

    def __init__(self, server: BoundedServer, inner: asyncio.Protocol) -> None:
        self._server = server
        self._inner = inner
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if self._server.opened(made):
            self._transport = made
            self._inner.connection_made(transport)
        else:
            made.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.closed(self._transport)
            self._transport = None
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._transport is not None else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
