"""HorizontalPodAutoscaler v2 on an external metric with an AverageValue target.

Source: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale ("Algorithm details",
"Default Behavior"): sync 15 s; desired = ceil(metric / target), nothing within 10 %; down to the
highest recommendation of the last 300 s; up by at most the larger of 100 % and 4 pods in 15 s;
down by at most 100 % in 15 s. Zero is allowed (HPAScaleToZero, on by default from 1.37).
"""

import math
from collections import deque

from tests.sim.scaling.fleet import Seen


class Hpa:
    """HPA's defaults; `target` is the average value of held + in-flight requests per replica."""

    wakes = False
    period_s = 15.0

    def __init__(self, target: float, least: int = 0) -> None:
        self.target, self.least = target, least
        self.recommended: deque[tuple[float, int]] = deque()

    def decide(self, seen: Seen) -> int:
        """Return the formula's answer, stabilized and rate limited."""
        metric = float(seen.held + seen.in_flight)
        wanted = math.ceil(metric / self.target)
        if seen.replicas and abs(metric / (self.target * seen.replicas) - 1.0) <= 0.1:
            wanted = seen.replicas
        wanted = max(wanted, self.least)
        while self.recommended and self.recommended[0][0] <= seen.now_s - 300.0:
            self.recommended.popleft()
        self.recommended.append((seen.now_s, wanted))
        if wanted < seen.replicas:
            wanted = min(seen.replicas, max(count for _, count in self.recommended))
        return min(wanted, max(2 * seen.replicas, seen.replicas + 4))
