"""One decision: never outside the bounds, never down without data, and always with its reason.

| seen                                        | decided                                            |
|---------------------------------------------|----------------------------------------------------|
| a router or an engine is silent             | hold                                               |
| load, and no replica                        | wake at once, as many as the queue needs           |
| the last 6 s want twice the ready replicas  | panic: raise at once, nothing down for 60 s        |
| more than n replicas can do, beyond 10 %    | raise                                              |
| within 10 % of what n replicas can do       | hold                                               |
| less, for scale_down_delay_s                | lower, one above the need; that one after 4 delays |
| no load for the whole window, routers hold  | zero, if the minimum is zero                       |
| no memory, or data again after a gap        | hold or raise for 60 s; the delay begins anew      |
| a policy is about to send more (`floor`)    | at least that many, within the bounds              |

Every count is absolute, computed from demand and never from the replicas there are: deciding again
while replicas start gives the same count again. Bounds win over everything, as HPA's do.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from pointsman.operator.plan.scaling.behavior import least_down, most_up, stabilize
from pointsman.operator.plan.scaling.bounds import Bounds, allowed
from pointsman.operator.plan.scaling.decision import Clamp, Decision, Reason
from pointsman.operator.plan.scaling.demand import COLD_START_S, Demand, foresee, with_headroom
from pointsman.operator.plan.scaling.memory import (
    FINE_S,
    FORMAT,
    GAP_S,
    PANIC_S,
    STABLE_S,
    Memory,
    Snapshot,
    best_since,
    changed,
    recommended,
    resumed,
    shifted,
    thinned,
)
from pointsman.operator.plan.scaling.signal import Fleet, Signal

TOLERANCE: Final = 0.1
"""HPA's."""
PANIC_THRESHOLD: Final = 2.0
UP_RATE: Final = 1000
DOWN_RATE: Final = 2
"""KPA's: up a thousandfold at once, down to the half; the half at most once in 6 s."""
SPARE_FACTOR: Final = 4
FORGET: Final = 150.0
"""Requests after which the service time has forgotten 63 % of what was."""
KNOWN: Final = 30.0
"""Requests from which the service time is known. While no pod is ready there are at most as many
as take at once all that waits; once it is known, all that will wait when they can be ready."""
LONGEST_PERIOD_S: Final = 1800.0
"""The longest period of a behavior's policy."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A count on its way from what is wanted to what is allowed."""

    count: int
    clamp: Clamp | None = None

    def to(self, count: int, clamp: Clamp) -> "_Step":
        return self if count == self.count else _Step(count, clamp)


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that one decision is made of."""

    bounds: Bounds
    memory: Memory
    signal: Signal
    fleet: Fleet
    demand: Demand
    now_s: float
    holding: bool


@dataclass(frozen=True, slots=True)
class _Limits:
    """What wins over the load: the bounds of now, and between them what will be needed."""

    least: int
    most: int
    scheduled: bool
    floor: int

    def within(self, count: int) -> int:
        return min(max(count, self.least, self.floor), self.most)

    def clamp(self, count: int) -> Clamp:
        if self.least < self.within(count) == self.floor > count:
            return Clamp.PRE_SCALE
        return Clamp.SCHEDULE if self.scheduled else Clamp.MIN if count < self.least else Clamp.MAX


def decide(
    bounds: Bounds,
    memory: Memory | None,
    *,
    signal: Signal | None,
    fleet: Fleet,
    now_s: float,
    holding: bool = False,
    floor: int = 0,
) -> tuple[Decision, Memory]:
    """Return what to set and what to remember; may be called at any time, any number of times.

    `signal` None is "no data". `holding`: every router confirmed that it holds for this backend.
    `now_s`: Unix seconds; if they went back, nothing is lost and nothing happens because of it.
    `floor`: replicas for traffic that is about to come; the bounds hold for them, too.
    """
    ahead_s = fleet.cold_start_s or COLD_START_S
    limits = _Limits(*allowed(bounds, now_s=now_s, ahead_s=ahead_s), floor=floor)
    memory = _continued(memory, fleet, now_s)
    if signal is None:
        return _without_data(fleet, limits), memory
    memory, now = _observed(memory, signal, now_s)
    demand = foresee(memory, now, signal=signal, fleet=fleet, target=bounds.target_requests)
    case = _Case(bounds, memory, signal, fleet, demand, now_s, holding)
    wanted, reason, step = _wanted(case)
    case = replace(case, memory=_remembering(case, now, step.count))
    step = _limited(case, _held_back(case, step))
    if limits.least == limits.floor == 0:
        step = _not_to_zero(case, step)
    step = step.to(limits.within(step.count), limits.clamp(step.count))
    clamp = step.clamp if step.count != wanted else None
    message = _message(case, step.count, wanted, clamp)
    reason = _reason(reason, step, wanted=wanted, replicas=fleet.replicas)
    return Decision(step.count, wanted, signal.load, reason, clamp, message), case.memory


def _continued(memory: Memory | None, fleet: Fleet, now_s: float) -> Memory:
    """Start or go on: shift after a clock that went back, note how the fleet changed."""
    if memory is None:
        return Memory(FORMAT, now_s, now_s, fleet.replicas, busy_s=now_s)
    if now_s < memory.at_s:
        memory = shifted(memory, now_s - memory.at_s)
    by = fleet.replicas - memory.replicas
    changes = changed(memory.changes, now_s, by, LONGEST_PERIOD_S)
    return msgspec.structs.replace(memory, replicas=fleet.replicas, changes=changes)


def _without_data(fleet: Fleet, limits: _Limits) -> Decision:
    within = limits.within(fleet.replicas)
    text = f"No data from a router or an engine: {within} replicas are kept."
    if within == fleet.replicas:
        return Decision(within, within, None, Reason.NO_DATA, Clamp.NO_DATA, text)
    clamp = limits.clamp(fleet.replicas)
    what = "a policy's next weights ask" if clamp is Clamp.PRE_SCALE else "the bounds ask"
    text = f"No data from a router or an engine; {what} for {within} replicas."
    reason = Reason.PRE_SCALE if clamp is Clamp.PRE_SCALE else Reason.BOUNDS
    return Decision(within, fleet.replicas, None, reason, clamp, text)


def _observed(memory: Memory, signal: Signal, now_s: float) -> tuple[Memory, Snapshot]:
    """Add what is seen to the running totals; after a gap the history begins anew."""
    since_s, snapshots = memory.since_s, memory.snapshots
    passed_s = now_s - memory.at_s
    ended = 0
    if passed_s > GAP_S:
        memory = resumed(memory, replicas=memory.replicas, now_s=now_s)
        since_s, snapshots, passed_s = now_s, (), 0.0
    elif signal.finished is not None:
        before = memory.counts
        ended = sum(max(0, n - before.get(router, n)) for router, n in signal.finished.items())
    keep = math.exp(-ended / FORGET)
    own = signal.held + signal.in_flight
    now = Snapshot(
        round(now_s, 2),
        own,
        memory.finished + ended,
        round(memory.own_s + own * passed_s, 2),
        round(memory.held_s + signal.held * passed_s, 2),
        round(memory.elsewhere_s + signal.elsewhere * passed_s, 2),
    )
    made = msgspec.structs.replace(
        memory,
        at_s=now_s,
        since_s=since_s,
        snapshots=snapshots,
        busy_s=now_s if signal.load else memory.busy_s,
        counts=dict(signal.finished or {}),
        finished=now.finished,
        own_s=now.own_s,
        held_s=now.held_s,
        elsewhere_s=now.elsewhere_s,
        served=memory.served * keep + ended,
        served_s=memory.served_s * keep + signal.in_flight * passed_s,
    )
    return made, now


def _remembering(case: _Case, now: Snapshot, count: int) -> Memory:
    """Remember this moment, this recommendation, and whether it is panic."""
    memory, behavior, now_s = case.memory, case.bounds.behavior, case.now_s
    up_s = behavior.scale_up.stabilization_s if behavior.scale_up else 0.0
    down_s = behavior.scale_down.stabilization_s if behavior.scale_down else 0.0
    down_s = max(down_s, SPARE_FACTOR * case.bounds.scale_down_delay_s)
    snapshots = memory.snapshots
    if not snapshots or now.at_s - snapshots[-1].at_s >= FINE_S - 0.05:
        snapshots = thinned((*snapshots, now), now.at_s)
    panic_s = memory.panic_s
    if _panics(case):
        panic_s = now_s
    elif panic_s is not None and now_s - panic_s >= STABLE_S:
        panic_s = None
    return msgspec.structs.replace(
        memory,
        snapshots=snapshots,
        panic_s=panic_s,
        highs=recommended(memory.highs, now_s, count, down_s, high=True),
        lows=recommended(memory.lows, now_s, count, up_s, high=False),
    )


def _panics(case: _Case) -> bool:
    capacity = case.bounds.target_requests * max(1, case.fleet.ready)
    return case.demand.panic >= PANIC_THRESHOLD * capacity


def _wanted(case: _Case) -> tuple[int, Reason, _Step]:
    """Return what the demand asks for, why, and the same within tolerance."""
    target, replicas, load = case.bounds.target_requests, case.fleet.replicas, case.signal.load
    idle = case.now_s - case.memory.busy_s >= STABLE_S
    if idle or (replicas == 0 and load == 0):
        return 0, Reason.IDLE, _Step(0)
    need, reason = case.demand.requests / target, Reason.LOAD_ROSE
    if case.demand.backlog > 0:
        reason = Reason.BACKLOG
    if _panics(case):
        need, reason = max(need, with_headroom(case.demand.panic) / target), Reason.PANIC
    if case.fleet.ready == 0:
        known = case.memory.served >= KNOWN
        need = min(need, max(load, case.demand.waiting if known else 0.0) / target)
    wanted = max(1, math.ceil(need - 1e-9))
    if replicas == 0:
        return wanted, Reason.WOKEN, _Step(wanted)
    if wanted < replicas:
        reason = Reason.LOAD_FELL
    step = _Step(wanted)
    if abs(need / replicas - 1.0) <= TOLERANCE:
        step = step.to(replicas, Clamp.TOLERANCE)
    return wanted, reason, step


def _held_back(case: _Case, step: _Step) -> _Step:
    """Keep what there is for the delay, in panic, and while too little is known."""
    replicas, highs, delay_s = (
        case.fleet.replicas,
        case.memory.highs,
        case.bounds.scale_down_delay_s,
    )
    if step.count >= replicas:
        return step
    if case.now_s - case.memory.since_s < STABLE_S:
        return step.to(replicas, Clamp.RESTART)
    if case.memory.panic_s is not None:
        return step.to(replicas, Clamp.PANIC)
    recent = best_since(highs, case.now_s - delay_s, step.count, high=True)
    before = best_since(highs, case.now_s - SPARE_FACTOR * delay_s, step.count, high=True)
    return step.to(min(replicas, before, recent + (delay_s > 0)), Clamp.DELAY)


def _limited(case: _Case, step: _Step) -> _Step:
    """Apply the algorithm's own rates, then `behavior`."""
    replicas, behavior, memory = case.fleet.replicas, case.bounds.behavior, case.memory
    if step.count > replicas:
        step = step.to(min(step.count, UP_RATE * max(1, replicas)), Clamp.RATE)
    elif step.count < replicas:
        lowered = any(by < 0 for at_s, by in memory.changes if at_s > case.now_s - PANIC_S)
        half = replicas if lowered else replicas // DOWN_RATE
        step = step.to(max(step.count, half), Clamp.RATE)
    count = stabilize(
        behavior,
        replicas=replicas,
        wanted=step.count,
        highs=memory.highs,
        lows=memory.lows,
        now_s=case.now_s,
    )
    if count > replicas and behavior.scale_up:
        most = most_up(
            behavior.scale_up, replicas=replicas, changes=memory.changes, now_s=case.now_s
        )
        count = min(count, most)
    elif count < replicas and behavior.scale_down:
        least = least_down(
            behavior.scale_down, replicas=replicas, changes=memory.changes, now_s=case.now_s
        )
        count = max(count, least)
    return step.to(count, Clamp.BEHAVIOR)


def _not_to_zero(case: _Case, step: _Step) -> _Step:
    """Keep the last replica until the whole window was idle and every router holds."""
    if step.count > 0 or case.fleet.replicas == 0:
        return step
    if case.now_s - case.memory.busy_s < max(STABLE_S, case.bounds.scale_down_delay_s):
        return step.to(1, Clamp.DELAY)
    return step if case.holding else step.to(1, Clamp.UNCONFIRMED)


def _reason(reason: Reason, step: _Step, *, wanted: int, replicas: int) -> Reason:
    """Return the reason of the change that is made: Steady if none is, Bounds if not the load."""
    if step.count == replicas:
        return Reason.STEADY
    if step.count > replicas and step.clamp is Clamp.PRE_SCALE:
        return Reason.PRE_SCALE
    by_load = wanted > replicas if step.count > replicas else wanted < replicas
    return reason if by_load else Reason.BOUNDS


def _message(case: _Case, desired: int, wanted: int, clamp: Clamp | None) -> str:
    signal, target = case.signal, case.bounds.target_requests
    text = (
        f"{signal.held} held and {signal.in_flight} in flight; {case.demand.expected:.1f} expected "
        f"at once, {target:g} a replica: {wanted} wanted"
    )
    return f"{text}, {desired} by {clamp}." if clamp else f"{text}."
