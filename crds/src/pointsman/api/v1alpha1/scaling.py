"""`spec.scaling` of a ModelBackend: who sets the replicas, within which bounds.

`behavior` has the shape, the defaults and the limits of autoscaling/v2; a test asks a real API
server about an HPA with the same.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pointsman.api.validation import ApiModel, Rule

DEFAULT_MIN_REPLICAS = 1
DEFAULT_DELAY_S = 60

Replicas = Annotated[int, Field(ge=0, le=1000)]
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class ScalingMode(StrEnum):
    """Who sets the replicas."""

    QUEUE_DEPTH = "QueueDepth"
    EXTERNAL = "External"


class ScalingPolicy(ApiModel):
    """How much may change in a period."""

    type: Literal["Pods", "Percent"] = Field(
        description="Whether value is a number of replicas or a percentage of those there are."
    )
    value: int = Field(
        ge=1, le=1_000_000, description="At most so many replicas, or percent, in any period."
    )
    period_seconds: int = Field(ge=1, le=1800, description="Length of the period.")


class ScalingRules(ApiModel):
    """One direction of `behavior`; what is left out has autoscaling/v2's default."""

    stabilization_window_seconds: int | None = Field(
        default=None,
        ge=0,
        le=3600,
        description="Go no further than every recommendation of so many seconds allows. "
        "Default: 0 up, 300 down.",
    )
    select_policy: Literal["Max", "Min", "Disabled"] = Field(
        default="Max",
        description="Which of the policies counts: the one that allows most, the one that allows "
        "least, or Disabled: never in this direction.",
    )
    policies: list[ScalingPolicy] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Limits of the change. Default: 4 replicas or 100 percent in 15 s up, 100 "
        "percent in 15 s down.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "policies": {"x-kubernetes-list-type": "atomic"},
    }


class ScalingBehavior(ApiModel):
    """Limits in both directions; one that is left out has none besides the algorithm's own."""

    scale_up: ScalingRules | None = Field(default=None, description="How fast replicas are added.")
    scale_down: ScalingRules | None = Field(
        default=None, description="How fast replicas are taken away."
    )


class ScalingSchedule(ApiModel):
    """Other bounds in a weekly window; of several active ones the narrowest bounds count."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the schedule.",
    )
    start: ClockTime = Field(
        description="Local time at which it begins, as '08:00'; replicas for it are started one "
        "cold start earlier."
    )
    end: ClockTime = Field(
        description="Local time at which it ends; if that is not after start, on the next day."
    )
    days_of_week: list[Day] | None = Field(
        default=None,
        min_length=1,
        max_length=7,
        description="Days on which it begins: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Default: every "
        "day.",
    )
    time_zone: str = Field(
        default="UTC",
        pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$",
        max_length=64,
        description="Time zone of start and end, as Europe/Berlin.",
    )
    min_replicas: Replicas | None = Field(
        default=None, description="Fewest replicas in this window, in place of the usual number."
    )
    max_replicas: Replicas | None = Field(
        default=None, description="Most replicas in this window, in place of the usual number."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "days_of_week": {"x-kubernetes-list-type": "set"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.minReplicas) || has(self.maxReplicas)",
            "a schedule needs minReplicas or maxReplicas",
            lambda s: s.min_replicas is not None or s.max_replicas is not None,
        ),
        Rule(
            "!has(self.minReplicas) || !has(self.maxReplicas) || "
            "self.minReplicas <= self.maxReplicas",
            "minReplicas of a schedule is above its maxReplicas",
            lambda s: (
                s.min_replicas is None or s.max_replicas is None or s.min_replicas <= s.max_replicas
            ),
            field=".minReplicas",
        ),
        Rule(
            "!has(self.maxReplicas) || self.maxReplicas >= 1",
            "maxReplicas of a schedule must be at least 1",
            lambda s: s.max_replicas != 0,
            field=".maxReplicas",
        ),
        Rule(
            "!has(self.daysOfWeek) || self.daysOfWeek.all(a, "
            "self.daysOfWeek.exists_one(b, a == b))",
            "daysOfWeek holds a day twice",
            lambda s: s.days_of_week is None or len(set(s.days_of_week)) == len(s.days_of_week),
            field=".daysOfWeek",
        ),
    )


class Scaling(ApiModel):
    """Who sets the replicas of the deployment, and within which bounds."""

    mode: ScalingMode = Field(
        default=ScalingMode.QUEUE_DEPTH,
        description="QueueDepth: the operator sets the Deployment's replicas by the requests that "
        "wait and run, and nobody else does. External: an HPA or a KEDA ScaledObject sets "
        "spec.replicas through the scale subresource, and the operator follows.",
    )
    min_replicas: Replicas | None = Field(
        default=None,
        description="Fewest replicas. 0 needs activation, which says what becomes of requests "
        "until the first one is ready. Default: 1.",
    )
    max_replicas: Replicas | None = Field(
        default=None, description="Most replicas; needed with mode QueueDepth."
    )
    target_requests: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests that one replica serves well at once; needed with mode QueueDepth. "
        "What a load test of the engine shows, not its limit.",
    )
    scale_down_delay_seconds: int | None = Field(
        default=None,
        ge=0,
        le=3600,
        description="Replicas go when fewer have been enough for so long; the last one above the "
        "need after four times that. Default: 60.",
    )
    behavior: ScalingBehavior | None = Field(
        default=None, description="Limits of each change, with the meaning of autoscaling/v2."
    )
    schedules: list[ScalingSchedule] | None = Field(
        default=None, max_length=16, description="Other bounds at certain hours."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "schedules": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.mode) || self.mode != 'External' || !(has(self.minReplicas) || "
            "has(self.maxReplicas) || has(self.targetRequests) || "
            "has(self.scaleDownDelaySeconds) || has(self.behavior) || has(self.schedules))",
            "with mode External only mode may be set: the autoscaler outside has the bounds",
            lambda s: s.mode != ScalingMode.EXTERNAL or not _own_fields(s),
        ),
        Rule(
            "(has(self.mode) && self.mode == 'External') || "
            "(has(self.maxReplicas) && has(self.targetRequests))",
            "mode QueueDepth needs maxReplicas and targetRequests",
            lambda s: (
                s.mode == ScalingMode.EXTERNAL
                or (s.max_replicas is not None and s.target_requests is not None)
            ),
        ),
        Rule(
            "!has(self.maxReplicas) || self.maxReplicas >= 1",
            "maxReplicas must be at least 1",
            lambda s: s.max_replicas != 0,
            field=".maxReplicas",
        ),
        Rule(
            "!has(self.minReplicas) || !has(self.maxReplicas) || "
            "self.minReplicas <= self.maxReplicas",
            "minReplicas is above maxReplicas",
            lambda s: (
                s.min_replicas is None or s.max_replicas is None or s.min_replicas <= s.max_replicas
            ),
            field=".minReplicas",
        ),
        Rule(
            "!has(self.schedules) || self.schedules.all(a, "
            "self.schedules.exists_one(b, a.name == b.name))",
            "two schedules have the same name",
            lambda s: s.schedules is None or len({o.name for o in s.schedules}) == len(s.schedules),
            field=".schedules",
        ),
    )

    @property
    def goes_to_zero(self) -> bool:
        """True if there may be no replicas, now or in some schedule."""
        return 0 in (self.min_replicas, *(one.min_replicas for one in self.schedules or ()))

    @property
    def least(self) -> int:
        """minReplicas, or its default."""
        return DEFAULT_MIN_REPLICAS if self.min_replicas is None else self.min_replicas


def _own_fields(scaling: Scaling) -> bool:
    """Whether anything of QueueDepth's is set, be it empty."""
    kept = (
        scaling.min_replicas, scaling.max_replicas, scaling.target_requests,
        scaling.scale_down_delay_seconds, scaling.behavior, scaling.schedules,
    )  # fmt: skip
    return any(value is not None for value in kept)
