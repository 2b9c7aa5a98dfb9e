"""Questions of the operator to one backend: its checks of models, and the judges of these.

Guarantees the way of a caller's request from the analysis on (credentials, profile, prices, holds,
deadlines, the ledger), and that no other backend answers. Refuses streams, more than MOST at once,
and what the table does not carry. No policy takes part: no caller's limit or budget is touched.

Imported with the first question: few routers are asked.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pointsman.api.names import EVALUATION
from pointsman.api.table import PINS
from pointsman.router.callers import Caller
from pointsman.router.errors import (
    BadRequest,
    Problem,
    RateLimited,
    Refused,
    UpstreamBroken,
    going_away,
)
from pointsman.router.serve import arrival
from pointsman.router.serve.client import Client
from pointsman.router.serve.exchange import Exchange
from pointsman.router.stack import STACK, Phase
from pointsman.router.wire.operation import OPERATIONS, Operation
from pointsman.router.wire.received import Head, Request

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane

MOST: Final = 32
"""At once, on one router: the operator asks fewer, and callers' requests come first."""
MAX_ANSWER: Final = 4 * 1024 * 1024
"""What an evaluation reads of an answer."""
EVALUATOR: Final = Caller(EVALUATION, team=EVALUATION, policies=frozenset((PINS,)))
"""Whose these requests are, in metrics and in the ledger."""
_LEFT_OUT: Final = frozenset(("authenticate", "limit", "spend"))
"""The admin port has judged the token; limits and budgets are callers'."""
_HEADERS: Final = ("x-request-id", "traceparent", "tracestate", "content-encoding")
_NOT_BACK: Final = frozenset(("connection", "content-length", "content-type"))


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


class PinnedExchange(Exchange):
    """Its layers are those of stack.py but for who may ask, and how the backend is found."""

    __slots__ = ("pin",)

    def __init__(
        self, plane: "DataPlane", client: "Asking", request: Request, operation: Operation, pin: str
    ) -> None:
        super().__init__(plane, client, request, operation, plane.clock())
        self.pin = pin
        self.caller = EVALUATOR

    def run(self) -> None:
        """Up to the first attempt."""
        try:
            for layer in _LAYERS:
                layer(self)
        except Problem as problem:
            self.refuse(problem)
        except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
            self.bug(error)


def pin(exchange: PinnedExchange) -> None:
    """In the place of `resolve`: the backend, whatever the body calls its model."""
    live = exchange.plane.live
    if exchange.asked.stream:
        raise BadRequest("A pinned request is not streamed.", param="stream")
    if exchange.plane.refusing:
        raise going_away()
    if not live.ready:
        raise Refused("No routing table is in force yet.", code="not_ready", retry_after_s=1)
    found = live.table.pinned.get(exchange.pin)
    if found is None:
        raise BadRequest(
            f"The routing table carries no backend `{exchange.pin[:253]}` that may be asked alone.",
            status=404,
            code="backend_not_found",
        )
    exchange.policy = found


_LAYERS: Final = tuple(
    pin if layer.run is arrival.resolve else layer.run
    for layer in STACK
    if layer.phase is Phase.ARRIVAL and layer.name not in _LEFT_OUT
)


class Asking(Client):
    """What an exchange and the data plane see of a client: it takes everything, and then a bit."""

    def __init__(self, plane: "DataPlane") -> None:
        super().__init__(plane)
        self._plane = plane
        self.admitted = not plane.refusing
        self._parts: list[bytes] = []
        self._size = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.broken = self.too_large = False

    async def wait_for(self, exchange: Exchange) -> None:
        """Run it to its end. Who cancels this has left, and cuts the attempt."""
        try:
            self._plane.asking.add(self)
            self._plane.began()
            self.exchange = exchange
            exchange.run()
            await self.over
        finally:
            self.leave()
            self._plane.asking.discard(self)

    def write(self, data: bytes) -> None:
        """More of the answer."""
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._parts.clear()
            if not self.too_large:
                self.too_large = True
                asyncio.get_running_loop().call_soon(self.leave)
            return
        self._parts.append(data)

    def answered(self) -> None:
        """The exchange is over."""
        super().answered()
        if not self.over.done():
            self.over.set_result(None)

    def abort(self) -> None:
        """The answer ends in the middle."""
        self.broken = True

    def end(self) -> None:
        """The router ends."""
        if self.exchange is not None:
            self.exchange.cut_off()

    def leave(self) -> None:
        """Nobody waits for the rest."""
        if self.exchange is not None:
            self.exchange.client_gone()

    def answer(self) -> Answered:
        """What was written. Raises Problem where it is no whole answer."""
        if self.too_large:
            message = f"The backend's answer is longer than {MAX_ANSWER:,} bytes."
            raise UpstreamBroken(502, message, code="answer_too_large")
        head, ended, body = b"".join(self._parts).partition(b"\r\n\r\n")
        if self.broken or not ended:
            message = "The backend's answer broke off."
            raise UpstreamBroken(502, message, code="upstream_error")
        first, *lines = head.decode("latin-1").split("\r\n")
        found = dict(line.split(": ", 1) for line in lines)
        headers = {name: value for name, value in found.items() if name not in _NOT_BACK}
        status = int(first.split(" ", 2)[1])
        return Answered(status, found.get("content-type", "application/json"), headers, body)


class Desk:
    """Where pinned requests come in."""

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, pin: str | None
    ) -> Answered:
        """
        The backend's answer, or the router's error in its place; both are values.

        Raises Problem where nobody was asked. Who cancels it has left, and cuts the attempt.
        """
        operation = OPERATIONS.get(path.encode())
        if operation is None:
            message = f"Unknown request URL: {path[:200]}."
            raise BadRequest(message, status=404, code="unknown_url")
        if method != "POST":
            message = f"{path} takes POST, not {method}."
            raise BadRequest(message, status=405, code="method_not_allowed")
        if not pin:
            message = "Say in x-pointsman-pin which backend is asked."
            raise BadRequest(message, code="no_pin")
        if len(self._plane.asking) >= MOST:
            message = f"{MOST} pinned requests are in work."
            raise RateLimited(message, retry_after_s=1)
        plane = self._plane
        if plane.held_bodies_bytes + len(body) > plane.limits.held_bodies_bytes:
            message = "The router holds too many large requests."
            raise Refused(message, code="overloaded", retry_after_s=1)
        kept = [
            (name.encode(), headers[name].encode("latin-1")) for name in _HEADERS if name in headers
        ]
        # HTTP/1.0 has no chunks: what follows the head is the body, up to the end.
        head = Head(b"POST", path.encode(), kept, keep_alive=False, http11=False)
        client = Asking(plane)
        exchange = PinnedExchange(plane, client, Request(head, body), operation, pin)
        plane.held_bodies_bytes += len(body)
        try:
            await client.wait_for(exchange)
        finally:
            plane.held_bodies_bytes -= len(body)
        return client.answer()
