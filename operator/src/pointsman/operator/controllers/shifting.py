"""Weights of policies that move: how far they may now, and what replicas are wanted for it.

It writes nothing. What is in force stands in the manifest's object; kept here is only what can be
measured again: the load, and what was read last. A step that has become possible asks for a
reconcile of the table, which decides it again from fresh reads.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final, NamedTuple, Protocol

from pointsman.api import table
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.objects import Json, conditions_of, name_of
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.scaling.memory import PANIC_S, STABLE_S
from pointsman.operator.plan.shifting import (
    Advance,
    Before,
    Capacity,
    Load,
    Moving,
    Scene,
    Shift,
    Steered,
    Targets,
    advance,
    ended_between,
    is_overdue,
    steer,
)
from pointsman.operator.plan.table import TablePlan

EVERY_S: Final = 2.0
"""As the replicas are decided on."""
READ_S: Final = 15.0
"""While something moves the table is reconciled so often: only reads tell of backends that the
operator does not scale."""


class Routers(Protocol):
    """What is asked of the router fleet."""

    def totals(self) -> Mapping[str, int] | None:
        """Requests of all routers by backend; None if one does not say."""

    def served(self) -> Mapping[str, table.Served]:
        """What each router has served since it began, by rule."""

    def views(self) -> list[RouterView]:
        """What each router said last."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last reconcile saw and wrote."""

    backends: frozenset[str] = frozenset()
    scaled: Mapping[str, Capacity] = field(default_factory=dict)
    """With nothing known to be ready: their specs' own bounds."""
    gone: frozenset[str] = frozenset()
    failures: Mapping[str, str] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    wanted: Mapping[str, Targets] = field(default_factory=dict)


class _Said(NamedTuple):
    """What a backend's status says of it."""

    answers_nobody: bool
    failure: str


class Shifter:
    """`on_due` asks for a reconcile of the table; `capacity` is None of what is not known yet."""

    def __init__(
        self,
        routers: Routers,
        capacity: Callable[[str], Capacity | None],
        on_due: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routers = routers
        self._capacity = capacity
        self._on_due = on_due
        self._clock = clock
        self._monotonic = monotonic
        self._samples: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._served: dict[str, deque[tuple[float, table.Served]]] = defaultdict(deque)
        """By router: what it told, newest last."""
        self._busy: dict[str, float] = {}
        """When a backend had requests, last."""
        self._sampled_s = -inf
        self._silent = True
        self._seen = _Seen()
        self._bounds = Kept[Capacity | None]()
        self._said = Kept[_Said]()
        self._advances: Mapping[str, Advance] = {}
        self._told: object = None
        self._read_s = monotonic()

    def see(self, before: Before, items: Sequence[Json], backends: Backends) -> None:
        """What a reconcile has read; `items` are the backends as stored."""
        bounds = {
            name: self._bounds.of(name, one, _whole, _bounds) for name, one in backends.items()
        }
        self._bounds.only(backends)
        scaled = {name: c for name, c in bounds.items() if c}
        said = {name: self._said.of(name, item, _status, _said_of)
                for item in items for name in [name_of(item)]}  # fmt: skip
        self._said.only(said)
        named = {
            one.backend
            for shift in before.shifts.values()
            for targets in shift.before.values()
            for one in targets
        }
        gone = {n for n in {*backends, *named} if not isinstance(backends.get(n), ModelBackend)}
        gone |= {name for name, one in said.items() if one.answers_nobody} - scaled.keys()
        self._seen = replace(
            self._seen,
            backends=frozenset(backends),
            scaled=scaled,
            gone=frozenset(gone),
            failures={name: one.failure for name, one in said.items() if one.failure},
        )
        known = self._seen.backends <= self._samples.keys() and not self._silent
        if not known or self._monotonic() - self._sampled_s >= EVERY_S / 2:
            self._sample()

    def steer(
        self, plan: TablePlan, before: Before, *, namespace: str, backends: Backends
    ) -> Steered:
        """The table that may be in force now, by what was seen."""
        return steer(
            plan,
            before,
            namespace=namespace,
            backends=backends,
            scene=self.scene(),
            now_s=self._clock(),
        )

    def published(self, steered: Steered, shifts: Mapping[str, Shift]) -> None:
        """These shifts are stored now, as `steered` has them or, for want of a write, as before."""
        self._seen = replace(self._seen, shifts=shifts, wanted=steered.wanted)
        self._advances = {
            name: steered.advances.get(name) or Advance(shift, shift.floors)
            for name, shift in shifts.items()
        }
        self._told, self._read_s = self._news(), self._monotonic()

    def floor(self, backend: str) -> int:
        """Replicas that policies are about to need of it; 0 for none."""
        return max((one.floors.get(backend, 0) for one in self._advances.values()), default=0)

    async def run(self) -> None:
        """For ever, each 2 s."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.tick()

    def tick(self) -> None:
        """Measure; ask for a reconcile if it would do another step, or has another thing to say."""
        self._sample()
        shifts = self._seen.shifts
        if not shifts:
            return
        scene, now_s = self.scene(), self._clock()
        self._advances = {
            name: advance(shift, self._seen.wanted[name], scene, now_s=now_s, policy=name)
            if name in self._seen.wanted
            else Advance(shift, shift.floors)
            for name, shift in shifts.items()
        }
        moves = any(one.shift is not shifts[name] for name, one in self._advances.items())
        waits = any(shift.share < 100 for shift in shifts.values())
        old = waits and self._monotonic() - self._read_s >= READ_S
        if moves or old or self._news() != self._told:
            self._read_s = self._monotonic()
            self._on_due()

    def moving(self, name: str) -> Moving | None:
        """What status says of a policy's shift; None if all of its weights are in force."""
        shift, one = self._seen.shifts.get(name), self._advances.get(name)
        if shift is None or one is None or shift.share >= 100:
            return None
        scene = self.scene()
        return Moving(
            shift,
            self._seen.wanted.get(name, {}),
            waits=tuple((backend, scene.ready(backend) or 0) for backend in one.waits),
            silent=self._silent,
            overdue=is_overdue(shift, now_s=self._clock()),
        )

    def _news(self) -> object:
        """What statuses say of the shifts."""
        found = [self.moving(name) for name in sorted(self._seen.shifts)]
        return [one.condition() for one in found if one]

    def scene(self) -> Scene:
        """Loads and replicas, as they are now."""
        unreached = {
            name
            for view in self._routers.views()
            if not view.silent and not view.pending
            for name in view.unreachable
        }
        scaled = {name: self._capacity(name) or one for name, one in self._seen.scaled.items()}
        loads = None if self._silent else {name: self._load(name) for name in self._samples}
        ended = ended_between((kept[0][1], kept[-1][1]) for kept in self._served.values())
        return Scene(
            scaled, self._seen.gone, loads, frozenset(unreached), ended, self._seen.failures
        )

    def _sample(self) -> None:
        now_s = self._sampled_s = self._monotonic()
        totals = self._routers.totals()
        self._silent = totals is None
        self._sample_served(now_s)
        for gone in self._samples.keys() - self._seen.backends:
            del self._samples[gone]
            self._busy.pop(gone, None)
        if totals is None:
            return
        for name in self._seen.backends:
            kept = self._samples[name]
            if not kept or now_s - kept[-1][0] >= EVERY_S / 2:  # whoever asks more often adds none
                load = totals.get(name, 0)
                kept.append((now_s, load))
                if load:
                    self._busy[name] = now_s
            while kept[0][0] <= now_s - STABLE_S:
                kept.popleft()

    def _sample_served(self, now_s: float) -> None:
        told = self._routers.served()
        for gone in self._served.keys() - told.keys():
            del self._served[gone]
        for router, served in told.items():
            kept = self._served[router]
            if not kept or served is not kept[-1][1]:
                kept.append((now_s, served))
            while len(kept) > 1 and kept[1][0] <= now_s - STABLE_S:  # the newest before the window
                kept.popleft()

    def _load(self, name: str) -> Load:
        now_s, kept = self._monotonic(), self._samples[name]
        if self._busy.get(name, -inf) <= now_s - STABLE_S:
            return _IDLE
        recent = [load for at_s, load in kept if at_s > now_s - PANIC_S]
        stable = [load for at_s, load in kept]
        return Load(_mean(stable), _mean(recent))


_IDLE: Final = Load(0.0, 0.0)


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _bounds(backend: object) -> Capacity | None:
    scaling = backend.spec.queue_depth if isinstance(backend, ModelBackend) else None
    if scaling is None:
        return None
    assert scaling.target_requests is not None, "the kind's rules ask for it"
    assert scaling.max_replicas is not None, "the kind's rules ask for it"
    return Capacity(None, float(scaling.target_requests), scaling.least, scaling.max_replicas)


def _said_of(item: Json) -> _Said:
    nobody = any(
        one.get("type") == "Available" and one.get("status") == "False"
        for one in conditions_of(item)
    )
    failure = (item.get("status") or {}).get("lastFailure") or {}
    return _Said(nobody, str(failure.get("reason") or ""))


def _status(item: Json) -> tuple[object, ...]:
    return (item.get("status"),)


def _whole(backend: object) -> tuple[object, ...]:
    return (backend,)
