"""The ledger over HTTP.

    POST /v1/events      frames of one spool   -> {"next": N}; 400, 409, 413, 503
    POST /v1/leases      slices of budgets     -> {"slices": [...]}; 400, 413
    GET  /v1/spools/ID                         -> {"next": N, "lost": N}
    GET  /v1/requests?since=24h&until=&after=  -> {"requests": [...], "after": "..."}, by the page
    GET  /v1/requests/DECISION                 -> the request as it was recorded; 404
    GET  /v1/decision?decision=|response_id=&caller=   -> 200 if it is this caller's, else 404
    GET  /v1/summary?since=24h&until=&by=      -> cost, speed and quality by backend and task
    GET  /v1/labels?policy=&since=168h&each=300        -> how good answers were
    GET  /v1/recent?policy=&since=24h&limit=2000       -> its last requests, as routing sees them
    GET  /v1/evaluations?suite=&content=&backend=&task=&since=168h&limit=   -> golden prompts
    POST /v1/draws       golden prompts  -> {"prompts": [...]}: requests with texts and feedback
    GET  /v1/traffic?since=&until=                      -> what each backend's requests look like
    /v1/reviews /v1/people/            requests that people look at: `reviewing/`
    /console/...         pages for people, with identities of their own (`console/serving.py`)
    GET  /healthz /readyz /metrics             without a token

Guarantees an answer within the deadlines of the settings. 503 has Retry-After and means: keep it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pointsman.events import draws
from pointsman.events.leases import MAX_LEASE_BYTES, Answer
from pointsman.ledger.access import Access
from pointsman.ledger.answering import body_of, refused, told
from pointsman.ledger.asking import ask
from pointsman.ledger.asking_draws import ask_draw
from pointsman.ledger.batches import BadBody, NewerSchema
from pointsman.ledger.console.desk import Desk
from pointsman.ledger.console.fleet.opening import fleet_of
from pointsman.ledger.console.opening import console_of
from pointsman.ledger.contract import LOOKUPS, QUESTIONS, Dialect, Store, StoreError
from pointsman.ledger.hour import REFRESH_S, WINDOW_MS, Hour
from pointsman.ledger.intake import Intake, TooLarge, decoded, now_ms
from pointsman.ledger.leases import BadLease, read
from pointsman.ledger.metrics import Metrics
from pointsman.ledger.people.opening import people_of
from pointsman.ledger.questions import Questions
from pointsman.ledger.reviewing.for_people import PREFIX as PEOPLE
from pointsman.ledger.reviewing.opening import Reviewing
from pointsman.ledger.reviewing.reading import translated
from pointsman.ledger.settings import Settings
from pointsman.ledger.threads import Threads
from pointsman.ledger.upkeep import Upkeep
from pointsman.process.connections import BOUNDS, BoundedServer, Bounds
from pointsman.process.listening import listen

_log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WRITERS: Final[dict[Dialect, int]] = {"sqlite": 1, "postgres": 2}
"""Transactions at once. While one waits for the server another is made; with more of them each
would hold less, and the same sums would be moved more often."""
_READY_S: Final = 2.0
"""How old the last sign of the store may be before it is looked at again."""


class Service:
    """One process; `start` opens no store."""

    def __init__(
        self, settings: Settings, store: Store, registry: CollectorRegistry, bounds: Bounds = BOUNDS
    ) -> None:
        self.metrics = Metrics(registry)
        self.draining = False
        self._hour, self._hour_until_s = Hour(), 0.0
        registry.register(self._hour)
        self._settings = settings
        self._store = store
        self._access = Access(settings.token_file)
        self._decoding = asyncio.Semaphore(settings.concurrent)
        self._ask = _threads("ledger-question", QUESTIONS, settings)
        self._look_up = _threads("ledger-lookup", LOOKUPS, settings)
        self._held = 0
        self._seen_s = 0.0
        self.intake = Intake(
            store,
            self.metrics,
            writers=WRITERS[store.dialect],
            waiting=settings.waiting,
            held_bytes=settings.concurrent * settings.max_body_bytes,
            timeout_s=settings.store_timeout_s,
        )
        self._upkeep = Upkeep(store, settings, self.metrics)
        self.people = people_of(settings.people, lambda why: self.metrics.turned.labels(why).inc())
        self.reviewing = Reviewing(store, settings, registry, self.people)
        self._fleet = fleet_of(settings)
        self._console = console_of(
            Desk(
                store, self.reviewing.desk, self.people, self._ask, now_ms,
                settings.store_timeout_s, settings.body_timeout_s, self._fleet,
            )
        )  # fmt: skip
        self._bounds = bounds
        self._runner: web.AppRunner | None = None
        self._connections: BoundedServer | None = None
        self._listeners: list[asyncio.Server] = []

    async def start(self) -> int:
        """Listen; the port that was bound."""
        app = web.Application(middlewares=[self._time, self._guard])
        app.router.add_post("/v1/events", self._events)
        app.router.add_post("/v1/leases", self._leases)
        app.router.add_post("/v1/draws", self._draws)
        Questions(self._store, self._ask, self._look_up).add_to(app.router)
        self.reviewing.add_to(app.router)
        if self._console is not None:
            self._console.add_to(app)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._print_metrics)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,  # with a bound, by the intake
            keepalive_timeout=90.0,
            shutdown_timeout=1.0,  # for questions: who sends events was waited for
        )
        await self._runner.setup()
        make = self._runner.server
        assert make is not None
        self._connections = BoundedServer(make, self._bounds)
        at = self._settings.listen
        self._listeners, port = await listen(self._connections, at.host, at.port)
        return port

    async def run(self, stop: asyncio.Event) -> None:
        """Write and keep house until `stop`, then finish what was begun."""
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(self.intake.run()),
                group.create_task(self._upkeep.run()),
                group.create_task(self.reviewing.run()),
                group.create_task(self._fleet.run()),
            ]
            await stop.wait()
            self.draining = True
            self.reviewing.desk.drain()
            _log.info("draining", extra={"held": self._held})
            try:
                async with asyncio.timeout(self._settings.drain_s):
                    while self._held:  # noqa: ASYNC110 - handlers end one by one, for seconds
                        await asyncio.sleep(0.01)
            except TimeoutError:
                _log.warning("cut", extra={"held": self._held})
            for part in parts:
                part.cancel()

    async def close(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._console is not None:
            await self._console.close()
        self._ask.close()
        self._look_up.close()
        self.reviewing.desk.close()

    @web.middleware
    async def _time(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """A connection's deadlines stand still while a request is in work."""
        connections, transport = self._connections, request.transport
        assert connections is not None
        connections.asking(transport)
        try:
            return await handler(request)
        finally:
            connections.answered(transport)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not request.path.startswith("/v1/"):
            return await handler(request)
        if request.path.startswith(PEOPLE):
            return await translated(request, handler)
        if why := self._access.why_foreign(request.headers):
            self.metrics.turned.labels("CrossSite").inc()
            return refused(HTTPStatus.FORBIDDEN, why)
        if not self._access.allows(request.headers.get("Authorization", "")):
            return refused(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or wrong")
        return await translated(request, handler)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.draining or self._held >= self._settings.waiting:
            answer = refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "draining" if self.draining else "too many at once"
            )
        else:
            self._held += 1
            self.metrics.waiting.set(self._held)
            try:
                answer = await self._take(request)
            except StoreError as error:
                _log.warning("store-away", extra={"reason": str(error)})
                answer = refused(HTTPStatus.SERVICE_UNAVAILABLE, "the store cannot be used now")
            finally:
                self._held -= 1
                self.metrics.waiting.set(self._held)
        self.metrics.answers.labels(str(answer.status)).inc()
        return answer

    async def _take(self, request: web.Request) -> web.Response:
        bound = self._settings.max_body_bytes
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        try:
            async with self._decoding:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    body = await body_of(request, bound)
                batch = await asyncio.to_thread(decoded, body, encoding, bound)
                del body
        except TimeoutError:
            return refused(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time")
        except BadBody as error:
            return refused(HTTPStatus.BAD_REQUEST, str(error))
        except NewerSchema as error:
            _log.error("newer-schema", extra={"reason": str(error)})
            return refused(HTTPStatus.CONFLICT, str(error))
        except TooLarge:
            return refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {bound:,} bytes, decoded"
            )
        begun_s = time.monotonic()
        taken = await self.intake.take(batch)
        self.metrics.seconds.observe(time.monotonic() - begun_s)
        self._seen_s = time.monotonic()
        return told({"next": taken.next})

    async def _question(self, request: web.Request, bound: int) -> bytes | web.Response:
        """The body, or what is answered instead."""
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                return await body_of(request, bound)
        except TimeoutError:
            return refused(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time")
        except TooLarge:
            return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {bound:,}")

    async def _leases(self, request: web.Request) -> web.StreamResponse:
        body = await self._question(request, MAX_LEASE_BYTES)
        if isinstance(body, web.Response):
            return body
        try:
            asked = read(body)
        except BadLease as error:
            return refused(HTTPStatus.BAD_REQUEST, str(error))
        return told(Answer(tuple(await self._look_up(self._store.lend, asked))))

    async def _draws(self, request: web.Request) -> web.StreamResponse:
        body = await self._question(request, draws.MAX_ASKED_BYTES)
        if isinstance(body, web.Response):
            return body
        try:
            asked = msgspec.json.decode(body, type=draws.Asked)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return refused(HTTPStatus.BAD_REQUEST, f"no question: {error}")
        return told(await self._ask(ask_draw, self._store, asked, now_ms()))

    async def _healthz(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        """Ready as long as the store gave a sign; asked by itself only if nobody else did."""
        problem = "draining" if self.draining else ""
        if not problem and time.monotonic() - self._seen_s > _READY_S:
            try:
                await self._look_up(self._store.ping)
                self._seen_s = time.monotonic()
            except StoreError as error:
                problem = str(error)
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        body = {"ready": not problem, "store": self._store.dialect}
        return told({**body, "problem": problem} if problem else body, status)

    async def _look_at_the_hour(self) -> None:
        """Before a scrape, if the last look is old; without the store the other metrics stay."""
        if time.monotonic() < self._hour_until_s:
            return
        self._hour_until_s = time.monotonic() + REFRESH_S
        now = now_ms()
        try:
            found = await self._ask(ask, self._store, now - WINDOW_MS, now)
        except StoreError:
            self._hour.show([], [])
        else:
            self._hour.show(found.lines, found.hosted)

    async def _print_metrics(self, _: web.Request) -> web.StreamResponse:
        await self._look_at_the_hour()
        await self.reviewing.desk.figure()
        return web.Response(
            body=generate_latest(self.metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )


def _threads(name: str, count: int, settings: Settings) -> Threads:
    return Threads(name, count, waiting=settings.waiting, within_s=settings.store_timeout_s)
