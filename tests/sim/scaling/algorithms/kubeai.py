"""KubeAI's model autoscaler.

Source: kubeai.org/how-to/configure-autoscaling and substratusai/kubeai internal/modelautoscaler,
internal/modelscaler: each 10 s the count of active requests enters a plain average over 10
minutes; desired = ceil(average / targetRequests); down only after scaleDownDelaySeconds (30) of
wanting less, counted in intervals; a request that meets no replica wakes one at once.
"""

import math

from tests.sim.scaling.fleet import Seen


class KubeAi:
    """KubeAI's defaults; the average begins with `begins_with`, as if restored from ConfigMap."""

    wakes = True
    period_s = 10.0
    window = 60
    consecutive_downs = 3

    def __init__(self, target: float, begins_with: float) -> None:
        self.target = target
        self.history = [begins_with] * self.window
        self.index = self.downs = 0

    def decide(self, seen: Seen) -> int:
        """Return ceil(average / target), down only when that was so three times before."""
        if seen.ready == 0 and seen.replicas == 0:
            return 1 if seen.held else 0
        if seen.ready == 0:
            return seen.replicas
        self.history[self.index] = float(seen.held + seen.in_flight)
        self.index = (self.index + 1) % self.window
        average = sum(self.history) / self.window
        wanted = math.ceil(round(average / self.target, 9))
        if wanted >= seen.replicas:
            self.downs = 0
            return wanted
        if self.downs < self.consecutive_downs:
            self.downs += 1
            return seen.replicas
        return wanted
