"""Requests that a candidate answers as well: in the background, unseen by those who asked.

Guarantees that no answer waits for it or changes by it, that what runs, waits and is kept has a
bound in number, bytes and time, that money is set aside before it is spent, and that a text leaves
this process by `take` only, once. Loaded only where a policy's rollout has a shadow phase.

| a request of the shadow's part               | outcome                                     |
|----------------------------------------------|---------------------------------------------|
| was answered by both                         | Compared: a pair, until it is taken         |
| would go to the same backend                 | Equal: nobody is asked                      |
| may do something twice; is too large         | SideEffects; TooLarge                       |
| came in another API's words                  | Translated                                  |
| has data of a class above Public, by its own | DataClass                                   |
| or by the rule of either revision            |                                             |
| finds no room, or too little money           | Full; SpendCap, OtherCurrency               |
| met no server, or a limit of its backend     | NoServer; Limited                           |
| was under way when the router ends           | Dropped                                     |
| was not taken in time                        | Expired                                     |
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.api.pairs import MOST_PAIRS, Outcome, Pair, Pairs
from pointsman.router.errors import Problem
from pointsman.router.serve import aside as asides
from pointsman.router.serve.arms import Arm
from pointsman.router.serve.attempt import OK
from pointsman.router.serve.budgets import most_nano
from pointsman.router.serve.governing import data_rank_of
from pointsman.router.serve.mirror import Job, Kept, Mirror, pair_of, spent_nano, task_of
from pointsman.router.wire.mirrored import second
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.spoken import Spoken
from pointsman.router.wire.sse import HeardTail, StreamTail
from pointsman.routing.compiled import Canary

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.exchange import Exchange

_log = logging.getLogger(__name__)
AT_ONCE: Final = 4
"""Of one router: what runs beside callers' requests takes little of their servers."""
MOST_WAITING: Final = 32
MOST_WAITING_BYTES: Final = 8 * 1024 * 1024
MOST_BODY_BYTES: Final = 256 * 1024
MOST_KEPT: Final = 64
MOST_KEPT_BYTES: Final = 8 * 1024 * 1024
KEPT_S: Final = 120.0
"""The leader takes pairs each 2 s; another one may have to be elected."""
MOST_HEARD: Final = 64
"""Streams whose text is gathered at once: 92 KiB each."""
_NO_SERVER: Final = frozenset(("Cold", "NoEndpoint", "CannotStart", "HoldFull", "NoCredential"))
_LIMITED: Final = frozenset(("Http429", "Saturated"))


def _rank(exchange: "Exchange") -> int:
    """The class of its data: its own, or that of the rule it took."""
    taken = getattr(exchange, "taken", None)
    return exchange.data_rank if taken is None else data_rank_of(exchange, taken)


class Mirrored(Arm):
    """The stable arm, for one request that the candidate shall answer as well."""

    __slots__ = ("_mirror", "_shadows", "heard")
    hears = True

    def __init__(self, shadows: "Shadows", mirror: Mirror) -> None:
        self._shadows = shadows
        self._mirror = mirror
        self.heard: Spoken | None = None

    def count(self, exchange: "Exchange", now_s: float) -> None:
        """It is over: counted as any other of the stable arm, and offered."""
        self._mirror.of_stable.count(exchange, now_s)
        self._shadows.offer(self._mirror, exchange, self.heard, now_s)

    def listen(self, tail: StreamTail) -> StreamTail:
        """For a stream: its text as well, where there is room; of the last attempt alone."""
        if self.heard is None:
            if self._shadows.listening >= MOST_HEARD:
                return tail
            self._shadows.listening += 1
        self.heard = heard = Spoken()
        return HeardTail(tail, partial(_hear, heard))


def _hear(heard: Spoken, piece: bytes) -> None:
    """The stream goes on whatever becomes of it."""
    try:
        heard.feed(piece)
    except Exception as error:  # noqa: BLE001 - the text stays out of the log
        heard.give_up()
        _log.error("shadow-not-heard", extra={"reason": type(error).__name__})


class Shadows(Collector):
    """All of a router."""

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane
        self._aside: asides.Aside | None = None
        """Since one was sent: the router listens by then."""
        self._mirrors: dict[str, Mirror] = {}
        self._waiting: deque[Job] = deque()
        self._waiting_bytes = self._kept_bytes = 0
        self._running: set[asides.Nobody] = set()
        self._soon: asyncio.Handle | None = None
        self._purge: asyncio.TimerHandle | None = None
        self._closed = False
        self.listening = 0
        plane.metrics.registry.register(self)

    def follow(
        self, wanted: Mapping[str, tuple[str, Arm, Canary]], wall: float
    ) -> dict[str, Mirror]:
        """By policy (the stable revision, its arm, the candidate): these have a shadow now."""
        found: dict[str, Mirror] = {}
        for name, (stable, arm, canary) in wanted.items():
            shadow = canary.shadow
            assert shadow is not None, "seen to before"
            mirror = self._mirrors.get(name)
            if mirror is None or (
                mirror.of_stable is not arm or mirror.shadow.began_ms != shadow.began_ms
            ):
                mirror = Mirror(arm, stable, canary.policy, shadow, int(wall * 1000))
            mirror.policy, mirror.shadow = canary.policy, shadow
            found[name] = mirror
        for name, mirror in self._mirrors.items():
            if found.get(name) is not mirror:
                self._forget(mirror)
        self._mirrors = found
        return found

    def offer(
        self, mirror: Mirror, exchange: "Exchange", heard: Spoken | None, now_s: float
    ) -> None:
        """An exchange of the stable arm that is over: whether it is sent again is told later."""
        self.listening -= heard is not None
        try:
            why = self._offer(mirror, exchange, heard, now_s)
        except Exception as error:  # noqa: BLE001 - the caller has its answer; counted and logged
            why = self._bug(error)
        if why is not None:
            mirror.note(why)

    def mirrored(self, mirror: Mirror) -> Arm:
        """The arm of a request that the candidate shall answer as well."""
        return Mirrored(self, mirror)

    def take(self, policy: str) -> Pairs | None:
        """What is told of a policy's shadow; its pairs are given away."""
        mirror = self._mirrors.get(policy)
        if mirror is None:
            return None
        self._expire()
        given = [mirror.kept.popleft() for _ in range(min(MOST_PAIRS, len(mirror.kept)))]
        self._kept_bytes -= sum(one.size for one in given)
        return Pairs(
            stable=mirror.stable,
            candidate=mirror.policy.revision,
            since_ms=mirror.since_ms,
            began_ms=mirror.shadow.began_ms,
            equal=dict(mirror.equal),
            outcomes=dict(mirror.outcomes),
            spent_nano=mirror.spent_nano,
            spent_up=mirror.spent_up,
            pairs=tuple(one.pair for one in given),
        )

    def close(self) -> None:
        """The router ends: what runs is cut, what waits and is kept is dropped."""
        self._closed = True
        for job in self._waiting:
            job.mirror.note("Dropped")
        self._waiting.clear()
        self._waiting_bytes = 0
        for nobody in list(self._running):
            if nobody.exchange is not None:
                nobody.exchange.client_gone()
        for mirror in self._mirrors.values():
            self._forget(mirror)
        for handle in (self._soon, self._purge):
            if handle is not None:
                handle.cancel()
        self._soon = self._purge = None

    @property
    def held(self) -> dict[str, int]:
        """What is not over, by kind."""
        return {
            "waiting": len(self._waiting),
            "bytes": self._waiting_bytes,
            "running": len(self._running),
            "heard": self.listening,
            "aside": sum(mirror.aside_nano for mirror in self._mirrors.values()),
        }

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        counted = CounterMetricFamily(
            "pointsman_router_shadow_requests",
            "Requests of the stable revision that a candidate was to answer as well, by what became"
            " of them; gone when the shadow has ended.",
            labels=("policy", "outcome"),
        )
        for name, mirror in self._mirrors.items():
            for outcome, count in mirror.outcomes.items():
                counted.add_metric((name, outcome), count)
        yield counted

    # A request's way.

    def _offer(  # noqa: PLR0911 - a table
        self, mirror: Mirror, told: "Exchange", heard: Spoken | None, now_s: float
    ) -> Outcome | None:
        """Why it is not sent again; None if it may be, or says nothing of its revision."""
        if self._closed or told.track is None or told.track.backend is None:
            return None
        answered = told.code == 200
        if not (answered or told.code >= 500) or not told.operation.generates:
            return None
        if self._mirrors.get(told.policy.name) is not mirror:
            return "Dropped"
        if _rank(told):
            return "DataClass"
        if told.translated:
            return "Translated"
        size = len(told.request.body) + len(told.end)
        whole = told.said is not NO_ANSWER
        if len(told.request.body) > MOST_BODY_BYTES or (
            answered and not whole and not told.streamed
        ):
            return "TooLarge"
        if mirror.room_nano(self._plane.live.routers) <= 0 < mirror.shadow.max_spend_nano:
            mirror.spent_up = True
            return "SpendCap"
        full = self._waiting_bytes + size > MOST_WAITING_BYTES
        if full or len(self._waiting) >= MOST_WAITING or (told.streamed and heard is None):
            return "Full"
        self._waiting.append(Job(mirror, told, heard, now_s - told.received_s, size))
        self._waiting_bytes += size
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._next)
        return None

    def _next(self) -> None:
        """Begin as many as may run; not in the turn in which a caller is answered."""
        self._soon = None
        while self._waiting and len(self._running) < AT_ONCE:
            job = self._waiting.popleft()
            self._waiting_bytes -= job.size
            try:
                why = self._begin(job)
            except Exception as error:  # noqa: BLE001 - nobody waits for it; counted and logged
                why = self._bug(error)
            if why is not None:
                job.mirror.note(why)

    def _begin(self, job: Job) -> Outcome | None:  # noqa: PLR0911 - a table
        mirror, told = job.mirror, job.told
        if self._mirrors.get(mirror.policy.name) is not mirror:
            return "Dropped"
        body = second(told.request.body)
        if body is None:
            return "SideEffects"
        if self._aside is None:
            self._aside = asides.Aside(self._plane, self._ended)
        exchange = self._aside.exchange(told, body, job)
        exchange.policy = mirror.policy
        try:
            job.wants_json = asides.decide(exchange)
        except Problem as problem:
            if _rank(exchange):
                return "DataClass"
            exchange.refuse(problem)  # its revision cannot answer it: that is an answer as well
            return None
        if _rank(exchange):
            return "DataClass"
        backend, shadow = exchange.candidates[0], mirror.shadow
        if told.code == 200 and told.track is not None and told.track.of[1] == backend:
            task = task_of(exchange)
            mirror.equal[task] = mirror.equal.get(task, 0) + 1
            return "Equal"
        if any(one.prices and one.currency != shadow.currency for one in exchange.candidates):
            return "OtherCurrency"
        most = most_nano(exchange, shadow.currency, self._plane.wall())
        if most > mirror.room_nano(self._plane.live.routers):
            mirror.spent_up = True
            return "SpendCap"
        mirror.spent_up = False
        job.aside_nano = most
        mirror.aside_nano += most
        self._running.add(cast("asides.Nobody", exchange.client))
        exchange.run()
        return None

    def _ended(self, exchange: "Exchange") -> None:
        """What `Aside` says of an exchange."""
        nobody = cast("asides.Nobody", exchange.client)
        job = cast("Job", nobody.job)
        self._running.discard(nobody)
        try:
            spent = spent_nano(exchange, job, self._plane.wall())
            job.mirror.aside_nano -= job.aside_nano
            job.mirror.spent_nano += spent
            why = self._compare(job, exchange, spent)
        except Exception as error:  # noqa: BLE001 - nobody waits for it; counted and logged
            why = self._bug(error)
        job.mirror.note(why)
        if self._waiting and self._soon is None and not self._closed:
            self._soon = asyncio.get_running_loop().call_soon(self._next)

    def _compare(self, job: Job, exchange: "Exchange", spent: int) -> Outcome:
        mirror = job.mirror
        if self._closed or self._mirrors.get(mirror.policy.name) is not mirror:
            return "Dropped"
        reasons = {fault.reason for _, fault in exchange.failures[-1:]}
        if exchange.outcome != OK and reasons & _NO_SERVER:
            return "NoServer"
        if exchange.outcome != OK and reasons & _LIMITED:
            return "Limited"
        if exchange.outcome == OK and exchange.code == 200 and exchange.said is NO_ANSWER:
            return "TooLarge"
        latency_s = self._plane.clock() - exchange.received_s
        pair = pair_of(job, exchange, latency_s, spent)
        self._keep(mirror, pair)
        return "Compared"

    def _keep(self, mirror: Mirror, pair: Pair) -> None:
        now_s, texts = self._plane.clock(), (pair.question, pair.control.text, pair.candidate.text)
        size = sum(map(len, texts))
        mirror.kept.append(Kept(pair, size, now_s + KEPT_S))
        self._kept_bytes += size
        every = self._mirrors.values()
        while self._kept_bytes > MOST_KEPT_BYTES or sum(len(o.kept) for o in every) > MOST_KEPT:
            self._let_go(next(one for one in (mirror, *every) if one.kept))
        if self._purge is None:
            self._wait(now_s)

    def _expire(self) -> None:
        """Let go of what nobody has taken; again later, while there is something."""
        if self._purge is not None:
            self._purge.cancel()
            self._purge = None
        now_s = self._plane.clock()
        for mirror in self._mirrors.values():
            while mirror.kept and mirror.kept[0].until_s <= now_s:
                self._let_go(mirror)
        self._wait(now_s)

    def _wait(self, now_s: float) -> None:
        oldest_s = min((m.kept[0].until_s for m in self._mirrors.values() if m.kept), default=None)
        if oldest_s is not None:
            loop = asyncio.get_running_loop()
            self._purge = loop.call_later(oldest_s - now_s, self._expire)

    def _let_go(self, mirror: Mirror) -> None:
        self._kept_bytes -= mirror.kept.popleft().size
        mirror.note("Expired")

    def _forget(self, mirror: Mirror) -> None:
        self._kept_bytes -= sum(one.size for one in mirror.kept)
        mirror.kept.clear()

    def _bug(self, error: Exception) -> Outcome:
        """Its class alone: a message may quote a text."""
        self._plane.bug()
        _log.error("shadow-lost", extra={"reason": type(error).__name__})
        return "Bug"
