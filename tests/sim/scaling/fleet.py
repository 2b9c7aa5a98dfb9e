"""A queueing model of model servers that batch continuously, and of the router before them.

* A replica serves at most `limit` requests at once. Each decode step gives one token to every
  request in the batch and takes `step_s + step_per_request_s * batch`: a fuller batch is slower.
* A prompt is read first at `prefill_tokens_per_s`; the whole batch stands still meanwhile.
* The router sends a request to the less loaded of two ready replicas (if both are full, to the
  least loaded); what exceeds the capacity is held first come, first served.
* A new replica is paid for from its creation, serves after its cold start, and drains before it
  goes. Those that are still starting are taken away first, then the youngest (ReplicaSet's order).
"""

import bisect
import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.sim.scaling.traces import Trace

GRACE_S: Final = 3600.0
"""How long after the last arrival a request may still wait before the run ends without it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One replica: about a 70B model on half a node, or a small one on a small GPU."""

    limit: int = 8
    prefill_tokens_per_s: float = 8000.0
    step_s: float = 0.020
    step_per_request_s: float = 0.001
    cold_start_s: float = 45.0
    """Median; log-normal with sigma 0.3: p95 is 1.6 times the median."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an autoscaler may know at `now_s`: the same metric for all of them."""

    now_s: float
    held: int
    in_flight: int
    load_integral: float
    """Held plus in-flight requests, integrated over time: its differences are exact averages."""
    finished: int
    replicas: int
    """Asked for (spec.replicas): ready and starting."""
    ready: int
    last_cold_start_s: float | None


class Autoscaler(Protocol):
    """Called each `period_s`; `wakes`: one replica at once when a request meets an empty fleet."""

    period_s: float
    wakes: bool

    def decide(self, seen: Seen) -> int:
        """Return the replicas to ask for."""
        ...


@dataclass(slots=True)
class Outcome:
    """One run, as counted."""

    waits_s: list[float]
    first_tokens_s: list[float]
    replica_s: float
    cold_starts: int
    changes: list[tuple[float, int]]
    """(time, replicas asked for), in order."""


@dataclass(slots=True, eq=False)
class Replica:
    """Progress is counted in tokens per request of the batch (`tokens`): all advance together."""

    created_s: float
    ready: bool = False
    draining: bool = False
    gone: bool = False
    ends: list[float] = field(default_factory=list)
    tokens: float = 0.0
    at_s: float = 0.0
    reading_until_s: float = 0.0
    version: int = 0


class Simulation:
    """One trace, one autoscaler, one seed."""

    def __init__(
        self, trace: Trace, scaler: Autoscaler, *, engine: Engine, seed: int, start: int, most: int
    ) -> None:
        self.trace, self.scaler, self.engine, self.most = trace, scaler, engine, most
        self.dice = random.Random(seed)
        self.events: list[tuple[float, int, Replica, int]] = []
        self.serial = 0
        self.ready: list[Replica] = []
        self.starting: list[Replica] = []
        self.held: deque[int] = deque()
        self.in_flight = self.finished = self.asked = 0
        self.slots = 0
        self.now = self.counted_s = self.integral = 0.0
        self.last_cold_start_s: float | None = None
        count = len(trace.arrivals_s)
        self.out = Outcome([-1.0] * count, [-1.0] * count, 0.0, 0, [])
        for _ in range(start):
            self._become_ready(Replica(0.0))
        self.asked = start
        self.out.changes.append((0.0, start))

    def run(self) -> Outcome:
        """Run to the last answer, at most GRACE_S beyond the trace."""
        arrivals, horizon_s = self.trace.arrivals_s, self.trace.horizon_s
        index, count = 0, len(arrivals)
        tick_s, end_s = 0.0, horizon_s + GRACE_S
        while True:
            arrival_s = arrivals[index] if index < count else end_s
            event_s = self.events[0][0] if self.events else end_s
            if tick_s <= arrival_s and tick_s <= event_s:
                if tick_s >= end_s or (tick_s > horizon_s and self._idle(index, count)):
                    break
                self._move(tick_s)
                self._scale(self.scaler.decide(self._seen()))
                tick_s += self.scaler.period_s
            elif arrival_s <= event_s:
                if arrival_s >= end_s:
                    break
                self._move(arrival_s)
                self._arrive(index)
                index += 1
            else:
                self._move(event_s)
                self._happen()
        self._close()
        return self.out

    def _idle(self, index: int, count: int) -> bool:
        return index >= count and not self.held and not self.in_flight

    def _move(self, to_s: float) -> None:
        self.integral += (len(self.held) + self.in_flight) * (to_s - self.now)
        self.now = to_s

    def _seen(self) -> Seen:
        return Seen(
            self.now,
            len(self.held),
            self.in_flight,
            self.integral,
            self.finished,
            self.asked,
            len(self.ready),
            self.last_cold_start_s,
        )

    def _arrive(self, index: int) -> None:
        if self.held or self.slots <= 0:
            self.held.append(index)
            if self.asked == 0 and self.scaler.wakes:
                self._scale(max(1, self.scaler.decide(self._seen())))
            return
        self._dispatch(index)

    def _dispatch(self, index: int) -> None:
        engine, ready = self.engine, self.ready
        one = ready[int(self.dice.random() * len(ready))]
        other = ready[int(self.dice.random() * len(ready))]
        chosen = one if len(one.ends) <= len(other.ends) else other
        if len(chosen.ends) >= engine.limit:
            chosen = min(ready, key=lambda replica: len(replica.ends))
        self._advance(chosen)
        chosen.reading_until_s = (
            max(self.now, chosen.reading_until_s)
            + self.trace.context_tokens[index] / engine.prefill_tokens_per_s
        )
        heapq.heappush(chosen.ends, chosen.tokens + max(1, self.trace.generated_tokens[index]))
        self._plan(chosen)
        self.in_flight += 1
        self.slots -= 1
        arrived_s = self.trace.arrivals_s[index]
        self.out.waits_s[index] = self.now - arrived_s
        self.out.first_tokens_s[index] = chosen.reading_until_s - arrived_s

    def _speed(self, replica: Replica) -> float:
        engine = self.engine
        return 1.0 / (engine.step_s + engine.step_per_request_s * len(replica.ends))

    def _advance(self, replica: Replica) -> None:
        if replica.ends:
            since_s = max(replica.at_s, replica.reading_until_s)
            if self.now > since_s:
                replica.tokens += (self.now - since_s) * self._speed(replica)
        replica.at_s = self.now

    def _plan(self, replica: Replica) -> None:
        """Schedule the batch's next end; what was scheduled before is void."""
        replica.version += 1
        left = replica.ends[0] - replica.tokens
        at_s = max(self.now, replica.reading_until_s) + max(0.0, left) / self._speed(replica)
        self._push(at_s, replica)

    def _push(self, at_s: float, replica: Replica) -> None:
        self.serial += 1
        heapq.heappush(self.events, (at_s, self.serial, replica, replica.version))

    def _happen(self) -> None:
        _, _, replica, version = heapq.heappop(self.events)
        if replica.gone or version != replica.version:
            return
        if not replica.ready:
            self.starting.remove(replica)
            self.last_cold_start_s = self.now - replica.created_s
            self._become_ready(replica)
        else:
            self._advance(replica)
            heapq.heappop(replica.ends)
            self.in_flight -= 1
            self.finished += 1
            if not replica.draining:
                self.slots += 1
            elif not replica.ends:
                self._leave(replica)
            if replica.ends:
                self._plan(replica)
        while self.held and self.slots > 0:
            self._dispatch(self.held.popleft())

    def _become_ready(self, replica: Replica) -> None:
        replica.ready = True
        replica.at_s = self.now
        self.ready.append(replica)
        self.slots += self.engine.limit

    def _scale(self, to: int) -> None:
        to = max(0, min(to, self.most))
        if to != self.asked:
            self.out.changes.append((self.now, to))
        while self.asked < to:
            replica = Replica(self.now)
            cold_s = self.engine.cold_start_s * self.dice.lognormvariate(0.0, 0.3)
            self.starting.append(replica)
            self._push(self.now + cold_s, replica)
            self.out.cold_starts += self.now >= self.trace.begin_s
            self.asked += 1
        while self.asked > to:
            self.asked -= 1
            if self.starting:
                self._leave(self.starting.pop())
                continue
            replica = self.ready.pop()
            replica.draining = True
            self.slots -= self.engine.limit - len(replica.ends)
            if not replica.ends:
                self._leave(replica)

    def _leave(self, replica: Replica) -> None:
        replica.gone = True
        self._pay(replica)

    def _pay(self, replica: Replica) -> None:
        until_s = min(self.now, self.trace.horizon_s)
        self.out.replica_s += max(0.0, until_s - max(replica.created_s, self.trace.begin_s))

    def _close(self) -> None:
        """Pay for what still runs; a request that was never served waited to the end."""
        self.now = max(self.now, self.trace.horizon_s)
        living = {id(replica): replica for _, _, replica, _ in self.events if not replica.gone}
        for replica in [*self.ready, *self.starting]:
            living[id(replica)] = replica
        for replica in living.values():
            self._pay(replica)
        for index, wait_s in enumerate(self.out.waits_s):
            if wait_s < 0:
                waited_s = self.now - self.trace.arrivals_s[index]
                self.out.waits_s[index] = self.out.first_tokens_s[index] = waited_s
        first = bisect.bisect_left(self.trace.arrivals_s, self.trace.begin_s)
        del self.out.waits_s[:first], self.out.first_tokens_s[:first]
        self.out.changes = [one for one in self.out.changes if one[0] >= self.trace.begin_s]


def simulate(
    trace: Trace,
    scaler: Autoscaler,
    *,
    engine: Engine,
    seed: int,
    start: int,
    most: int = 64,
) -> Outcome:
    """Run `trace` under `scaler`, beginning with `start` ready replicas, never above `most`."""
    return Simulation(trace, scaler, engine=engine, seed=seed, start=start, most=most).run()


def flaps(changes: Sequence[tuple[float, int]], within_s: float = 300.0) -> int:
    """Count turns: a change against the direction of the one before, less than 5 minutes later."""
    count, direction, before_s, replicas = 0, 0, 0.0, None
    for at_s, to in changes:
        if replicas is not None and to != replicas:
            now = 1 if to > replicas else -1
            if direction and now != direction and at_s - before_s < within_s:
                count += 1
            direction, before_s = now, at_s
        replicas = to
    return count
