"""A fleet of fixed size: the honest baseline."""

from tests.sim.scaling.fleet import Seen


class Fixed:
    """`replicas` may have a fraction: then there is one more for that share of the time.

    Only so can a fixed fleet be bought at exactly the hours of another algorithm. It is there at
    the beginning or, `late`, at the end; whoever knew which is better would be no fixed fleet.
    """

    wakes = True
    period_s = 15.0

    def __init__(self, replicas: float, begin_s: float, horizon_s: float, *, late: bool) -> None:
        self.replicas, self.late = int(replicas), late
        share = replicas - self.replicas
        self.turn_s = begin_s + ((1.0 - share) if late else share) * (horizon_s - begin_s)

    def decide(self, seen: Seen) -> int:
        """Return the same count, whatever is seen."""
        return self.replicas + ((seen.now_s >= self.turn_s) == self.late)
