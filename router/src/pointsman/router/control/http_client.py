"""The HTTP client of the Kubernetes client: one server, keep-alive, the data plane's reader.

Guarantees that a connection is reused only after a complete answer, and that a GET which finds a
reused one closed goes out once more. Each request is the caller's to bound in time. Asks for
identity: answers are not compressed. Follows no redirect and reads no proxy from the environment.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode, urlsplit

from pointsman.process.trust import Trust
from pointsman.router.wire.response import Malformed, ResponseReader

MAX_HEAD_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024
_IDLE_S: Final = 15.0
"""A connection idle for longer is not used again: something on the way may have dropped it."""


class Broken(Exception):
    """The answer ended early, or is not HTTP."""


class Answer:
    """One answer: its status, and its body as it comes."""

    __slots__ = ("_connection", "status")

    def __init__(self, connection: "_Connection") -> None:
        self.status = connection.answer.status
        self._connection = connection

    async def some(self) -> bytes:
        """The next bytes of the body; empty at its end."""
        return await self._connection.some()

    async def all(self) -> bytes:
        """The rest of the body."""
        pieces = []
        while piece := await self.some():
            pieces.append(piece)
        return b"".join(pieces)


class _Reader(asyncio.StreamReader):
    @property
    def silent(self) -> bool:
        """True if nothing came that nobody asked for, not even an end."""
        return not self._buffer and not self.at_eof()  # type: ignore[attr-defined]


class _Connection:
    __slots__ = ("_reader", "_writer", "answer", "heard", "idle_at_s", "reused")

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.answer = ResponseReader(MAX_HEAD_BYTES)
        self.heard = self.reused = False
        self.idle_at_s = 0.0

    def usable(self, now_s: float) -> bool:
        """True if it may carry another request."""
        fresh = now_s - self.idle_at_s < _IDLE_S
        return fresh and self._reader.silent and not self._writer.is_closing()

    async def ask(self, request: bytes) -> None:
        """Send it and wait for the head of the answer."""
        self.heard = False
        self.answer.reset()
        self._writer.write(request)
        await self._writer.drain()
        while not self.answer.status:
            await self._feed()

    async def some(self) -> bytes:
        """See Answer."""
        while not (piece := self.answer.take()) and not self.answer.complete:
            await self._feed()
        return piece

    def close(self) -> None:
        """Now: nothing that is said here is of interest any more."""
        self._writer.transport.abort()

    async def _feed(self) -> None:
        data = await self._reader.read(_PIECE_BYTES)
        if not data:
            if self.answer.eof():
                return
            raise Broken("ClosedEarly")
        self.heard = True
        try:
            self.answer.feed(data)
        except Malformed as error:
            raise Broken("Malformed") from error


class HttpClient:
    """At most `most` requests to one server at a time; the others wait."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext | None,
        *,
        connect_s: float,
        most: int = 32,
        trust: Trust | None = None,
    ) -> None:
        """`trust`: of `tls`, asked anew when the server's certificate is not trusted."""
        parts = urlsplit(url)
        self._tls = tls if parts.scheme == "https" else None
        if parts.scheme == "https" and tls is None:
            raise ValueError("https needs a TLS context")
        if not parts.hostname:
            raise ValueError("the URL has no host")
        self._name = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._host = parts.netloc.rpartition("@")[2]
        self._connect_s = connect_s
        self._trust = trust
        self._places = asyncio.Semaphore(most)
        self._idle: list[_Connection] = []

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> AsyncIterator[Answer]:
        """The answer, once its head is there; raises Broken and OSError."""
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        lines = [f"{method} {target} HTTP/1.1", f"host: {self._host}", "accept-encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise Broken("NotPlain")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        async with self._places:
            connection = await self._ask(method, head + (body or b""))
            try:
                yield Answer(connection)
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _ask(self, method: str, request: bytes) -> _Connection:
        while True:
            connection = self._take() or await self._connect()
            try:
                await connection.ask(request)
            except (Broken, OSError):
                connection.close()
                if method == "GET" and connection.reused and not connection.heard:
                    continue  # the server closed it while it was idle
                raise
            except BaseException:
                connection.close()
                raise
            return connection

    def _take(self) -> _Connection | None:
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(now_s):
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        reader = _Reader(limit=_PIECE_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(self._connect_s):
                transport, _ = await loop.create_connection(
                    lambda: protocol, self._name, self._port, ssl=self._tls
                )
        except ssl.SSLCertVerificationError:
            if self._trust is not None and self._trust.renew():
                return await self._connect()
            raise
        return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    def _give_back(self, connection: _Connection) -> None:
        if connection.answer.complete and connection.answer.reusable:
            connection.reused = True
            connection.idle_at_s = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
