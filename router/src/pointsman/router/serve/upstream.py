"""Connections to model servers: one request at a time each, kept for the next.

Guarantees that a connection is reused only after a complete answer with a length, newest first, and
that one which turns out closed before any byte of an answer is replaced once without counting.
Refuses to reuse after errors, cuts, surplus bytes, and answers that came before all was sent.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from pointsman.api.table import Endpoint
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve.dial import Undialed, dial, keep_session, service_place
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.place import Place
from pointsman.router.serve.wheel import Alarm, Wheel
from pointsman.router.wire.response import Malformed, ResponseReader
from pointsman.router.wire.whole import WholeAnswer, read_whole

if TYPE_CHECKING:
    from pointsman.router.proxy import Proxy

_log = logging.getLogger(__name__)
_NOTHING: Final = (b"", b"")
_JOINED_BYTES: Final = 65_536
"""Below it one write of a copy is cheaper than two writes."""


class Asker:
    """
    Who waits for an answer; at most one of `finished` and `failed` is called, once.

    A class and no Protocol, as client.py says.
    """

    __slots__ = ("connection", "takes_whole")

    def __init__(self, *, takes_whole: bool) -> None:
        self.connection: UpstreamConnection | None = None
        """What carries its request; None while that is being dialed."""
        self.takes_whole = takes_whole
        """True if `whole` may take the place of all other calls."""

    def whole(self, answer: WholeAnswer, now_s: float) -> None:
        """All of the answer, at once; the connection is free already."""
        raise NotImplementedError

    def arrived(self, reader: ResponseReader, data: bytes, now_s: float) -> None:
        """The head is complete, or body bytes came; `reader.complete` may already be true."""
        raise NotImplementedError

    def arrived_chunk(self, framed: bytes, content: bytes, now_s: float) -> None:
        """More of a body: a plain chunk as it came, and what is in it."""
        raise NotImplementedError

    def finished(self) -> None:
        """All bytes of the answer have been handed over."""
        raise NotImplementedError

    def failed(self, fault: Fault) -> None:
        """There will be no more bytes."""
        raise NotImplementedError


class UpstreamConnection(asyncio.Protocol):
    """One TCP or TLS connection."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._asker: Asker | None = None
        self._reader = ResponseReader(pool.limits.response_head_bytes)
        self._alarm = Alarm(self._look_if_idle)
        self._paused = False
        self._reused = False
        self._heard = False
        """A byte of the answer came."""
        self._request = _NOTHING
        self._parsed = False
        """True if the reader has seen bytes since its reset."""

    @property
    def usable(self) -> bool:
        """True if it can carry a request."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, asker: Asker, head: bytes, body: bytes) -> None:
        """Send a request; `body` is not copied if it is long."""
        transport = self._transport
        assert transport is not None
        self._asker = asker
        asker.connection = self
        self._heard = False
        if self._reused:  # else it is not sent again
            self._request = (head, body)
        if self._parsed:
            self._parsed = False
            self._reader.reset()
        if len(body) < _JOINED_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    def cut(self) -> None:
        """Close now; the asker hears nothing more."""
        self._asker = None
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Do not read more of the answer."""
        if not self._paused and self.usable:
            self._paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self.usable:
            self._paused = False
            cast(asyncio.Transport, self._transport).resume_reading()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        asker = self._asker
        if asker is None:  # nobody asked
            self.cut()
            return
        if not self._heard:
            self._heard = True
            self._request = _NOTHING
            if asker.takes_whole and not self._paused:
                answer = read_whole(data, self._pool.limits.response_head_bytes)
                if answer is not None:
                    self._asker = asker.connection = None
                    now_s = self._pool.clock()
                    self._keep_or_close(now_s)
                    asker.whole(answer, now_s)
                    return
        reader = self._reader
        if reader.between_chunks:
            content = reader.take_chunk(data)
            if content:
                asker.arrived_chunk(data, content, self._pool.clock())
                return
        self._parsed = True
        try:
            reader.feed(data)
        except Malformed as error:
            self._fail(Fault(Kind.ERROR, "Malformed", str(error)))
            return
        if reader.status:
            asker.arrived(reader, reader.take(), self._pool.clock())
            if reader.complete and self._asker is asker:
                self._finish(asker)

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        asker = self._asker
        self._alarm.off()
        self._transport = None
        if asker is None:
            self._pool.closed(self)
            return
        if self._reused and not self._heard:
            self._asker = asker.connection = None
            self._pool.dial(asker, *self._request)
        elif exc is None and self._reader.eof():
            self._finish(asker)
        else:
            where = "in mid-answer" if self._heard else "without an answer"
            reason = "ClosedEarly" if exc is None else "Reset"
            self._fail(Fault(Kind.ERROR, reason, f"the connection was closed {where}"))
        self._pool.closed(self)

    def _finish(self, asker: Asker) -> None:
        self._asker = asker.connection = None
        self._keep_or_close(self._pool.clock(), reusable=self._reader.reusable)
        asker.finished()

    def _keep_or_close(self, now_s: float, *, reusable: bool = True) -> None:
        transport = self._transport
        if transport is None:
            return
        if not self._reused and self._pool.place.tls:
            keep_session(transport)
        unsent = transport.get_write_buffer_size()  # who answered early may not read the rest
        pool = self._pool
        if reusable and not unsent and len(pool.idle) < pool.limits.pool_size:
            pool.idle.append(self)
            self._reused = True
            if self._paused:
                self.resume()
            pool.watch(self._alarm, now_s)
        else:
            transport.close() if not unsent else transport.abort()

    def _fail(self, fault: Fault) -> None:
        asker = self._asker
        self.cut()
        if asker is not None:
            asker.failed(fault)

    def _look_if_idle(self, now_s: float) -> None:  # noqa: ARG002 - an alarm's signature
        if self._asker is not None:
            return  # `_finish` sets the alarm again
        self._pool.forget(self)
        if self._transport is not None:
            self._transport.close()


class Pool:
    """The connections to one place, and how many requests are there."""

    __slots__ = ("_dialing", "_open", "_unused", "_wheel", "clock", "idle", "limits",
                 "outstanding", "place", "proxy")  # fmt: skip

    def __init__(
        self,
        place: Place,
        limits: Limits,
        wheel: Wheel,
        clock: Callable[[], float],
        unused: Callable[["Pool"], None],
    ) -> None:
        self.proxy: Proxy | None = None
        self.place = place
        self.limits = limits
        self.clock = clock
        self.outstanding = 0
        self._wheel = wheel
        self._unused = unused
        self.idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._dialing: dict[Asker, asyncio.Task[None]] = {}

    def send(self, asker: Asker, head: bytes, body: bytes) -> None:
        """Ask over the idle connection used last, or over a new one."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.usable:
                connection.ask(asker, head, body)
                return
        self.dial(asker, head, body)

    def dial(self, asker: Asker, head: bytes, body: bytes) -> None:
        """Ask over a new connection; the asker hears `failed` if there is none."""
        task = asyncio.get_running_loop().create_task(self._connect(asker, head, body))
        self._dialing[asker] = task

    def forgo(self, asker: Asker) -> None:
        """The asker no longer wants an answer, and hears nothing more."""
        if asker.connection is not None:
            asker.connection.cut()
            asker.connection = None
        task = self._dialing.pop(asker, None)
        if task is not None:
            task.cancel()

    async def _connect(self, asker: Asker, head: bytes, body: bytes) -> None:
        made: list[UpstreamConnection] = []

        def make() -> UpstreamConnection:
            made.append(UpstreamConnection(self))
            return made[-1]

        fault: Fault | None = None
        try:
            await dial(self.place, self.limits, make, self.proxy)
            if not made[-1].usable:
                fault = Fault(Kind.ERROR, "ClosedEarly", "the connection was closed at once")
        except Undialed as error:
            fault = error.fault
        except asyncio.CancelledError:
            self._drop(made)
            self._tell_if_unused()
            raise
        except Exception as error:  # noqa: BLE001 - the asker would wait for ever
            _log.error("dialing met a bug", exc_info=error)
            fault = Fault(Kind.ERROR, "InternalError", "the router met an error of its own")
        if self._dialing.pop(asker, None) is None:  # forgone in the meantime
            self._drop(made)
        elif fault is not None:
            self._drop(made)
            asker.failed(fault)
            self._tell_if_unused()
        else:
            made[-1].ask(asker, head, body)

    def _drop(self, made: list[UpstreamConnection]) -> None:
        """Made, but in vain: uvloop closes them without `connection_lost`."""
        for connection in made:
            connection.cut()
            self._open.discard(connection)

    def opened(self, connection: UpstreamConnection) -> None:
        """See UpstreamConnection."""
        self._open.add(connection)

    def closed(self, connection: UpstreamConnection) -> None:
        """See UpstreamConnection."""
        self._open.discard(connection)
        self.forget(connection)
        self._tell_if_unused()

    def watch(self, alarm: Alarm, now_s: float) -> None:
        """Ring when the connection has been idle too long."""
        self._wheel.set(alarm, now_s + self.limits.pool_idle_s)

    def forget(self, connection: UpstreamConnection) -> None:
        """It is no longer idle."""
        if connection in self.idle:
            self.idle.remove(connection)

    def close(self) -> list[asyncio.Task[None]]:
        """Cut every connection; the tasks that are still ending."""
        tasks = list(self._dialing.values())
        for task in tasks:
            task.cancel()
        self._dialing.clear()
        for connection in list(self._open):
            connection.cut()
        return tasks

    def _tell_if_unused(self) -> None:
        if not (self.outstanding or self._open or self._dialing):
            self._unused(self)


class Pools:
    """One pool for each place that is in use."""

    def __init__(
        self,
        limits: Limits,
        wheel: Wheel,
        clock: Callable[[], float],
        proxy: "Proxy | None" = None,
    ) -> None:
        self._proxy = proxy
        self._limits = limits
        self._wheel = wheel
        self._clock = clock
        self._pools: dict[tuple[str, int, str], Pool] = {}

    def service(self, host: str, port: int) -> Pool:
        """The pool of a Service's endpoint."""
        found = self._pools.get((host, port, ""))
        return found if found is not None else self._add(service_place(host, port))

    def outstanding(self, endpoint: Endpoint) -> int:
        """Requests that are there now, without a pool for who has had none."""
        found = self._pools.get((endpoint.host, endpoint.port, ""))
        return found.outstanding if found is not None else 0

    def external(self, place: Place) -> Pool:
        """The pool of an external backend."""
        found = self._pools.get(place.key)
        return found if found is not None else self._add(place)

    async def close(self) -> None:
        """Cut every connection."""
        tasks = [task for pool in list(self._pools.values()) for task in pool.close()]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pools.clear()

    def _add(self, place: Place) -> Pool:
        pool = Pool(place, self._limits, self._wheel, self._clock, self._remove)
        if place.external:
            pool.proxy = self._proxy
        self._pools[place.key] = pool
        return pool

    def _remove(self, pool: Pool) -> None:
        if self._pools.get(pool.place.key) is pool:
            del self._pools[pool.place.key]
