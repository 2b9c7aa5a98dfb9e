"""The admin port: health, readiness, metrics, the table, the operator's stream and questions.

Guarantees that /admin/* and /v1/* answer only to the operator's ServiceAccount with an epoch that
is not outdated (401, 403, 409; 503 while a token cannot be judged), and that nothing here holds a
key. What /v1/* asks goes to the one backend that it names (serve/pinned.py).
Not the hot path, but served on the loop of the data plane, so /healthz tells if that runs.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pointsman.api.names import HEADER_EPOCH, HEADER_PIN
from pointsman.api.table import ORDER_S, PINS, TableError, decode_order
from pointsman.process.connections import BOUNDS, Bounds
from pointsman.process.sites import why_foreign
from pointsman.router.callers import Caller
from pointsman.router.control.auth import TokenAuth
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.port import PINNED, Answer, Asked, Handler, Port
from pointsman.router.control.source import TableFeed
from pointsman.router.control.stream import HEARTBEAT_S, Broadcast, TooManyReadersError
from pointsman.router.errors import Problem

if TYPE_CHECKING:
    from pointsman.router.serve.pinned import Desk

_log = logging.getLogger(__name__)
WRITE_S = 5.0
"""A reader whose socket takes nothing for this long is gone."""
MAX_ORDER_BYTES = 4096
MAX_ORDERS = 1000
MAX_NAME = 253
_REFUSALS = {
    "Unauthenticated": HTTPStatus.UNAUTHORIZED,
    "Forbidden": HTTPStatus.FORBIDDEN,
    "Unknown": HTTPStatus.SERVICE_UNAVAILABLE,
}
_ORDERS: Final = "/admin/backends/"
_POLICIES: Final = "/admin/policies/"
_PAIRS: Final = "/pairs"


class Admin:
    """`auth` None: every program of this machine may, on loopback only (settings see to that)."""

    def __init__(
        self,
        feed: TableFeed,
        metrics: ControlMetrics,
        *,
        router: str,
        auth: TokenAuth | None,
        details: Callable[[], Mapping[str, object]] = dict,
        desk: "Callable[[], Desk] | None" = None,
        heartbeat_s: float = HEARTBEAT_S,
        order_s: float = ORDER_S,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self.broadcast = Broadcast(router, feed, metrics)
        self._feed = feed
        self._metrics = metrics
        self._auth = auth
        self._details = details
        self._desk = desk
        """Made with the first question."""
        self._heartbeat_s = heartbeat_s
        self._order_s = order_s
        self._newest_epoch = 0
        self._lapses: dict[str, asyncio.TimerHandle] = {}
        self._port = Port(self._handle, bounds)
        self._handlers: dict[str, Handler] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._print_metrics,
            "/admin/table": self._table,
            "/admin/stream": self._stream,
        }

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was bound."""
        return await self._port.start(host, port)

    async def close(self) -> None:
        """End all streams and stop listening."""
        for timer in self._lapses.values():
            timer.cancel()
        self._lapses.clear()
        self.broadcast.close()
        await self._port.close()

    async def _handle(self, asked: Asked) -> Answer | None:
        path = asked.path
        if path.startswith(("/admin/", PINNED)):
            refusal = await self._guard(asked.headers)
            if refusal is not None:
                return refusal if path.startswith("/admin/") else _as_openai(refusal)
        if path.startswith(PINNED):
            return await self._question(asked)
        handler, method = self._handler_of(path)
        if handler is None:
            return _refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        if asked.method != method:
            return _refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"not with {asked.method}")
        return await handler(asked)

    def _handler_of(self, path: str) -> tuple[Handler | None, str]:
        """Who answers a path, and with which method."""
        name = path.removeprefix(_ORDERS)
        if name != path and name and "/" not in name:
            return self._order, "PUT"
        name = path.removeprefix(_POLICIES).removesuffix(_PAIRS)
        if path == f"{_POLICIES}{name}{_PAIRS}" and name and "/" not in name:
            return self._pairs, "POST"
        return self._handlers.get(path), "GET"

    async def _guard(self, headers: Mapping[str, str]) -> Answer | None:
        """None: it may go on."""
        if self._auth is None:
            if why := why_foreign(headers):
                return _refuse(HTTPStatus.FORBIDDEN, why)
        else:
            verdict = await self._auth.check(headers.get("authorization", ""))
            if verdict != "Allowed":
                return _refuse(_REFUSALS[verdict], verdict)
        text = headers.get(HEADER_EPOCH, "0")
        if not (text.isascii() and text.isdecimal() and len(text) <= 15):
            return _refuse(HTTPStatus.BAD_REQUEST, f"{HEADER_EPOCH} is no number")
        epoch = int(text)
        newest = max(self._newest_epoch, (self._feed.position or (0, 0))[0])
        if HEADER_EPOCH in headers and epoch < newest:
            return _refuse(HTTPStatus.CONFLICT, f"epoch {epoch} is older than {newest}")
        if epoch > self._newest_epoch:
            self._newest_epoch = epoch
            self.broadcast.outdate(epoch)
        return None

    async def _healthz(self, _: Asked) -> Answer:
        return Answer(body=b"ok\n", content_type="text/plain; charset=utf-8")

    async def _readyz(self, _: Asked) -> Answer:
        live = self._feed.live
        known = live.callers.complete or bool(live.callers.everyone)
        ready = live.ready and known and not live.draining
        epoch, serial = self._feed.position or (0, 0)
        body = {
            "ready": ready,
            "draining": live.draining,
            "table": "none" if not live.ready else "disk" if self._feed.from_disk else "confirmed",
            "epoch": epoch,
            "serial": serial,
            "policies": sum(policy.name != PINS for policy in live.table.policies),
            "problems": {ack.policy: ack.error for ack in self._feed.acks if ack.error},
            **self._details(),
        }
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(body, status)

    async def _print_metrics(self, _: Asked) -> Answer:
        body = generate_latest(self._metrics.registry)
        return Answer(body=body, content_type=CONTENT_TYPE_LATEST)

    async def _table(self, _: Asked) -> Answer:
        feed = self._feed
        return _json(
            {
                "manifest": feed.manifest,
                "acks": feed.acks,
                "endpoints": feed.live.endpoints,
                "credentials": sorted({f"{name}/{key}" for name, key, _ in feed.live.credentials}),
                "callers": [_shown(caller) for caller in feed.live.callers.everyone],
                "routers": feed.live.routers,
                "inFlight": feed.live.in_flight,
                "held": feed.live.held,
                "orders": feed.live.orders,
            }
        )

    async def _order(self, asked: Asked) -> Answer:
        """Of a backend that no policy here names as well: a policy may come within its time."""
        name = unquote(asked.path.removeprefix(_ORDERS))
        try:
            order = decode_order(asked.body[:MAX_ORDER_BYTES])
        except TableError as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error))
        full = len(self._lapses) >= MAX_ORDERS and name not in self._lapses
        if full or len(name) > MAX_NAME:
            return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many orders")
        if (before := self._lapses.pop(name, None)) is not None:
            before.cancel()
        live = self._feed.live
        if order.hold or order.failure:
            loop = asyncio.get_running_loop()
            self._lapses[name] = loop.call_later(self._order_s, self._lapse, name)
            live.obey(name, order)
        else:
            live.obey(name, None)
        return Answer(HTTPStatus.NO_CONTENT)

    async def _pairs(self, asked: Asked) -> Answer:
        """Texts of callers: given once, to the leader only, and never from disk."""
        if not int(asked.headers.get(HEADER_EPOCH, "0")):
            return _refuse(HTTPStatus.FORBIDDEN, f"{HEADER_EPOCH} is missing")
        name = unquote(asked.path.removeprefix(_POLICIES).removesuffix(_PAIRS))
        found = self._feed.live.pairs(name)
        if found is None:
            return _refuse(HTTPStatus.NOT_FOUND, "the policy's candidate has no shadow here")
        return _json(found)

    async def _question(self, asked: Asked) -> Answer:
        """To the one backend that its header names."""
        from pointsman.router.wire.problem import error_body  # noqa: PLC0415 - see `desk`

        if self._desk is None:
            return _as_openai(_refuse(HTTPStatus.NOT_FOUND, "there is nothing here"))
        try:
            found = await self._desk().ask(
                asked.method, asked.path, asked.headers, asked.body, asked.headers.get(HEADER_PIN)
            )
        except Problem as problem:
            headers = {"retry-after": "1"} if problem.retry_after_s else {}
            return Answer(HTTPStatus(problem.status), error_body(problem), headers=headers)
        return Answer(_status(found.status), found.body, found.content_type, headers=found.headers)

    def _lapse(self, name: str) -> None:
        self._lapses.pop(name, None)
        self._feed.live.obey(name, None)

    async def _stream(self, asked: Asked) -> Answer | None:
        try:
            reader = self.broadcast.join(int(asked.headers.get(HEADER_EPOCH, "0")))
        except TooManyReadersError:
            return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many streams")
        try:
            async with asyncio.timeout(WRITE_S):
                await asked.begin("application/x-ndjson")
            while not reader.ended:
                line = await reader.next_line(self._heartbeat_s)
                if line is None:
                    if reader.ended:
                        break
                    line = self.broadcast.line("Heartbeat")
                async with asyncio.timeout(WRITE_S):
                    await asked.write(line)
        except TimeoutError:
            reader.end("Slow")
            asked.abort()
        except ConnectionError:
            pass
        finally:
            self.broadcast.leave(reader)
            if reader.ended:
                _log.info("stream-ended", extra={"reason": reader.ended, "epoch": reader.epoch})
        return None


def _shown(caller: Caller) -> dict[str, object]:
    """No hash: it is of no use to who reads this, and of some to who guesses keys."""
    every = caller.policies is None
    return {
        "name": caller.name,
        "team": caller.team,
        "policies": ["*"] if every else sorted(caller.policies or ()),
        "keys": len(caller.digests),
        "expires": None if caller.expires_at_s == inf else caller.expires_at_s,
        "limits": msgspec.to_builtins(caller.limits),
        "teamLimits": msgspec.to_builtins(caller.team_limits),
    }


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, msgspec.json.encode(body) + b"\n")


def _refuse(status: HTTPStatus, reason: str) -> Answer:
    headers = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return Answer(status, msgspec.json.encode({"reason": reason}) + b"\n", headers=headers)


def _as_openai(refusal: Answer) -> Answer:
    """The same in the shape that callers of /v1 read."""
    reason = str(msgspec.json.decode(refusal.body)["reason"])
    error = {"message": reason, "type": "invalid_request_error", "param": None, "code": None}
    return replace(refusal, body=msgspec.json.encode({"error": error}))


def _status(code: int) -> HTTPStatus:
    """A backend may say what HTTP does not name."""
    try:
        return HTTPStatus(code)
    except ValueError:
        return HTTPStatus.BAD_REQUEST if 400 <= code < 500 else HTTPStatus.BAD_GATEWAY
