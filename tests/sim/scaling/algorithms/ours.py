"""Pointsman's own default: the very function that the operator calls."""

from pointsman.operator.plan.scaling import Bounds, Fleet, Memory, Signal, decide
from tests.sim.scaling.fleet import Seen


class Ours:
    """The defaults; only `target_requests` is given. Routers confirm at once that they hold."""

    wakes = True
    period_s = 2.0

    def __init__(self, target: float) -> None:
        self.bounds = Bounds(min_replicas=0, max_replicas=64, target_requests=target)
        self.memory: Memory | None = None

    def decide(self, seen: Seen) -> int:
        """Return the decision's count."""
        decision, self.memory = decide(
            self.bounds,
            self.memory,
            signal=Signal(seen.held, seen.in_flight, finished={"router": seen.finished}),
            fleet=Fleet(seen.replicas, seen.ready, seen.last_cold_start_s),
            now_s=seen.now_s,
            holding=True,
        )
        return decision.desired
