"""One client's connection through the fault proxy: requests in, faults or the real answers out.

Guarantees that each request has one upstream connection's whole attention, that a client that goes
away frees it at once, and that a dead connection says nothing any more but stays open.
"""

import asyncio
import contextlib
import json
import socket
import struct
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

import h11

from tests.faults.fault import Fault

if TYPE_CHECKING:
    from tests.faults.proxy import Upstream

_PIECE_BYTES = 64
_PIECE_S = 0.05
"""`drip`: 1.3 kB a second, so that a Lease passes and a long list does not."""
_JSON = [("content-type", "application/json")]
_LEAVE_S = 2.0
_CHUNKED = (b"transfer-encoding", b"chunked")


class Proxy(Protocol):
    """What a connection asks its proxy."""

    upstream: "Upstream"
    bookmark_s: float | None
    life: int
    """Of the clients; a connection of an earlier one is not served any more."""

    def passage(self, life: int, method: str, target: str, /) -> AbstractAsyncContextManager[None]:
        """Around a request on its way to the API server and back; an OSError: it must not."""

    def answered(self, life: int, method: str, target: str, status: int, /) -> None:
        """The API server has answered; the client does not know it yet."""

    def meets(self, client: str, method: str, target: str, *, watch: bool) -> Fault | None:
        """The fault that a request meets."""

    def fault_of(self, client: str) -> Fault | None:
        """What this client meets now."""


class _Ended(Exception):
    """This connection is over."""


class Connection:
    """`run` it once; `cut` may come at any moment."""

    def __init__(
        self,
        proxy: Proxy,
        client: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.client = client
        self.watched = ""
        """Plural of the watch that is open here."""
        self.dead = False
        self._proxy = proxy
        self._life = proxy.life
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._version = ""
        self._polite = False
        """What was said last has to arrive."""

    async def run(self) -> None:
        """Until the client goes away or a fault ends it."""
        try:
            while not self.dead:
                await self._exchange()
            await self._stay_dead()
        except (_Ended, OSError, h11.ProtocolError, asyncio.IncompleteReadError):
            if self.dead:
                await self._stay_dead()
        finally:
            self._drop_upstream()
            await self._leave()

    def cut(self, fault: Fault) -> None:
        """The fault begins."""
        if fault.connections == "freeze" or (self.watched and fault.streams == "freeze"):
            self.dead = True
            self._drop_upstream()
        elif self.watched and fault.streams == "reset":
            self._reset()
        elif self.watched and fault.streams != "keep":
            self._say_last(_last_words(fault))

    def drop(self) -> None:
        """End it now, whatever is on it."""
        self._reset()

    def _say_last(self, line: bytes) -> None:
        with contextlib.suppress(h11.ProtocolError):
            if line:
                self._send(h11.Data(line))
            self._send(h11.EndOfMessage())
        self._polite, self.watched = True, ""
        self._drop_upstream()

    async def _leave(self) -> None:
        if self._polite:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    self._writer.close()
                    await self._writer.wait_closed()
        self._writer.transport.abort()

    async def _stay_dead(self) -> None:
        """Say nothing, until the client gives up."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65_536):
                pass

    async def _exchange(self) -> None:
        request, body = await self._request()
        method, target = request.method.decode(), request.target.decode()
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        watch = query.get("watch") in {"1", "true"}
        fault = self._proxy.meets(self.client, method, target, watch=watch)
        action = fault.request if fault else "pass"
        if action == "silent":
            self.dead = True
            return
        if fault and action == "status":
            again = [("retry-after", fault.retry_after)] if fault.retry_after else []
            self._answer(fault.status, again, fault.page or status_body(fault.status))
        elif fault and action in {"error", "garbage"}:
            self._answer(200, [], _last_words(fault))
        else:
            if watch:
                self.watched = parts.path.rpartition("/")[2]
                self._version = query.get("resourceVersion", "")
            async with self._proxy.passage(self._life, method, target):
                await self._forward(request, body, action)
            self.watched = ""
        if self._http.our_state is h11.MUST_CLOSE:
            raise _Ended
        self._http.start_next_cycle()

    async def _request(self) -> tuple[h11.Request, bytes]:
        request, body = None, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(65_536)
                if self.dead:
                    raise _Ended
                self._http.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                return request, body
            else:
                raise _Ended

    async def _forward(self, request: h11.Request, body: bytes, action: str) -> None:
        """Ask the API server; a client that goes away meanwhile is noticed."""
        relaying = asyncio.ensure_future(self._relay(request, body, action))
        leaving = asyncio.ensure_future(self._reader.read(65_536))
        try:
            await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not relaying.done():
                raise _Ended
            await relaying
        finally:
            for task in (relaying, leaving):
                task.cancel()
            await asyncio.gather(relaying, leaving, return_exceptions=True)
        if leaving.done() and not leaving.cancelled() and leaving.exception() is None:
            self._http.receive_data(leaving.result())

    async def _relay(self, request: h11.Request, body: bytes, action: str) -> None:
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
        reader, writer = await self._connected()
        sent: list[h11.Event] = [request, h11.Data(body), h11.EndOfMessage()]
        for event in sent if body else sent[::2]:
            writer.write(http.send(event) or b"")
        answer = await self._next(http, reader)
        assert isinstance(answer, h11.Response), answer
        method, target = request.method.decode(), request.target.decode()
        self._proxy.answered(self._life, method, target, answer.status_code)
        if answer.status_code >= 300:
            self.watched = ""  # a refused watch is none: its answer is no line
        if action == "lose":
            await self._rest(http, reader)
            self._reset()
        if action == "pass" and not self.watched:
            self._send(answer)
        else:
            framing = {b"content-length", b"transfer-encoding"}
            kept = [header for header in answer.headers if header[0] not in framing]
            self._send(h11.Response(status_code=answer.status_code, headers=[*kept, _CHUNKED]))
        if self.watched:
            await self._relay_watch(http, reader)
        elif action in {"truncate", "reset"}:
            data = await self._rest(http, reader)
            self._send(h11.Data(data[: len(data) // 2]))
            if action == "reset":
                await self._writer.drain()
                self._reset()
        else:
            while isinstance(piece := await self._next(http, reader), h11.Data):
                await self._send_data(piece.data)
        self._send(h11.EndOfMessage())
        await self._writer.drain()
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            self._drop_upstream()

    async def _relay_watch(self, http: h11.Connection, reader: asyncio.StreamReader) -> None:
        """Whole lines only, so that a fault's line can stand between any two."""
        rest = b""
        while True:
            try:
                async with asyncio.timeout(self._proxy.bookmark_s):
                    event = await self._next(http, reader)
            except TimeoutError:
                if self._version:
                    await self._send_data(self._bookmark())
                continue
            if not isinstance(event, h11.Data):
                break
            *lines, rest = (rest + event.data).split(b"\n")
            for line in lines:
                self._note(line)
            if lines:
                await self._send_data(b"\n".join(lines) + b"\n")
        fault = self._proxy.fault_of(self.client)
        if fault and fault.request == "truncate":
            self._send(h11.Data(_last_words(fault)))

    def _note(self, line: bytes) -> None:
        seen = json.loads(line)["object"]
        self._version = seen.get("metadata", {}).get("resourceVersion", self._version)

    def _bookmark(self) -> bytes:
        seen = {"kind": self.watched, "metadata": {"resourceVersion": self._version}}
        event = {"type": "BOOKMARK", "object": seen}
        return json.dumps(event).encode() + b"\n"

    async def _send_data(self, data: bytes) -> None:
        """At once, or drop by drop while the fault says so."""
        while data:
            fault = self._proxy.fault_of(self.client)
            slow = fault is not None and fault.request == "drip"
            piece, data = (data[:_PIECE_BYTES], data[_PIECE_BYTES:]) if slow else (data, b"")
            self._send(h11.Data(piece))
            await self._writer.drain()
            if slow:
                await asyncio.sleep(_PIECE_S)

    async def _next(self, http: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(65_536))
        if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            raise _Ended
        assert not isinstance(event, type)
        return event

    async def _rest(self, http: h11.Connection, reader: asyncio.StreamReader) -> bytes:
        found = b""
        while isinstance(event := await self._next(http, reader), h11.Data):
            found += event.data
        return found

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream is None:
            to = self._proxy.upstream
            self._upstream = await asyncio.open_connection(
                to.host, to.port, ssl=to.tls, limit=2**20
            )
        return self._upstream

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream[1].transport.abort()
            self._upstream = None

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        length = [("content-length", str(len(body)))]
        self._send(h11.Response(status_code=status, headers=_JSON + headers + length))
        self._send(h11.Data(body))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        if self.dead:
            raise _Ended
        self._writer.write(self._http.send(event) or b"")

    def _reset(self) -> None:
        raw = self._writer.transport.get_extra_info("socket")
        if raw is not None:  # else the client was quicker
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.watched = ""
        self._drop_upstream()


def status_body(code: int) -> bytes:
    """A Status object, as the API server sends with every refusal."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return json.dumps(status | {"code": code, "message": "played by the fault proxy"}).encode()


def _last_words(fault: Fault) -> bytes:
    """What a watch says before it ends, or with which a new one begins."""
    if "error" in {fault.request, fault.streams}:
        return b'{"type":"ERROR","object":' + status_body(fault.status) + b"}\n"
    if "garbage" in {fault.request, fault.streams}:
        return b"<html>502 Bad Gateway</html>\n"
    return b'{"type":"MODIFIED","object":{"kind":' if fault.streams == "half" else b""
