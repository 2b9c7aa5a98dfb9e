"""KEDA with an external scaler: between 0 and 1 KEDA itself, between 1 and n the HPA it makes.

Source: keda.sh/docs/latest/reference/scaledobject-spec and concepts/scaling-deployments:
pollingInterval 30 s (0 to 1), cooldownPeriod 300 s after the last activity (1 to 0 only); from 1
on an HPA with Kubernetes' defaults reads the metric at each of its syncs (15 s).
"""

from tests.sim.scaling.algorithms.hpa import Hpa
from tests.sim.scaling.fleet import Seen


class Keda:
    """KEDA's defaults; `target` is the threshold of the external scaler."""

    wakes = False
    period_s = 15.0

    def __init__(self, target: float) -> None:
        self.hpa = Hpa(target, least=1)
        self.active_s = 0.0
        self.polls = 0

    def decide(self, seen: Seen) -> int:
        """Poll at each second call; else ask the HPA if there is a replica."""
        polled = self.polls % 2 == 0
        self.polls += 1
        if polled and seen.held + seen.in_flight > 0:
            self.active_s = seen.now_s
        if seen.replicas == 0:
            return int(polled and self.active_s == seen.now_s)
        if polled and seen.now_s - self.active_s >= 300.0:
            return 0
        return self.hpa.decide(seen)
