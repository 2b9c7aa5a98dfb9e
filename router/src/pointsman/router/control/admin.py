"""The admin port: health, readiness, metrics, the table, the operator's stream and questions.

Guarantees that /admin/* and /v1/* answer only to the operator's ServiceAccount with an epoch that
is not outdated (401, 403, 409; 503 while a token cannot be judged), and that nothing here holds a
key. What /v1/* asks goes to the one backend that it names (serve/pinned.py).
Not the hot path: aiohttp serves it, on the loop of the data plane, so /healthz tells if that runs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from math import inf

import msgspec
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pointsman.api.names import HEADER_EPOCH, HEADER_PIN
from pointsman.api.table import ORDER_S, PINS, TableError, decode_order
from pointsman.process.connections import BOUNDS, BoundedServer, Bounds
from pointsman.router.callers import Caller
from pointsman.router.control.auth import TokenAuth
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.control.stream import HEARTBEAT_S, Broadcast, TooManyReadersError
from pointsman.router.errors import BadRequest, Problem
from pointsman.router.serve.pinned import MAX_BODY, Desk
from pointsman.router.wire.operation import OPERATIONS
from pointsman.router.wire.problem import error_body, error_json

_log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WRITE_S = 5.0
"""A reader whose socket takes nothing for this long is gone."""
BODY_S = 20.0
"""From the head of a question to its last byte; it comes from inside the cluster."""
MAX_ORDER_BYTES = 4096
MAX_ORDERS = 1000
MAX_NAME = 253
_REFUSALS = {
    "Unauthenticated": HTTPStatus.UNAUTHORIZED,
    "Forbidden": HTTPStatus.FORBIDDEN,
    "Unknown": HTTPStatus.SERVICE_UNAVAILABLE,
}
_EPOCH: web.RequestKey[int] = web.RequestKey("epoch", int)


class Admin:
    """`auth` None: everybody may, for local mode on loopback only (settings see to that)."""

    def __init__(
        self,
        feed: TableFeed,
        metrics: ControlMetrics,
        *,
        router: str,
        auth: TokenAuth | None,
        details: Callable[[], Mapping[str, object]] = dict,
        desk: Desk | None = None,
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
        self._heartbeat_s = heartbeat_s
        self._order_s = order_s
        self._newest_epoch = 0
        self._lapses: dict[str, asyncio.TimerHandle] = {}
        self._bounds = bounds
        self._runner: web.AppRunner | None = None
        self._server: BoundedServer | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was bound."""
        app = web.Application(middlewares=[self._time, self._guard])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._print_metrics)
        app.router.add_get("/admin/table", self._table)
        app.router.add_get("/admin/stream", self._stream)
        app.router.add_put("/admin/backends/{name}", self._order)
        app.router.add_post("/admin/policies/{name}/pairs", self._pairs)
        if self._desk is not None:
            for path in OPERATIONS:
                app.router.add_post(path.decode(), self._pinned)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            handler_cancellation=True,  # a reader that went leaves its place at once
        )
        await self._runner.setup()
        make = self._runner.server
        assert make is not None
        self._server = BoundedServer(make, self._bounds)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """End all streams and stop listening."""
        for timer in self._lapses.values():
            timer.cancel()
        self._lapses.clear()
        self.broadcast.close()
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _time(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """The bounds' deadlines stand still while a request is in work."""
        server, transport = self._server, request.transport
        assert server is not None
        server.asking(transport)
        try:
            return await handler(request)
        finally:
            server.answered(transport)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not request.path.startswith(("/admin/", "/v1/")):
            return await handler(request)
        refuse = _refuse_openai if request.path.startswith("/v1/") else _refuse
        if self._auth is not None:
            verdict = await self._auth.check(request.headers.get("Authorization", ""))
            if verdict != "Allowed":
                return refuse(_REFUSALS[verdict], verdict)
        text = request.headers.get(HEADER_EPOCH, "0")
        if not (text.isascii() and text.isdecimal() and len(text) <= 15):
            return refuse(HTTPStatus.BAD_REQUEST, f"{HEADER_EPOCH} is no number")
        epoch = int(text)
        newest = max(self._newest_epoch, (self._feed.position or (0, 0))[0])
        if HEADER_EPOCH in request.headers and epoch < newest:
            return refuse(HTTPStatus.CONFLICT, f"epoch {epoch} is older than {newest}")
        if epoch > self._newest_epoch:
            self._newest_epoch = epoch
            self.broadcast.outdate(epoch)
        request[_EPOCH] = epoch
        return await handler(request)

    async def _healthz(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
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

    async def _print_metrics(self, _: web.Request) -> web.StreamResponse:
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _table(self, _: web.Request) -> web.StreamResponse:
        feed = self._feed
        return _json(
            {
                "manifest": feed.manifest,
                "acks": feed.acks,
                "endpoints": feed.live.endpoints,
                "credentials": sorted(f"{name}/{key}" for name, key in feed.live.credentials),
                "callers": [_shown(caller) for caller in feed.live.callers.everyone],
                "routers": feed.live.routers,
                "inFlight": feed.live.in_flight,
                "held": feed.live.held,
                "orders": feed.live.orders,
            }
        )

    async def _order(self, request: web.Request) -> web.StreamResponse:
        """Of a backend that no policy here names as well: a policy may come within its time."""
        name = request.match_info["name"]
        try:
            async with asyncio.timeout(WRITE_S):
                order = decode_order(await request.content.read(MAX_ORDER_BYTES))
        except TimeoutError:
            return _refuse(HTTPStatus.REQUEST_TIMEOUT, "the order did not arrive in time")
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
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _pairs(self, request: web.Request) -> web.StreamResponse:
        """Texts of callers: given once, to the leader only, and never from disk."""
        if not request[_EPOCH]:
            return _refuse(HTTPStatus.FORBIDDEN, f"{HEADER_EPOCH} is missing")
        found = self._feed.live.pairs(request.match_info["name"])
        if found is None:
            return _refuse(HTTPStatus.NOT_FOUND, "the policy's candidate has no shadow here")
        return _json(found)

    async def _pinned(self, request: web.Request) -> web.StreamResponse:
        """A question to the one backend that its header names."""
        assert self._desk is not None
        try:
            body = await self._body(request)
            found = await self._desk.ask(
                request.path.encode(), request.raw_headers, body, request.headers.get(HEADER_PIN)
            )
        except Problem as problem:
            return web.Response(
                body=error_body(problem),
                status=problem.status,
                content_type="application/json",
                headers={"Retry-After": "1"} if problem.retry_after_s else {},
            )
        return web.Response(body=found.body, status=found.status, headers=found.headers)

    async def _body(self, request: web.Request) -> bytes:
        parts = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                async for part in request.content.iter_chunked(65_536):
                    parts += part
                    if len(parts) > MAX_BODY:
                        message = f"The body is longer than {MAX_BODY:,} bytes."
                        raise BadRequest(message, status=413)
        except TimeoutError:
            message = "The request's body did not arrive in time."
            raise BadRequest(message, status=408, code="request_timeout") from None
        return bytes(parts)

    def _lapse(self, name: str) -> None:
        self._lapses.pop(name, None)
        self._feed.live.obey(name, None)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            reader = self.broadcast.join(request[_EPOCH])
        except TooManyReadersError:
            return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many streams")
        try:
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            async with asyncio.timeout(WRITE_S):
                await response.prepare(request)
            while not reader.ended:
                line = await reader.next_line(self._heartbeat_s)
                if line is None:
                    if reader.ended:
                        break
                    line = self.broadcast.line("Heartbeat")
                async with asyncio.timeout(WRITE_S):
                    await response.write(line)
        except TimeoutError:
            reader.end("Slow")
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass
        finally:
            self.broadcast.leave(reader)
            if reader.ended:
                _log.info("stream-ended", extra={"reason": reader.ended, "epoch": reader.epoch})
        return response


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


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body) + b"\n", status=status, content_type="application/json"
    )


def _refuse(status: HTTPStatus, reason: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return web.Response(
        body=msgspec.json.encode({"reason": reason}) + b"\n",
        status=status,
        content_type="application/json",
        headers=headers,
    )


def _refuse_openai(status: HTTPStatus, reason: str) -> web.Response:
    """The same in the shape that callers of /v1 read."""
    refused = _refuse(status, reason)
    refused.body = error_json(reason, "invalid_request_error", param=None, code="refused")
    return refused
