"""Knative's KPA with its activator.

Source: knative.dev/docs/serving/autoscaling (kpa-specific, concurrency, scale-to-zero) and
knative/serving pkg/autoscaler/scaling/autoscaler.go: tick 2 s; averages over 60 s (stable) and
6 s (panic); desired = ceil(average / target) within [floor(ready / 2), ceil(1000 ready)]; panic
when the panic window wants 200 % of the ready replicas, no decrease in panic, out of it after
60 s below; target = 70 % of the concurrency limit; zero after the stable window and 30 s grace.
The activator wakes the first replica at once.
"""

import math
from collections import deque

from tests.sim.scaling.fleet import Seen


class Kpa:
    """KPA's defaults; `target` is requests per replica after utilization (70 % of the limit)."""

    wakes = True
    period_s = 2.0

    def __init__(self, target: float) -> None:
        self.target = target
        self.history: deque[tuple[float, float]] = deque(maxlen=32)
        self.panic_s: float | None = None
        self.panic_replicas = 0
        self.idle_since_s: float | None = None

    def _average(self, window_s: float, seen: Seen) -> float:
        since_s, integral = seen.now_s, seen.load_integral
        for at_s, value in reversed(self.history):
            if at_s < seen.now_s - window_s - 1e-6:
                break
            since_s, integral = at_s, value
        if seen.now_s <= since_s:
            return float(seen.held + seen.in_flight)
        return (seen.load_integral - integral) / (seen.now_s - since_s)

    def decide(self, seen: Seen) -> int:
        """Return the stable count, or in panic the highest so far."""
        stable, panic = self._average(60.0, seen), self._average(6.0, seen)
        self.history.append((seen.now_s, seen.load_integral))
        ready = max(1, seen.ready)
        by_stable, by_panic = math.ceil(stable / self.target), math.ceil(panic / self.target)
        least, most = ready // 2, 1000 * ready
        wanted = min(max(by_stable, least), most)
        in_panic = min(max(by_panic, least), most)
        if by_panic / ready >= 2.0:
            self.panic_s = seen.now_s
        elif self.panic_s is not None and seen.now_s - self.panic_s > 60.0:
            self.panic_s, self.panic_replicas = None, 0
        if self.panic_s is not None:
            self.panic_replicas = wanted = max(self.panic_replicas, wanted, in_panic)
        return self._to_zero(wanted, seen)

    def _to_zero(self, wanted: int, seen: Seen) -> int:
        """Zero needs 30 s of grace, and never while a request waits at the activator."""
        if wanted > 0 or seen.held + seen.in_flight > 0:
            self.idle_since_s = None
            return max(wanted, min(1, seen.held + seen.in_flight))
        if self.idle_since_s is None:
            self.idle_since_s = seen.now_s
        return 0 if seen.now_s - self.idle_since_s >= 30.0 else min(1, seen.replicas)
