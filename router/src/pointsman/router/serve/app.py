"""The data plane: listens, carries every request through stack.py, drains.

Guarantees that after `drain` no socket, task or timer of it is left, and that no request was lost
without a word. Keeps nothing of a request that is over.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pointsman.process.listening import listen
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.policy import retry
from pointsman.router.policy.feedback import Allowances
from pointsman.router.serve import budgets
from pointsman.router.serve.account import account
from pointsman.router.serve.arms import Arms
from pointsman.router.serve.choosing import Conversations
from pointsman.router.serve.endpoints import Balancers
from pointsman.router.serve.exchange import Exchange
from pointsman.router.serve.failing import Failing
from pointsman.router.serve.holds import Holds
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.listener import ClientConnection
from pointsman.router.serve.plane import Ids, Plane
from pointsman.router.serve.providers import Providers
from pointsman.router.serve.quotas import Quotas, settle
from pointsman.router.serve.spill import Spill
from pointsman.router.serve.tracks import Tracks
from pointsman.router.serve.upstream import Pools
from pointsman.router.serve.wheel import Wheel
from pointsman.router.stack import arrival_layers
from pointsman.router.wire.heads import Heads

if TYPE_CHECKING:
    from pointsman.router.proxy import Proxy
    from pointsman.router.serve.pinned import Asking
    from pointsman.router.serve.review.desk import Desk
    from pointsman.router.serve.review.ledger import Reviews

_CLOSE_S = 1.0
"""How long closed connections may take to say so."""


def code() -> str:
    """Which form of the request path runs here: `plain` sources, or `compiled` ones."""
    return "plain" if __file__.endswith(".py") else "compiled"


class DataPlane(Plane):
    """
    One router's data plane.

    `clock` is monotonic seconds, `wall` Unix time, `dice` in [0, 1).
    """

    holds: Holds

    def __init__(
        self,
        live: Live,
        limits: Limits,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
        proxy: "Proxy | None" = None,
    ) -> None:
        self.live = live
        self._proxy = proxy
        self.limits = limits
        self.metrics = metrics
        self.clock = clock
        self.wall = wall
        self.dice = dice
        self.record = None
        self.ledger = None
        self.reviews: Reviews | None = None
        """The ledger, for what people look at."""
        self._desk: Desk | None = None
        self.traces = None
        self.arrival = arrival_layers()
        self.tracks = Tracks(live, metrics)
        self.holds = holds = Holds(live, clock)
        self.spill = Spill(live, holds)
        self.balancers = Balancers(live)
        holds.ejected_of = self.balancers.ejected_of
        metrics.ejected = self.balancers.ejected
        metrics.answering = self.tracks.answering
        self.providers = Providers()
        self.conversations = Conversations()
        self.arms = Arms(self)
        self.governors = None
        self.quotas = Quotas(live, clock)
        self.allowances = Allowances()
        self.budgets = budgets.Budgets(live, metrics, wall)
        self.budget = retry.BUDGET_START
        metrics.in_flight = live.in_flight
        metrics.held = live.held
        live.served = metrics.served
        live.failing = Failing(live, metrics, clock).told
        live.arms = metrics.arms = self.arms.told
        self._clients: set[ClientConnection] = set()
        self.asking: set[Asking] = set()
        """Pinned requests in work."""
        self._running = 0
        self.refusing = False
        self._hurried = False
        self.heads = Heads()
        self.held_bodies_bytes = 0
        """Large request bodies that are held now; each connection counts its own."""
        self._servers: list[asyncio.Server] = []
        self._changed = asyncio.Event()
        self.ids = Ids(secrets.token_hex(5).encode())

    @property
    def desk(self) -> "Desk":
        """Where requests wait for people; loaded with the first."""
        if self._desk is None:
            from pointsman.router.serve.review.desk import Desk  # noqa: PLC0415

            self._desk = Desk(self, self.reviews)
        return self._desk

    async def start(self, host: str, port: int) -> int:
        """Listen; the bound port."""
        loop = asyncio.get_running_loop()
        self.wheel = Wheel(loop, self.clock, self.limits.tick_s)
        self.pools = Pools(self.limits, self.wheel, self.clock, self._proxy)
        client = partial(ClientConnection, self)
        self._servers, bound = await listen(client, host, port)
        return bound

    async def drain(self, deadline_s: float, *, delay_s: float = 0.0) -> int:
        """
        Serve on for `delay_s`, finish what runs within `deadline_s`, close; how many were cut.

        | phase    | connections from before  | new ones                                  |
        | delay    | served, told to close    | the same: load balancers do not know yet  |
        | drain    | the same                 | 503 with Retry-After                      |
        | deadline | cut: an error event in a stream that has begun, else 503             |

        Each connection is told with its next answer: asked once more, it is not asked again.
        """
        self.live.draining = True
        self.arms.close()
        for client in self._clients:
            client.tell_to_close()
        await self._until(lambda: self._hurried, delay_s)
        self.refusing = True
        if self._desk is not None:
            self._desk.release()
        await self._until(lambda: self._hurried or not self._holds_work(), deadline_s)
        cut = self._running
        for server in self._servers:
            server.close()
        self._servers.clear()
        for client in list(self._clients):
            client.end()
        for asking in list(self.asking):
            asking.end()
        await self._until(lambda: not self._clients, _CLOSE_S)
        for client in list(self._clients):
            client.abort()
        await self.pools.close()
        if self._desk is not None:
            await self._desk.close(_CLOSE_S)
        if self.reviews is not None:
            await self.reviews.close()
        await self._until(lambda: not self._clients, _CLOSE_S)
        self.wheel.stop()
        return cut

    def hurry(self) -> None:
        """End a drain now: cut what runs."""
        self._hurried = True
        self._changed.set()

    def _holds_work(self) -> bool:
        """A request is in work, or on its way in on a connection that will be served."""
        return self._running > 0 or any(c.admitted and c.in_request for c in self._clients)

    async def _until(self, holds: Callable[[], bool], deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    # What connections and exchanges say.

    def opened(self, client: ClientConnection) -> bool:
        """False if there are too many."""
        self._clients.add(client)
        self.metrics.connections = len(self._clients)
        return len(self._clients) <= self.limits.connections

    def closed(self, client: ClientConnection) -> None:
        """A client's connection is gone."""
        self._clients.discard(client)
        self.metrics.connections = len(self._clients)
        self._changed.set()

    def began(self) -> None:
        """An exchange is in work."""
        self._running += 1

    def ended(self, exchange: Exchange) -> None:
        """An exchange is over."""
        now_s = self.clock()
        if exchange.ticket is not None:
            settle(exchange)
        try:
            account(exchange, exchange.code, now_s)
        finally:
            if exchange.charges:
                budgets.settle(exchange)
        if exchange.arm is not None:
            exchange.arm.count(exchange, now_s)
        if self.record is not None and exchange.track is not None:
            self.record(exchange, now_s)
        if self.traces is not None:
            self.traces.ended(exchange, now_s)
        self.finished()

    def finished(self) -> None:
        """What was in work is over."""
        self._running -= 1
        if not self._running and self.live.draining:
            self._changed.set()
