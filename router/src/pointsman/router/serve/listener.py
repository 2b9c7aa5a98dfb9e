"""One client's connection: bytes in, requests one at a time, answers out in the order asked.

Guarantees a deadline on every wait for the client, that a client which leaves ends its request at
once, and that nothing is read from one that does not read. Refuses more connections than the limit.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, cast

from pointsman.router.callers import Refusal, Verdict
from pointsman.router.errors import BadRequest, Problem, Refused, going_away, unreadable
from pointsman.router.serve import authenticate, errands, surface, words
from pointsman.router.serve.client import Client
from pointsman.router.serve.exchange import Exchange
from pointsman.router.serve.wheel import Alarm
from pointsman.router.wire.problem import CONTINUE
from pointsman.router.wire.received import Head, Request, Unreadable
from pointsman.router.wire.request import RequestReader

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane

_log = logging.getLogger(__name__)
_PROBE_S = 0.25
"""How often a client from which nothing is read is asked whether it still waits."""


class _Waits(StrEnum):
    """For what the connection waits while no request is in work."""

    REQUEST = "Request"
    HEAD = "Head"
    BODY = "Body"
    FLUSH = "Flush"


class ClientConnection(Client, asyncio.Protocol):
    """See the module."""

    def __init__(self, plane: "DataPlane") -> None:
        super().__init__(plane)
        self._plane = plane
        self._transport: asyncio.Transport | None = None
        self._reader = _reader(plane, partial(authenticate.judge_head, plane))
        self._queue: list[Request | Unreadable] = []  # few: an empty deque takes 760 bytes
        self._waits = _Waits.REQUEST
        self._advancing = False
        self._reading = True
        self._half_closed = False
        """True if the client sends no more, and its requests are still answered."""
        self._probe: Alarm | None = None
        self._held_bytes = 0
        """What this connection has added to the plane's held bodies."""
        self.admitted = not plane.refusing
        self.keep_alive = True

    # What an exchange and the data plane ask for.

    def write(self, data: bytes) -> None:
        """Send, unless the client has left."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self) -> None:
        """The exchange in work is over."""
        self.exchange = None
        if self._held_bytes:
            self._hold()
        if self._transport is None:
            return
        if not self.keep_alive:
            self.close()
        elif self._queue or not self._reading or self._half_closed or not self._reader.idle:
            if not self._advancing:
                self._advance()
        elif self._waits is not _Waits.FLUSH:  # the usual end of `_advance`
            self._waits = _Waits.REQUEST
            self.set_alarm(self._plane.clock() + self._plane.limits.keep_alive_s)

    @property
    def in_request(self) -> bool:
        """True while a request is coming in."""
        return self._reader.in_head or self._reader.in_body

    def tell_to_close(self) -> None:
        """The connection ends with the answer in work, unless its head has said otherwise."""
        if self.exchange is not None and not self.exchange.head_sent:
            self.keep_alive = False

    def end(self) -> None:
        """The router ends: cut what is in work, and leave without a reset."""
        self._queue.clear()
        if self.exchange is not None:
            self.exchange.cut_off()
        elif self.in_request and self._is_open():
            self._refuse(going_away())
        # A request that is on its way at this moment shall meet an end, not a reset. The plane
        # waits a little for the client to close, and then aborts.
        self._linger()

    def abort(self) -> None:
        """Close now; what was not sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close once all is sent, at the latest when the head's deadline would have passed."""
        transport = self._transport
        if transport is None:
            return
        self._queue.clear()
        self._waits = _Waits.FLUSH
        transport.close()
        self.set_alarm(self._plane.clock() + self._plane.limits.head_s)

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self._plane
        self._transport = cast(asyncio.Transport, transport)
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=plane.limits.write_high_bytes)
        if plane.opened(self):
            self.set_alarm(plane.clock() + plane.limits.keep_alive_s)
        else:
            full = Refused("Too many connections.", code="overloaded", retry_after_s=1, close=True)
            self._reader.over = True
            self.write(words.refusal(full, surface.request_id(plane), b""))
            self.close()

    def data_received(self, data: bytes) -> None:
        if self._waits is _Waits.FLUSH:  # what follows a refusal
            return
        found = self._reader.feed(data)
        limits = self._plane.limits
        if found:
            self._queue.extend(found)
            if self.exchange is None:
                self._advance()
            if len(self._queue) >= limits.pipelined or self._reader.waiting_bytes:
                self._stop_reading()
        elif self.exchange is None:
            self._watch_reading()
        if self._held_bytes or self._reader.in_body or len(data) > limits.large_body_bytes:
            self._hold()
            self._shed()

    def eof_received(self) -> bool:
        """
        The client sends no more: it has left, or it only waits; False lets the transport close.

        Both look the same, so it is asked, see `_ask_whether_it_waits`.
        """
        exchange = self.exchange
        if exchange is None and not self._waiting():
            return False
        if exchange is not None and (exchange.head_sent or not exchange.request.head.http11):
            return False
        self._half_closed = True
        self.keep_alive = self.keep_alive and self._waiting()
        self._ask_whether_it_waits(self._plane.clock())
        return True

    def _ask_whether_it_waits(self, now_s: float) -> None:
        """
        Notice that a client has left from which nothing is read, before its answer is begun.

        Whoever has closed its socket answers any bytes with a reset, which the next write meets;
        whoever waits skips interim answers (RFC 9110 15.2). Node's fetch does not, and Go gives up
        at the sixth: so nobody is asked that sends one request at a time and keeps its side open.
        """
        if not self._half_closed and self._reading:
            return
        exchange = self.exchange
        if exchange is not None and not exchange.head_sent and exchange.request.head.http11:
            self.write(CONTINUE)
        self._ask_later(now_s)

    def _ask_later(self, now_s: float) -> None:
        if self._transport is not None:
            if self._probe is None:
                self._probe = Alarm(self._ask_whether_it_waits)
            self._plane.wheel.set(self._probe, now_s + _PROBE_S)

    def _waiting(self) -> bool:
        return bool(self._queue or self._reader.waiting_bytes)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._transport = None
        self._alarm.off()
        if self._probe is not None:
            self._probe.off()
        self._queue.clear()
        if self.exchange is not None:
            self.exchange.client_gone()
        self._plane.held_bodies_bytes -= self._held_bytes
        self._held_bytes = 0
        self._plane.closed(self)

    def pause_writing(self) -> None:
        self.paused = True
        if self.exchange is not None:
            self.exchange.pause()

    def resume_writing(self) -> None:
        self.paused = False
        if self.exchange is not None:
            self.exchange.resume()
        else:
            self._advance()

    def _advance(self) -> None:
        """Answer what waits, until something takes time."""
        self._advancing = True
        try:
            while self.exchange is None and not self.paused and self._is_open():
                if not self._queue:
                    if not self._reader.waiting_bytes:
                        break
                    self._queue.extend(self._reader.feed(b""))
                    if not self._queue:
                        break
                self._answer(self._queue.pop(0))
        finally:
            self._advancing = False
        if self.exchange is not None or not self._is_open():
            return
        if self._waiting():  # the client does not read its answers
            self.set_alarm(self._plane.clock() + self._plane.limits.keep_alive_s)
            return
        if self._half_closed:
            self.close()
            return
        self._start_reading()
        self._waits = _Waits.REQUEST
        self._watch_reading()

    def _answer(self, request: Request | Unreadable) -> None:
        plane = self._plane
        if isinstance(request, Unreadable):
            self._refuse(unreadable(request.status, request.message))
            return
        head = request.head
        self.keep_alive = head.keep_alive and not plane.live.draining
        if self._half_closed and not self._waiting():
            self.keep_alive = False
        if head.operation is not None:
            plane.began()
            make = Exchange if not head.operation.dialect else _translated()
            self.exchange = exchange = make(plane, self, request, head.operation, plane.clock())
            exchange.run()
            return
        errand = errands.errand_of(head)
        if errand is not None:
            plane.began()
            self.exchange = doing = errand(plane, self, request)
            doing.run()
            return
        self.write(surface.answer(plane, request, keep_alive=self.keep_alive))
        if not self.keep_alive:
            self.close()

    def _refuse(self, problem: Problem) -> None:
        self._plane.metrics.unrouted.answered(problem.status)
        target = self._reader.target
        self.write(words.refusal(problem, surface.request_id(self._plane), target))
        if problem.status == 408:  # who was slow had its time
            self.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """
        End our side only, and throw away what the client still sends.

        Bytes that arrive at a closed socket are answered with a reset, which may overtake the
        answer (RFC 9112 9.6): the client would see a broken connection and send it all again.
        """
        if not self._is_open():
            return
        limits = self._plane.limits
        self._reader = _reader(self._plane)
        self._reader.over = True
        self._queue.clear()
        self._hold()
        self._start_reading()
        self._waits = _Waits.FLUSH
        cast(asyncio.Transport, self._transport).write_eof()
        self.set_alarm(self._plane.clock() + limits.head_s)

    def _hold(self) -> None:
        """Count the bodies that this connection holds."""
        held = self._reader.body_bytes + self._reader.waiting_bytes
        for item in self._queue:
            if isinstance(item, Request):
                held += len(item.body) + item.head.size
        if self.exchange is not None:
            held += len(self.exchange.request.body)
        self._plane.held_bodies_bytes += held - self._held_bytes
        self._held_bytes = held

    def _shed(self) -> None:
        """When all connections together hold too much, take no more of what is coming in here."""
        plane = self._plane
        if plane.held_bodies_bytes <= plane.limits.held_bodies_bytes or not self._is_open():
            return
        if self.exchange is not None:
            if self._queue or not self._reader.idle:  # an answer comes first; it is read on later
                self._stop_reading()
        elif self._reader.in_body:
            message = "The router holds too many large requests."
            self._refuse(Refused(message, code="overloaded", retry_after_s=1, close=True))

    def _is_open(self) -> bool:
        """True if requests may come."""
        transport = self._transport
        ends = self._waits is _Waits.FLUSH
        return transport is not None and not ends and not transport.is_closing()

    def _stop_reading(self) -> None:
        if self._reading and self._is_open():
            self._reading = False
            cast(asyncio.Transport, self._transport).pause_reading()
            self._ask_later(self._plane.clock())

    def _start_reading(self) -> None:
        if not self._reading and self._is_open():
            self._reading = True
            cast(asyncio.Transport, self._transport).resume_reading()

    def _watch_reading(self) -> None:
        """Set the deadline of what the connection waits for now."""
        if self._waits is _Waits.FLUSH:
            return
        reader, limits = self._reader, self._plane.limits
        if reader.in_head:
            waits, limit_s = _Waits.HEAD, limits.head_s
        elif reader.in_body:
            waits, limit_s = _Waits.BODY, limits.body_s
            if reader.takes_continue():
                verdict = reader.refused
                if verdict is not None and isinstance(verdict.caller, Refusal):
                    reader.over = True
                    self._refuse(authenticate.refuse(self._plane, verdict.caller, close=True))
                    return
                self.write(CONTINUE)
        else:
            waits, limit_s = _Waits.REQUEST, limits.keep_alive_s
        if waits is not self._waits or waits is _Waits.REQUEST:
            self._waits = waits
            self.set_alarm(self._plane.clock() + limit_s)

    def _ring(self, now_s: float) -> None:
        if self._waits is _Waits.FLUSH:
            self.abort()
        elif self.exchange is not None:
            self.exchange.ring(now_s)
        elif self._waits is _Waits.REQUEST or self.paused:
            self.close() if not self.paused else self.abort()
        else:
            what = "head" if self._waits is _Waits.HEAD else "body"
            message = f"The request's {what} did not arrive in time."
            self._refuse(BadRequest(message, status=408, code="request_timeout", close=True))


def _translated() -> type[Exchange]:
    """For requests of other APIs; loaded with the first of them."""
    from pointsman.router.serve.translated import TranslatedExchange  # noqa: PLC0415

    return TranslatedExchange


def _reader(plane: "DataPlane", judge: Callable[[Head], Verdict] | None = None) -> RequestReader:
    limits = plane.limits
    return RequestReader(
        limits.head_bytes,
        limits.body_bytes,
        judge,
        max_headers=limits.headers,
        at_once=limits.pipelined,
        heads=plane.heads,
    )
