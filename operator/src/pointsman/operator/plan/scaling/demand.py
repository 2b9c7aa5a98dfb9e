"""How many requests at once the backend has to serve, foreseen from what arrived.

* Arrivals, not the queue: `rate * service time` (Little's law) is the concurrency that the
  arrivals need. A queue only says how long it was too little; a scaler that follows it orders
  again and again while replicas start.
* The window is as long as the load is steady: from 6 s on it grows up to 5 minutes, until the
  recent rate is 3 standard deviations below the longer one's. So noise is averaged away.
* A rise is believed as far as it is sure: the rate of each window less 1.5 standard deviations is
  a lower bound. A jump is seen within seconds, a slow climb within a minute, one request is none.
  Where the service time grows, the load of 30 s is another such bound.
* Headroom is 2.33 standard deviations of a Poisson load: a request in a hundred meets a full
  fleet. It grows with the square root of the load: small fleets get relatively more of it.
* What has been held by the time that replicas can be ready is worked off in 45 s.

If requests are not counted when they end, the load itself is averaged in the same windows.
"""

import math
from dataclasses import dataclass
from typing import Final

from pointsman.operator.plan.scaling.memory import GAP_S, PANIC_S, STABLE_S, Memory, Snapshot
from pointsman.operator.plan.scaling.signal import Fleet, Signal

WINDOWS_S: Final = (PANIC_S, 12.0, 20.0, 30.0, STABLE_S, 120.0, 180.0, 240.0, 300.0)
FELL: Final = 3.0
SURE: Final = 1.5
HEADROOM: Final = 2.33
"""The normal distribution's 99 % point."""
DRAIN_S: Final = 45.0
COLD_START_S: Final = 60.0
"""Assumed until one was measured."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests to be served at once: expected, with headroom, and beyond that for the backlog."""

    expected: float
    panic: float
    """What the panic window alone is sure of."""
    backlog: float
    waiting: float
    """Whole requests that will have come by the time that replicas can be ready, if none is."""

    @property
    def requests(self) -> float:
        """All that replicas are wanted for."""
        return with_headroom(self.expected) + self.backlog


def with_headroom(requests: float) -> float:
    """Add the headroom for a Poisson load of this mean."""
    return requests + HEADROOM * math.sqrt(requests)


def _before(snapshots: tuple[Snapshot, ...], at_s: float) -> Snapshot | None:
    """Return the newest snapshot at or before `at_s`."""
    for one in reversed(snapshots):
        if one.at_s <= at_s + 0.5:
            return one
    return None


def _windows(memory: Memory, now: Snapshot, *, counted: bool) -> list[tuple[float, float]]:
    """Return (seconds, arrivals a second or, not counted, average load) of each full window."""
    found = []
    for window_s in WINDOWS_S:
        then = _before(memory.snapshots, now.at_s - window_s)
        if then is None:
            break
        span_s = now.at_s - then.at_s
        if counted:
            arrived = now.finished - then.finished + now.own - then.own
            found.append((span_s, max(0.0, arrived / span_s)))
        else:
            found.append((span_s, (now.own_s - then.own_s) / span_s))
    return found


def _surely(window: tuple[float, float], per_s: float) -> float:
    """Return a lower bound of a window's value, whose variance is value / (seconds * per_s)."""
    span_s, value = window
    return value - SURE * math.sqrt(value / (span_s * per_s))


def _settle(windows: list[tuple[float, float]], per_s: float) -> float:
    """Return the value of the longest window that the recent ones agree with, or a sure rise."""
    span_s, value = windows[0]
    sure = _surely(windows[0], per_s)
    for longer_s, other in windows[1:]:
        deviation = math.sqrt(max(other, 1.0 / (span_s * per_s)) / (span_s * per_s))
        if other - value > FELL * deviation:
            break
        span_s, value = longer_s, other
        sure = max(sure, _surely((longer_s, other), per_s))
    return max(value, sure)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What there is to foresee from."""

    memory: Memory
    now: Snapshot
    signal: Signal
    fleet: Fleet
    target: float
    service_s: float


def foresee(
    memory: Memory, now: Snapshot, *, signal: Signal, fleet: Fleet, target: float
) -> Demand:
    """Return the demand; `now` holds the running totals of this moment."""
    moment = _Moment(memory, now, signal, fleet, target, memory.served_s / memory.served)
    counted = signal.finished is not None
    windows = _windows(memory, now, counted=counted)
    if not windows:
        return _at_first(moment)
    service_s = moment.service_s
    if counted:
        rate = _settle(windows, 1.0)
        expected, panic = rate * service_s, _surely(windows[0], 1.0) * service_s
        expected = max(expected, _load_itself(moment, expected))
        backlog = _backlog(moment, rate)
        waiting = now.own + math.floor(rate * _until_ready_s(moment))
    else:
        per_s = 1.0 / (2.0 * service_s)
        expected, panic = _settle(windows, per_s), _surely(windows[0], per_s)
        backlog, waiting = 0.0, now.own
    elsewhere = _elsewhere(moment)
    return Demand(expected + elsewhere, panic + elsewhere, backlog, waiting + elsewhere)


def _at_first(moment: _Moment) -> Demand:
    """Return what there is now: no window is full yet, so nothing is averaged."""
    load = float(moment.signal.load)
    return Demand(load, load, 0.0, load)


def _load_itself(moment: _Moment, expected: float) -> float:
    """Return what the load of the last 30 s surely is, if nothing was held: longer answers."""
    now = moment.now
    then = _before(moment.memory.snapshots, now.at_s - 30.0)
    if then is None or now.held_s - then.held_s > 0:
        return 0.0
    span_s = now.at_s - then.at_s
    load = (now.own_s - then.own_s) / span_s
    deviation = math.sqrt(max(expected, 1.0) * min(1.0, 2.0 * moment.service_s / span_s))
    return load - SURE * deviation


def _until_ready_s(moment: _Moment) -> float:
    """Return a cold start, or what is left of it while replicas start."""
    fleet, now_s = moment.fleet, moment.now.at_s
    cold_s = fleet.cold_start_s or COLD_START_S
    if fleet.ready >= fleet.replicas:
        return cold_s
    raised = [at_s for at_s, by in moment.memory.changes if by > 0]
    return max(0.0, cold_s - (now_s - max(raised, default=now_s)))


def _backlog(moment: _Moment, rate: float) -> float:
    """Return the concurrency that works off, in DRAIN_S, what is held once replicas can be ready.

    Until then only the ready ones count.
    """
    fleet, held, service_s = moment.fleet, moment.signal.held, moment.service_s
    if held <= 0:
        return 0.0
    short = max(0.0, rate - fleet.ready * moment.target / service_s)
    return (held + short * _until_ready_s(moment)) * service_s / DRAIN_S


def _elsewhere(moment: _Moment) -> float:
    """Return the average of what comes from elsewhere: of 15 s, or of less if there is no more."""
    now, snapshots = moment.now, moment.memory.snapshots
    then = _before(snapshots, now.at_s - GAP_S) or snapshots[0]
    span_s = now.at_s - then.at_s
    return (now.elsewhere_s - then.elsewhere_s) / span_s if span_s > 0 else 0.0
