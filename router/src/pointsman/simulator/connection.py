"""One client's connection: bytes in, requests one at a time to the model server, bytes out.

Guarantees answers in the order of the requests, one at a time; stops reading while 16 requests wait
and answering while the client does not read. A client that goes away cancels its request at once.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol

from pointsman.simulator.errors import BadRequest
from pointsman.simulator.http_reading import Request, RequestReader, Unreadable
from pointsman.simulator.http_writing import error_response

_MAX_BACKLOG = 16
_FLUSH_DEADLINE_S = 2.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: the kernel sends RST, not FIN


class Work(Protocol):
    """An answer that takes time."""

    async def run(self) -> None:
        """Write the whole answer to the connection."""


class Owner(Protocol):
    """What a connection needs of the server it belongs to."""

    def opened(self, connection: Connection) -> None:
        """A client has connected."""

    def closed(self, connection: Connection) -> None:
        """The client is gone."""

    def answer(self, request: Request, connection: Connection) -> bytes | Work:
        """The whole response, or the work that writes it to the connection."""

    def failed(self, error: BaseException) -> None:
        """An answer ended with an error that is a fault of the simulator."""


class Connection(asyncio.Protocol):
    """See the module. `write`, `drain`, `end`, `reset` are for the coroutines that answer."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = RequestReader()
        self._backlog: deque[Request | Unreadable] = deque()
        self._transport: asyncio.Transport | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._reading = True
        self._ending = False
        self.task: asyncio.Task[None] | None = None

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no asyncio.Transport
        found = transport.get_extra_info("socket")
        if found is not None and found.family != socket.AF_UNIX:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._owner.opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._ending = True
        self._backlog.clear()
        self._can_write.set()
        if self.task is not None:
            self.task.cancel()
        self._owner.closed(self)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()
        self._advance()

    def data_received(self, data: bytes) -> None:
        self._backlog.extend(self._reader.feed(data))
        self._advance()
        if self._reader.takes_continue() and self.task is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self._backlog) >= _MAX_BACKLOG and self._transport is not None:
            self._transport.pause_reading()
            self._reading = False

    # The answering coroutines call these.

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens when the client is gone."""
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read enough; ends when it is gone, too."""
        await self._can_write.wait()

    def end(self) -> None:
        """Close after what was written is sent."""
        self._ending = True
        self._backlog.clear()
        if self._transport is not None:
            self._transport.close()

    async def reset(self) -> None:
        """Send what was written, then break the connection with a TCP reset."""
        transport, self._ending = self._transport, True
        if transport is None:
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _FLUSH_DEADLINE_S
        # asyncio tells no event when a transport's buffer is empty, so this asks.
        while transport.get_write_buffer_size() and loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    def abort(self) -> None:
        """Close now; what was not sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_idle(self) -> bool:
        """True if no request is being answered or waits."""
        return self.task is None and not self._backlog

    def _advance(self) -> None:
        while self._backlog and self.task is None and not self._ending:
            if not self._can_write.is_set():
                return
            self._answer(self._backlog.popleft())
        if not self._reading and not self._ending and len(self._backlog) < _MAX_BACKLOG:
            assert self._transport is not None
            self._reading = True
            self._transport.resume_reading()

    def _answer(self, request: Request | Unreadable) -> None:
        if isinstance(request, Unreadable):
            error = BadRequest(request.message, status=request.status)
            self.write(error_response(error, keep_alive=False))
            self.end()
            return
        found = self._owner.answer(request, self)
        if isinstance(found, bytes):
            self.write(found)
            if not request.keep_alive:
                self.end()
            return
        self.task = asyncio.get_running_loop().create_task(self._perform(found, request))

    async def _perform(self, work: Work, request: Request) -> None:
        try:
            await work.run()
        except asyncio.CancelledError:
            self.end()
        except Exception as error:  # noqa: BLE001 - the border: counted and logged by the owner
            self._owner.failed(error)
            self.end()
        finally:
            self.task = None
        if not request.keep_alive:
            self.end()
        self._advance()
