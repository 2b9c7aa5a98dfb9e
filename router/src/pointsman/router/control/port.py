"""The HTTP server of the admin port: the data plane's reader of requests, one task for each.

Guarantees a bound on connections, heads, bodies, what comes in too early and what nobody reads;
that a connection on which nobody asks, or reads an answer, ends by itself; that a handler whose
client went is cancelled at once. A router's admin port shares descriptors with its data plane.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

import msgspec

from pointsman.api.names import MAX_QUESTION_BYTES
from pointsman.process.connections import Bounds
from pointsman.router.callers import NOBODY, OPEN, Verdict
from pointsman.router.wire.framing import Refusing, too_large
from pointsman.router.wire.headers import as_texts
from pointsman.router.wire.received import Head, Request, Unreadable
from pointsman.router.wire.request import RequestReader

_log = logging.getLogger(__name__)
JSON: Final = "application/json"
MAX_HEAD_BYTES: Final = 32 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
"""The largest is an order, of at most 4 KiB."""
PINNED: Final = "/v1/"
"""Below it are questions to models, which may be larger."""
MAX_HELD_BYTES: Final = 8 * 1024 * 1024
"""Of all questions at once, until they are answered: who asks is judged when one is complete."""
_EARLY_BYTES: Final = 64 * 1024
"""Sent before the answer to what was asked: nobody sends that much."""
_ANYBODY: Final = Verdict(OPEN, NOBODY)
_END_S: Final = 1.0
"""What is running gets it to end by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All of one; `content_type` is left out where there is no body."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Asked:
    """One request."""

    __slots__ = ("_connection", "body", "headers", "method", "path")

    def __init__(self, request: Request, connection: "_Connection") -> None:
        head = request.head
        self.method = head.method.decode()
        self.path = head.target.partition(b"?")[0].decode("latin-1")
        self.headers = as_texts(head.headers)
        self.body = request.body
        self._connection = connection

    async def begin(self, content_type: str) -> None:
        """Answer piece by piece: `write` follows, and no Answer."""
        await self._connection.begin(content_type)

    async def write(self, data: bytes) -> None:
        """Returns once the client takes more."""
        await self._connection.write(data)

    def abort(self) -> None:
        """Close now; what waits to be sent is dropped."""
        self._connection.abort()


Handler = Callable[[Asked], Awaitable[Answer | None]]
"""None: it was answered piece by piece."""


class Port:
    """A listening socket and its connections."""

    def __init__(self, handle: Handler, bounds: Bounds) -> None:
        self.handle = handle
        self.bounds = bounds
        self.connections: set[_Connection] = set()
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was bound."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and end all connections, after what they are answering if that is soon."""
        if self._listener is not None:
            self._listener.close()
        running = [each.task for each in self.connections if each.task is not None]
        if running:
            await asyncio.wait(running, timeout=_END_S)
        for connection in list(self.connections):
            connection.end()
        await asyncio.gather(*running, return_exceptions=True)


class _Connection(asyncio.Protocol):
    """Waits for a request, answers it, and waits again."""

    def __init__(self, port: Port) -> None:
        self.task: asyncio.Task[None] | None = None
        self._port = port
        self._reader = RequestReader(MAX_HEAD_BYTES, MAX_QUESTION_BYTES, self._bound, at_once=1)
        self._max_body_bytes = MAX_BODY_BYTES
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._early = b""
        self._in_work_bytes = 0
        self._writable = asyncio.Event()
        self._chunked = self._begun = False

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if len(self._port.connections) >= self._port.bounds.connections:
            made.abort()
            return
        self._transport = made
        self._port.connections.add(self)
        self._writable.set()
        self._arm(self._port.bounds.head_s)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self.task is None:
            self._read(data)
        else:
            self._early += data
            if len(self._early) > _EARLY_BYTES:
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._port.connections.discard(self)
        self._disarm()
        self._writable.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Its port and its requests call these.

    async def begin(self, content_type: str) -> None:
        """See Asked."""
        self._begun = True
        transfer = "transfer-encoding: chunked\r\n" if self._chunked else "connection: close\r\n"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{transfer}\r\n"
        await self._send(head.encode())

    async def write(self, data: bytes) -> None:
        """See Asked."""
        await self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Close, after what was written."""
        if self.task is not None:
            self.task.cancel()
        self._close()

    def _close(self) -> None:
        """After what was written, if the client takes it soon."""
        if self._transport is not None:
            self._arm(self._port.bounds.idle_s)
            self._transport.close()

    def _arm(self, after_s: float) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(after_s, self.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def held_bytes(self) -> int:
        """Of a body that is coming in, or of the request in work."""
        return self._reader.body_bytes + self._in_work_bytes

    def _bound(self, head: Head) -> Verdict:
        """How long this request's body may be. It says nothing about who asks."""
        question = head.target.startswith(PINNED.encode())
        self._max_body_bytes = MAX_QUESTION_BYTES if question else MAX_BODY_BYTES
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise Refusing(413, too_large(self._max_body_bytes))
        return _ANYBODY

    def _grown(self) -> Unreadable | None:
        """Why no more of a body is read, or one that is complete is not looked at."""
        size = self.held_bytes
        if size <= MAX_BODY_BYTES:
            return None
        if size > self._max_body_bytes:
            return Unreadable(413, too_large(self._max_body_bytes))
        if sum(each.held_bytes for each in self._port.connections) > MAX_HELD_BYTES:
            return Unreadable(503, "too many large requests")
        return None

    def _read(self, data: bytes) -> None:
        for event in self._reader.feed(data):
            if isinstance(event, Unreadable):
                self._refuse(event)
                return
            self._in_work_bytes = len(event.body)
            if (refusal := self._grown()) is not None:
                self._refuse(refusal)
            else:
                self._disarm()
                self.task = asyncio.get_running_loop().create_task(self._serve(event))
            return
        if (refusal := self._grown()) is not None:
            self._refuse(refusal)
        elif self._reader.takes_continue() and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, refusal: Unreadable) -> None:
        self._in_work_bytes = 0
        body = msgspec.json.encode({"reason": refusal.message}) + b"\n"
        self._answer(Answer(HTTPStatus(refusal.status), body), keep_alive=False)

    async def _serve(self, request: Request) -> None:
        try:
            await self._handle(request)
        finally:
            self.task = None
            self._in_work_bytes = 0
        early, self._early = self._early, b""
        going_on = self._transport is not None and not self._transport.is_closing()
        if going_on and (early or self._reader.waiting_bytes):
            self._read(early)

    async def _handle(self, request: Request) -> None:
        """Returns once the client has taken the answer, but for what a socket holds."""
        head = request.head
        self._chunked, self._begun = head.http11, False
        try:
            answer = await self._port.handle(Asked(request, self))
        except Exception:  # noqa: BLE001 - logged, and the client is told
            _log.exception("answering met a bug", extra={"path": head.target.decode("latin-1")})
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b'{"reason":"InternalError"}\n')
            if self._begun:
                self.abort()
        if self._transport is None:
            return
        if self._begun:
            if self._chunked:
                self._transport.write(b"0\r\n\r\n")
            keep_alive = head.keep_alive and self._chunked
            if not keep_alive:
                self._close()
        else:
            keep_alive = head.keep_alive
            self._answer(answer or Answer(), keep_alive=keep_alive)
        if keep_alive:
            self._arm(self._port.bounds.idle_s)
            await self._writable.wait()

    def _answer(self, answer: Answer, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
        if answer.status is not HTTPStatus.NO_CONTENT:
            lines += [
                f"content-type: {answer.content_type}",
                f"content-length: {len(answer.body)}",
            ]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if not keep_alive:
            lines.append("connection: close")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self._transport.write(head + answer.body)
        if not keep_alive:
            self._close()

    async def _send(self, data: bytes) -> None:
        if self._transport is None:
            raise ConnectionResetError("the client is gone")
        self._transport.write(data)
        await self._writable.wait()
