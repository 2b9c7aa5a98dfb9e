"""All reviews that somebody at this router waits for: one question to the ledger for all of them.

Guarantees bounds on how many wait and on their bytes, that a decision is heard within a second of
the ledger's, and that a ledger which is away is asked again with growing pauses (0.2 to 2 s).
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from pointsman.events.reviews import MAX_IDS, Answering, Decided
from pointsman.router.errors import Problem, Refused
from pointsman.router.histogram import Histogram
from pointsman.router.serve.review.ledger import Away, Barred, Reviews

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.review.running import Ran

_log = logging.getLogger(__name__)
MOST: Final = MAX_IDS
"""Connections that wait here, for answers and polls together."""
MOST_POLLS: Final = 500
"""Of them: whoever polls too often takes no connection's place that waits with its request, and of
those for polls no more than are left, so that others find some."""
MOST_BYTES: Final = 128 * 1024 * 1024
"""Of the requests and answers that they wait with."""
MOST_HEARD: Final = 64
"""Streams whose text is gathered at once."""
_ASK_S: Final = 15.0
_LEAST_S: Final = 0.25
"""A question stands so long before it is asked anew because others wait as well."""
_LONGEST_PAUSE_S: Final = 2.0
_RENEW_S: Final = 20.0
_TELL_S: Final = 60.0
"""How long the ledger is told that an answer was delivered."""
_SOON_S: Final = 5.0
_WAIT_S: Final = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
_PREFIX: Final = "pointsman_router_"
Heard = Callable[[Decided], None]


class Waiter(Protocol):
    """A connection."""

    policy: str
    """Empty for a poll."""
    caller: str
    bytes: int

    def cut_off(self) -> None:
        """The router ends."""


class Desk(Collector):
    """Of one data plane; `ledger` None: this router has none."""

    def __init__(self, plane: "DataPlane", ledger: Reviews | None) -> None:
        self._plane = plane
        self._ledger = ledger
        self.holder = secrets.token_hex(8)
        """Who takes approved requests for those that poll."""
        self.runs: dict[str, asyncio.Task[Ran]] = {}
        """Approved requests that run here for who polls."""
        self.listening = 0
        self._waiters: set[Waiter] = set()
        self._bytes = self._polls = 0
        self._polls_of: Counter[str] = Counter()
        self._watched: dict[str, list[Heard]] = {}
        self._changed = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._waits: dict[str, Histogram] = {}
        plane.metrics.registry.register(self)

    @property
    def ledger(self) -> Reviews:
        """Raises Away where there is none."""
        if self._ledger is None:
            raise Away("this router has no ledger")
        return self._ledger

    # Who waits.

    def admit(self, waiter: Waiter, size: int) -> None:
        """It waits from now on. Raises Refused where too many do."""
        full = not waiter.policy and self._polls_of[waiter.caller] >= MOST_POLLS - self._polls
        if full or len(self._waiters) >= MOST or self._bytes + size > MOST_BYTES:
            message = "Too many requests wait for a person at this router."
            raise Refused(message, code="review_full", retry_after_s=5)
        self._waiters.add(waiter)
        self._poll(waiter, 1)
        waiter.bytes = size
        self._bytes += size

    def leave(self, waiter: Waiter) -> None:
        """It does not any more; may be called twice."""
        if waiter in self._waiters:
            self._waiters.discard(waiter)
            self._poll(waiter, -1)
            self._bytes -= waiter.bytes

    def _poll(self, waiter: Waiter, more: int) -> None:
        if not waiter.policy:
            self._polls += more
            self._polls_of[waiter.caller] += more
            if not self._polls_of[waiter.caller]:
                del self._polls_of[waiter.caller]

    def count(self, policy: str, mode: str, outcome: str, waited_s: float | None = None) -> None:
        """One review is over here."""
        key = (policy, mode, outcome)
        self._outcomes[key] = self._outcomes.get(key, 0) + 1
        if waited_s is not None:
            self._waits.setdefault(policy, Histogram(_WAIT_S)).observe(waited_s)

    def release(self) -> None:
        """The router ends: whoever waits comes back to another one."""
        for waiter in list(self._waiters):
            waiter.cut_off()

    # What the ledger says.

    def watch(self, review: str, heard: Heard) -> None:
        """Tell when it has ended, once."""
        self._watched.setdefault(review, []).append(heard)
        self._changed.set()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask_on())
            self._asking.add_done_callback(self._done)

    def unwatch(self, review: str, heard: Heard) -> None:
        """Do not."""
        found = self._watched.get(review, [])
        if heard in found:
            found.remove(heard)
        if not found and self._watched.pop(review, None) is not None:
            self._changed.set()

    async def _ask_on(self) -> None:
        failures = 0
        while self._watched:
            self._changed.clear()
            again_s = self._plane.clock() + _LEAST_S
            ids = tuple(list(self._watched)[:MAX_IDS])
            asking = asyncio.ensure_future(self._ask(ids))
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({asking}, timeout=_LEAST_S)
                await asyncio.wait({asking, changed}, return_when=asyncio.FIRST_COMPLETED)
                if asking.done():
                    failures = 0 if asking.result() else failures + 1
            finally:
                asking.cancel()
                changed.cancel()
            if failures and self._watched:
                await asyncio.sleep(min(0.2 * 2 ** min(failures - 1, 8), _LONGEST_PAUSE_S))
            elif (early_s := again_s - self._plane.clock()) > 0:  # it may let nobody wait
                await asyncio.sleep(early_s)

    async def _ask(self, ids: tuple[str, ...]) -> bool:
        """False if the ledger is away."""
        try:
            ended = await self.ledger.decided(ids, _ASK_S)
        except Away as away:
            _log.warning("reviews-away", extra={"reason": str(away)})
            return False
        lost = [
            Decided(id=one, state="TimedOut", request_hash="", stage="Request")
            for one in ended.unknown  # of a ledger that was replaced: nobody will ever decide
        ]
        for decided in (*ended.decided, *lost):
            for heard in self._watched.pop(decided.id, ()):
                heard(decided)
        return True

    # What the ledger is told.

    def errand(self, doing: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Do it beside the requests."""
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None] | asyncio.Task[Ran]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Problem):
            self._plane.bug()
            _log.error("a review met a bug", exc_info=error)

    def delivered(self, review: str) -> None:
        """Its caller has the answer: a further request of the same text is another one."""
        self._telling[review] = told = self.errand(self._tell(review))
        told.add_done_callback(lambda _: self._told(review))

    def answered(self, review: str, answering: Answering) -> None:
        """The same, of an approved request: others that wait for it get this answer."""
        self._telling[review] = told = self.errand(self._tell(review, answering))
        told.add_done_callback(lambda _: self._told(review))

    def _told(self, review: str) -> None:
        """Known for a while: who asked the ledger before may hear only now that there is one."""
        asyncio.get_running_loop().call_later(_SOON_S, self._telling.pop, review, None)

    async def told(self, review: str) -> bool:
        """True if it was being told a moment ago that this one was delivered, and is told now."""
        telling = self._telling.get(review)
        if telling is None:
            return False
        await asyncio.wait({telling}, timeout=_SOON_S)
        return True

    async def _tell(self, review: str, answering: Answering | None = None) -> None:
        pause_s, by_s = 0.2, self._plane.clock() + _TELL_S
        while self._plane.clock() < by_s:
            try:
                if answering is not None:
                    await self.ledger.answer(review, answering)
                await self.ledger.delivered(review)
            except Away:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return
        _log.warning("review-not-told", extra={"review": review})

    async def keep(self, review: str, holder: str) -> None:
        """Keep an approved request from others while it runs, until this is cancelled."""
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self.ledger.take(review, holder)
            except Away:
                continue
            except Barred:
                return

    def run(self, review: str, running: "asyncio.Task[Ran]") -> None:
        """It runs for all that poll, whoever leaves."""

        def over(_: "asyncio.Task[Ran]") -> None:
            self.runs.pop(review, None)
            self._done(running)

        self.runs[review] = running
        running.add_done_callback(over)

    async def close(self, deadline_s: float) -> None:
        """Tell what is to be told within the deadline; nothing runs afterwards."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=deadline_s)
        left = [*self._tasks, *self.runs.values(), *([self._asking] if self._asking else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        known = {policy.name for policy in self._plane.live.table.policies}
        held = GaugeMetricFamily(
            _PREFIX + "review_held", "Requests that wait for a person.", labels=["policy"]
        )
        waiting: dict[str, int] = {}
        for waiter in self._waiters:
            if waiter.policy:  # else it polls
                waiting[waiter.policy] = waiting.get(waiter.policy, 0) + 1
        for policy, count in waiting.items():
            held.add_metric([policy], count)
        yield held
        reviews = CounterMetricFamily(
            _PREFIX + "reviews", "Requests that a person had to see, by what became of them.",
            labels=["policy", "mode", "outcome"],
        )  # fmt: skip
        for key, count in self._outcomes.items():
            if key[0] in known:
                reviews.add_metric(key, count)
        yield reviews
        waits = HistogramMetricFamily(
            _PREFIX + "review_wait_seconds", "How long a request waited for a person.",
            labels=["policy"],
        )  # fmt: skip
        for policy, waited in self._waits.items():
            if policy in known:
                waits.add_metric([policy], waited.buckets(), waited.total)
        yield waits
