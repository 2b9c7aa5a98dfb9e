"""How many replicas each backend with scaling mode QueueDepth should have, decided every 2 s.

It writes nothing: what it decides, a reconcile of that backend applies, in one write with the rest
of the Deployment. It is asked again there, from what was observed just then.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from pointsman.api import names
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator import metrics
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.plan.objects import Json, meta
from pointsman.operator.plan.pods import ColdStarts, measured, ready_pods
from pointsman.operator.plan.scaling import (
    Bounds,
    Clamp,
    Decision,
    Fleet,
    Memory,
    RouterReport,
    decide,
    join,
    resumed,
)
from pointsman.operator.plan.scaling.bounds import allowed
from pointsman.operator.plan.scaling.demand import COLD_START_S
from pointsman.operator.plan.scaling.spec import bounds_of
from pointsman.operator.plan.scaling_status import (
    ScalingStatus,
    Told,
    is_news,
    scaling_status,
    told_in,
    told_of,
)
from pointsman.operator.plan.shifting import Capacity

log = logging.getLogger("pointsman.scaling")

DECIDE_S: Final = 2.0
"""Knative KPA's tick."""
DEBOUNCE_S: Final = 0.2
"""A jump of load is decided on so soon; many changes become one."""
WAKE_S: Final = 0.02
"""Who waits for a first replica is looked for so often, however busy other backends are."""
ASK_AGAIN_S: Final = 10.0
"""A reconcile that was asked for and failed has a back-off of its own."""


class Routers(Protocol):
    """What is asked of the router fleet."""

    def loads(self, backend: str, /) -> list[RouterReport | None]:
        """Each router's counts; None for one that is silent."""

    def mute(self) -> list[str]:
        """Names of those that are silent."""


@dataclass(slots=True)
class _Scaled:
    uid: str
    bounds: Bounds
    fleet: Fleet
    memory: Memory
    cold: ColdStarts
    written: Told
    """What status says."""
    heard_s: float
    """Monotonic; when there was data last, or since when it is waited for."""
    pods_since: int = 0
    """Generation of the Deployment that changed more than its replicas, last."""
    wrote_s: float = -1e9
    told: Told = field(default_factory=Told)
    """What status should say."""
    decision: Decision | None = None
    asked: tuple[int, float] = (-1, -1e9)
    """What a reconcile was asked for last, and when."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`found` is what the Deployment has; `left` is what we had left there, if that differs."""

    decision: Decision
    found: int
    left: int | None = None


class Scaler:
    """
    `on_due` is called with a backend that should be reconciled.

    `floor`: how many replicas it needs for what policies are about to send.
    """

    def __init__(
        self,
        routers: Routers,
        engines: EngineMetrics,
        orders: Orders,
        on_due: Callable[[str], None],
        *,
        floor: Callable[[str], int] = lambda _: 0,
        every_s: float = DECIDE_S,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routers = routers
        self._engines = engines
        self._orders = orders
        self._on_due = on_due
        self._floor = floor
        self._every_s = every_s
        self._clock = clock
        self._monotonic = monotonic
        self._scaled: dict[str, _Scaled] = {}
        self._woken = asyncio.Event()

    def observe(
        self, backend: ModelBackend, *, deployment: Json | None, pods: Sequence[Json], stored: Json
    ) -> Plan:
        """Decide from what a reconcile has just seen; raises Invalid for an unknown time zone."""
        spec, name = backend.spec, backend.metadata.name
        assert spec.queue_depth is not None, "mode QueueDepth only"
        assert spec.deployment is not None, "the kind's rules ask for it"
        bounds, ready = bounds_of(spec.queue_depth, ZoneInfo), ready_pods(pods)
        port = spec.deployment.port or names.DEFAULT_MODEL_PORT
        self._engines.watch(name, spec.deployment.engine, port, ready)
        known = self._scaled.get(name)
        if known is None or known.uid != backend.metadata.uid:
            known = None
        cold = known.cold if known else ColdStarts(before=_seconds(stored))
        cold = measured(cold, pods)
        fleet = Fleet(_replicas(deployment), len(ready), cold.median_s)
        left = known.fleet.replicas if known else fleet.replicas
        if known is None:
            written = told_in(stored)
            memory = resumed(written.memory, replicas=fleet.replicas, now_s=self._clock())
            known = _Scaled(
                backend.metadata.uid, bounds, fleet, memory, cold, written, self._monotonic()
            )
            known.pods_since = _generation(deployment)
            self._scaled[name] = known
        known.bounds, known.fleet, known.cold = bounds, fleet, cold
        known.written = told_in(stored)
        decision = self._decide(name, known)
        return Plan(decision, fleet.replicas, left if left != fleet.replicas else None)

    def settled(self, name: str, deployment: Json, *, scale_only: bool) -> None:
        """The Deployment is so now; `scale_only`: nothing but its replicas was changed."""
        if known := self._scaled.get(name):
            known.fleet = replace(known.fleet, replicas=_replicas(deployment))
            if not scale_only:
                known.pods_since = _generation(deployment)

    def forget(self, name: str) -> None:
        """It is gone, or somebody else's to scale."""
        self._engines.forget(name)
        if self._scaled.pop(name, None):
            for gauge in (metrics.QUEUE_DEPTH, metrics.DESIRED_REPLICAS):
                with contextlib.suppress(KeyError):
                    gauge.remove(name)

    def status(
        self, name: str, *, stored: Json, deployment: Json | None, fresh: bool
    ) -> ScalingStatus | None:
        """What status should say; not `fresh`: of the load what it says already."""
        known = self._scaled.get(name)
        if known is None:
            return None
        told = known.told if fresh else told_in(stored)
        return scaling_status(
            told,
            stored=stored,
            deployment=deployment,
            cold_start_s=known.cold.median_s,
            least=known.bounds.min_replicas,
            pods_since=known.pods_since,
        )

    def is_due(self, name: str) -> bool:
        """Whether the load alone is worth a write of status."""
        known = self._scaled.get(name)
        return known is not None and self._news(known)

    def wrote(self, name: str, status: Json) -> None:
        """Status is so now; meanwhile there may have been other decisions."""
        if known := self._scaled.get(name):
            known.written, known.wrote_s = told_in(status), self._monotonic()

    def capacity(self, name: str) -> Capacity | None:
        """What of it is ready and how far it may grow; None if it was not looked at yet."""
        known = self._scaled.get(name)
        if known is None:
            return None
        bounds, ahead_s = known.bounds, known.cold.median_s or COLD_START_S
        least, most, _ = allowed(bounds, now_s=self._clock(), ahead_s=ahead_s)
        return Capacity(known.fleet.ready, bounds.target_requests, least, most)

    def on_load(self) -> None:
        """Some load changed; cheap, since it is called for each line of each router."""
        self._woken.set()

    async def run(self) -> None:
        """For ever: all of them every 2 s, and those soon whose load jumped."""
        due_s = self._monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due_s - self._monotonic())):
                    await self._woken.wait()
                    await self._debounce()
            self._woken.clear()
            if self._monotonic() >= due_s:
                due_s = self._monotonic() + self._every_s
                await self.tick(list(self._scaled))
            else:
                await self.tick([name for name in self._scaled if self.jumped(name)])

    async def _debounce(self) -> None:
        """Take many changes for one; whoever waits for a first replica is looked for meanwhile."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + DEBOUNCE_S
        while (left_s := end_s - clock()) > 0:
            if self._woken.is_set():
                self._woken.clear()
                await self.tick([name for name in self._scaled if self.wanted(name)])
            await asyncio.sleep(min(left_s, WAKE_S))

    async def tick(self, backends: Iterable[str]) -> None:
        """Decide for these, and ask for a reconcile where something has to be written."""
        for name in backends:
            await asyncio.sleep(0)  # hundreds of decisions must not hold up the loop
            known = self._scaled.get(name)
            if known is None:
                continue
            desired, now_s = self._decide(name, known).desired, self._monotonic()
            if desired == known.fleet.replicas and not self._news(known):
                continue
            if known.asked[0] != desired or now_s - known.asked[1] >= ASK_AGAIN_S:
                known.asked = (desired, now_s)
                self._on_due(name)

    def wanted(self, name: str) -> bool:
        """Whether somebody waits for its first replica, or because the last one was to go."""
        waits = self._scaled[name].fleet.replicas == 0 or self._orders.is_meant(name)
        return waits and self._load(name) > 0

    def jumped(self, name: str) -> bool:
        """Whether there is more than the ready replicas take, and more than at the last look."""
        known, load = self._scaled[name], self._load(name)
        before = (known.decision.observed if known.decision else None) or 0
        return load > max(before, known.fleet.ready * known.bounds.target_requests)

    def _load(self, name: str) -> int:
        return sum(one.held + one.in_flight for one in self._routers.loads(name) if one)

    def _news(self, known: _Scaled) -> bool:
        return is_news(known.told, known.written, since_s=self._monotonic() - known.wrote_s)

    def _decide(self, name: str, known: _Scaled) -> Decision:
        engines, then = self._engines.reports(name)
        signal = join(self._routers.loads(name), engines, in_flight_then=then)
        now_s = self._monotonic()
        if signal is not None:
            known.heard_s = now_s
        decision, known.memory = decide(
            known.bounds,
            known.memory,
            signal=signal,
            fleet=known.fleet,
            now_s=self._clock(),
            holding=self._orders.is_held(name),
            floor=self._floor(name),
        )
        if decision.clamped_by is Clamp.UNCONFIRMED:
            self._orders.hold(name)  # what confirms it, asks for a reconcile
        elif decision.desired and self._orders.is_meant(name):
            self._orders.end(name)  # somebody came in between
        known.decision = decision
        known.told = told_of(
            decision,
            known.memory,
            known.bounds,
            before=known.written,
            silent_s=now_s - known.heard_s,
            silent=[*self._routers.mute(), *self._engines.silent(name)],
        )
        metrics.DESIRED_REPLICAS.labels(name).set(decision.desired)
        if signal is not None:
            metrics.QUEUE_DEPTH.labels(name).set(signal.load)
        else:
            with contextlib.suppress(KeyError):
                metrics.QUEUE_DEPTH.remove(name)
        return decision


def _replicas(deployment: Json | None) -> int:
    return 0 if deployment is None else int((deployment.get("spec") or {}).get("replicas", 1))


def _generation(deployment: Json | None) -> int:
    return int(meta(deployment or {}).get("generation") or 0)


def _seconds(stored: Mapping[str, object]) -> float | None:
    found = stored.get("coldStartSeconds")
    return float(found) if isinstance(found, int) and found > 0 else None
