"""What of a suite is drawn from the ledger: real requests whose answers somebody judged."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.config import JsonDict

from pointsman.api.conditions import Reason
from pointsman.api.quantity import parse_duration
from pointsman.api.tasks import Task
from pointsman.api.v1alpha1.sizes import Count
from pointsman.api.validation import ApiModel, Duration, ObjectName, Rule

MAX_SAMPLE = 500
_TIME: JsonDict = {"format": "date-time"}


class DrawLabel(StrEnum):
    """What somebody said of an answer."""

    DEMONSTRATION = "Demonstration"
    GOOD = "Good"
    BAD = "Bad"


class PolicyRef(ApiModel):
    """A RoutingPolicy in the same namespace."""

    name: ObjectName = Field(description="Name of the RoutingPolicy.")


class LedgerDraw(ApiModel):
    """Which requests are drawn, and how many."""

    policy_ref: PolicyRef = Field(
        description="The RoutingPolicy whose requests are drawn. Its capture has to keep texts "
        "(Sampled or Full)."
    )
    tasks: list[Task] = Field(
        default=[],
        max_length=6,
        description="Requests of these tasks only; of all tasks if it is empty.",
    )
    labels: list[DrawLabel] = Field(
        default=[],
        max_length=3,
        description="Demonstration: somebody wrote a better answer, and a judge compares with that "
        "one. Good: the answer was rated 0.75 or better, and a judge compares with it. Bad: 0.25 "
        "or worse, and an answer has to be better than it. All of them if it is empty.",
    )
    since: Duration = Field(
        default="168h", description="How old a request may be when it is drawn; 1m to 1440h."
    )
    sample: int = Field(
        default=100, ge=1, le=MAX_SAMPLE, description="How many requests are drawn at most."
    )
    minimum: int = Field(
        default=20,
        ge=1,
        le=MAX_SAMPLE,
        description="With fewer there is no draw and nothing is run; when fewer than that are "
        "left of a draw, because their texts have expired, it is drawn anew.",
    )
    redraw_interval: Duration | None = Field(
        default=None,
        description="How long a draw is kept; 1h to 9600h. Without it, until too few are left, or "
        "the annotation pointsman.dev/redraw has a new value. Results of two draws are not "
        "compared: detection of drift begins anew.",
    )
    rubric: str = Field(
        default="It is correct, complete, and does what was asked.",
        min_length=1,
        max_length=4096,
        description="What the judge is asked to compare by.",
    )
    max_tokens: int = Field(
        default=1024, ge=1, le=1_000_000, description="Longest answer that is asked for, in tokens."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "tasks": {"x-kubernetes-list-type": "set"},
        "labels": {"x-kubernetes-list-type": "set"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.minimum) ? self.minimum : 20) <= (has(self.sample) ? self.sample : 100)",
            "minimum (20 if it is not set) must be at most sample",
            lambda d: d.minimum <= d.sample,
            field=".minimum",
            reason=Reason.INVALID_RANGE,
        ),
        Rule(
            "!has(self.tasks) || self.tasks.all(a, self.tasks.exists_one(b, a == b))",
            "tasks holds one twice",
            lambda d: len(set(d.tasks)) == len(d.tasks),
            field=".tasks",
        ),
        Rule(
            "!has(self.labels) || self.labels.all(a, self.labels.exists_one(b, a == b))",
            "labels holds one twice",
            lambda d: len(set(d.labels)) == len(d.labels),
            field=".labels",
        ),
        Rule(
            "!has(self.since) || (duration(self.since) >= duration('1m') && "
            "duration(self.since) <= duration('1440h'))",
            "since must be 1m to 1440h",
            lambda d: 60 <= parse_duration(d.since) <= 1440 * 3600,
            field=".since",
            reason=Reason.INVALID_RANGE,
        ),
        Rule(
            "!has(self.redrawInterval) || (duration(self.redrawInterval) >= duration('1h') && "
            "duration(self.redrawInterval) <= duration('9600h'))",
            "redrawInterval must be 1h to 9600h",
            lambda d: (
                d.redraw_interval is None
                or 3600 <= parse_duration(d.redraw_interval) <= 9600 * 3600
            ),
            field=".redrawInterval",
            reason=Reason.INVALID_RANGE,
        ),
    )


class DrawStatus(ApiModel):
    """The draw in force."""

    time: Annotated[str, Field(json_schema_extra=_TIME)] | None = Field(
        default=None, description="When it was drawn."
    )
    drawn: Count | None = Field(default=None, description="How many requests were drawn.")
    left: Count | None = Field(
        default=None, description="How many of them still have their texts: these are asked."
    )
