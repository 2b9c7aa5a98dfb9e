"""A backend whose decisions are applied at once, driven through virtual time."""

from dataclasses import dataclass, field

from pointsman.operator.plan.scaling import (
    Bounds,
    Decision,
    Fleet,
    Memory,
    Signal,
    decide,
    dump_memory,
    load_memory,
)

NOON_S = 1_800_000_000.0
"""Friday, 15 January 2027, 08:00 UTC."""


@dataclass
class Drive:
    """`replicas` are ready `cold_s` after they were asked for."""

    bounds: Bounds
    replicas: int = 1
    cold_s: float = 0.0
    now_s: float = NOON_S
    memory: Memory | None = None
    finished: int = 0
    debt: float = 0.0
    starting: list[tuple[float, int]] = field(default_factory=list)
    trail: list[tuple[float, int]] = field(default_factory=list)

    def ready(self) -> int:
        """Return the replicas that have come up."""
        self.starting = [one for one in self.starting if one[0] > self.now_s]
        return max(0, self.replicas - sum(count for _, count in self.starting))

    def steady(self, load: int, *, served_in_s: float = 5.0, after_s: float = 2.0) -> Signal:
        """Let time pass under a constant concurrency; requests end at the rate of Little's law."""
        self.now_s += after_s
        self.debt += load * after_s / served_in_s
        self.finished += int(self.debt)
        self.debt -= int(self.debt)
        return Signal(0, load, finished={"router-0": self.finished})

    def decide(self, signal: Signal | None, *, holding: bool = True, floor: int = 0) -> Decision:
        """Decide and apply."""
        fleet = Fleet(self.replicas, self.ready(), self.cold_s or None)
        decision, self.memory = decide(
            self.bounds,
            self.memory,
            signal=signal,
            fleet=fleet,
            now_s=self.now_s,
            holding=holding,
            floor=floor,
        )
        if decision.desired > self.replicas and self.cold_s:
            self.starting.append((self.now_s + self.cold_s, decision.desired - self.replicas))
        self.replicas = decision.desired
        self.trail.append((self.now_s, self.replicas))
        return decision

    def run(self, load: int, seconds: float, *, holding: bool = True) -> Decision:
        """Keep `load` for a while, deciding each 2 s; return the last decision."""
        decision = None
        for _ in range(int(seconds // 2)):
            decision = self.decide(self.steady(load), holding=holding)
        assert decision is not None
        return decision

    def restart(self) -> None:
        """Go on as another process would: from the annotation."""
        assert self.memory is not None
        self.memory = load_memory(dump_memory(self.memory))
        assert self.memory is not None
