"""What the user allows: bounds, schedules, and `behavior` with the meaning of autoscaling/v2.

Values are checked where they are made: a ValueError names the field.
"""

import datetime
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class SelectPolicy(StrEnum):
    """Which of several policies counts: the one that allows most, least, or none at all."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class RulesPolicy:
    """At most `value` pods, or percent of the replicas, in any `period_s` (1 to 1800 s)."""

    type: Literal["Pods", "Percent"]
    value: int
    period_s: int

    def __post_init__(self) -> None:
        """Refuse what the API server refuses in an HPA."""
        if self.value <= 0:
            raise ValueError("behavior policy: value must be positive")
        if not 0 < self.period_s <= 1800:
            raise ValueError("behavior policy: periodSeconds must be 1 to 1800")


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of `behavior`."""

    policies: tuple[RulesPolicy, ...]
    stabilization_s: int
    select: SelectPolicy = SelectPolicy.MAX

    def __post_init__(self) -> None:
        """Refuse what the API server refuses in an HPA."""
        if not self.policies:
            raise ValueError("behavior: at least one policy is needed")
        if not 0 <= self.stabilization_s <= 3600:
            raise ValueError("behavior: stabilizationWindowSeconds must be 0 to 3600")


HPA_UP: Final = Rules((RulesPolicy("Percent", 100, 15), RulesPolicy("Pods", 4, 15)), 0)
HPA_DOWN: Final = Rules((RulesPolicy("Percent", 100, 15),), 300)
"""autoscaling/v2's defaults, for what a user leaves out of a direction that is given."""


@dataclass(frozen=True, slots=True)
class Behavior:
    """A direction that is None has no limit besides the algorithm's own."""

    scale_up: Rules | None = None
    scale_down: Rules | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Other bounds in a weekly window, from `start` to `end` of local wall time.

    `end` not after `start` means the next day. While it is active its bounds replace the usual
    ones. Of several active at once the largest minimum and the smallest maximum count, and the
    maximum wins. Replicas for a minimum are started one cold start early.
    """

    start: datetime.time
    end: datetime.time
    days: frozenset[str] = frozenset(DAYS)
    zone: datetime.tzinfo = datetime.UTC
    min_replicas: int | None = None
    max_replicas: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse days that do not exist, and bounds that cannot be met."""
        if not self.days or not self.days <= set(DAYS):
            raise ValueError(f"schedule {self.name!r}: daysOfWeek must be of {', '.join(DAYS)}")
        least, most = self.min_replicas, self.max_replicas
        if least is None and most is None:
            raise ValueError(f"schedule {self.name!r}: minReplicas or maxReplicas is needed")
        if (least is not None and least < 0) or (most is not None and most < 1):
            raise ValueError(f"schedule {self.name!r}: minReplicas from 0, maxReplicas from 1")
        if least is not None and most is not None and least > most:
            raise ValueError(f"schedule {self.name!r}: minReplicas is above maxReplicas")

    def active(self, at_s: float) -> bool:
        """Whether the window holds at this Unix time."""
        local = datetime.datetime.fromtimestamp(at_s, self.zone)
        clock, today = local.time(), DAYS[local.weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        yesterday = DAYS[local.weekday() - 1]
        began_today = today in self.days and clock >= self.start
        return began_today or (yesterday in self.days and clock < self.end)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`target_requests`: what one replica serves well at once.

    `scale_down_delay_s`: how long less must have been enough; the last replica above the need is
    kept SPARE_FACTOR times as long (see `deciding`).
    """

    min_replicas: int
    max_replicas: int
    target_requests: float
    scale_down_delay_s: float = 60.0
    behavior: Behavior = field(default_factory=Behavior)
    schedules: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        """Refuse bounds that cannot be met."""
        if not 0 <= self.min_replicas <= self.max_replicas or self.max_replicas < 1:
            raise ValueError("0 <= minReplicas <= maxReplicas and maxReplicas >= 1 must hold")
        if not self.target_requests > 0:
            raise ValueError("targetRequests must be positive")
        if not 0 <= self.scale_down_delay_s <= 3600:
            raise ValueError("scaleDownDelaySeconds must be 0 to 3600")


def allowed(bounds: Bounds, *, now_s: float, ahead_s: float) -> tuple[int, int, bool]:
    """Return (least, most, whether a schedule says so) at this time.

    A minimum that begins within `ahead_s` counts already.
    """
    active = [one for one in bounds.schedules if one.active(now_s)]
    coming = [one for one in bounds.schedules if one.active(now_s + ahead_s)]
    usual = bounds.min_replicas, bounds.max_replicas
    least = max((one.min_replicas for one in active if one.min_replicas is not None), default=None)
    most = min((one.max_replicas for one in active if one.max_replicas is not None), default=None)
    soon = max((one.min_replicas for one in coming if one.min_replicas is not None), default=0)
    scheduled_most = usual[1] if most is None else most
    scheduled_least = min(max(usual[0] if least is None else least, soon), scheduled_most)
    return scheduled_least, scheduled_most, (scheduled_least, scheduled_most) != usual
