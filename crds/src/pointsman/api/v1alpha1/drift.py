"""`spec.drift` and `status.drift` of a ModelBackend: changes that nobody made on purpose."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pointsman.api.conditions import Reason
from pointsman.api.validation import ApiModel, Rule

DriftMode = Literal["Detect", "None"]
"""Not `Off`, which is false in the YAML that kubectl reads."""
Passive = Literal["Observe", "None"]
Identity = Literal["All", "Model", "None"]


def _text_of_integer(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


PercentText = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,2}(\.[0-9]{1,3})?$",
        max_length=6,
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maximum": 99,
        },
    ),
    BeforeValidator(_text_of_integer),
]
"""As `1` or `'0.5'`."""


class Drift(ApiModel):
    """How it is found out that a model is not what it was, by its answers and by its traffic."""

    mode: DriftMode = Field(
        default="Detect",
        description="Detect: the condition Drifted, status.drift, Events and a metric say it. "
        "None: nothing does. A backend with spec.evaluation is watched without spec.drift, too; "
        "one without spec.evaluation only by its traffic.",
    )
    false_alarm_percent: PercentText = Field(
        default="1",
        description="Chance that a backend which does not change is ever called Drifted because of "
        "its answers to golden prompts, in all its tasks together and however long it is watched, "
        "as 1 or '0.5'; from 0.01 to 10. After an alarm and with each new baseline it counts anew. "
        "A change holds from the next baseline on.",
    )
    baseline_runs: int = Field(
        default=5,
        ge=2,
        le=20,
        description="How many complete runs of the suite are kept as what it is compared with. "
        "Fewer than 5 find only large changes. A change holds from the next baseline on.",
    )
    passive: Passive = Field(
        default="Observe",
        description="Observe: errors, times to the first token, lengths, finish reasons and "
        "ratings of its ordinary traffic, from the ledger, make it Suspected where they look "
        "different; never Drifted, for callers change, too. None: they are not asked for.",
    )
    identity: Identity = Field(
        default="All",
        description="All: another model or system_fingerprint in most of its answers is a change "
        "at once, reason IdentityChanged. Model: only the model's name counts. None: neither.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.falseAlarmPercent) || (double(self.falseAlarmPercent) >= 0.01 && "
            "double(self.falseAlarmPercent) <= 10.0)",
            "falseAlarmPercent is from 0.01 to 10",
            lambda d: 0.01 <= float(d.false_alarm_percent) <= 10.0,
            field=".falseAlarmPercent",
            reason=Reason.INVALID_RANGE,
        ),
    )

    @property
    def alpha(self) -> float:
        """The same as a share."""
        return float(self.false_alarm_percent) / 100


Figure = Annotated[str, Field(max_length=64)]
_Name = Annotated[str, Field(max_length=253)]


class DriftStatus(ApiModel):
    """A task of which the answers are not what they were, or perhaps not."""

    task: _Name | None = Field(default=None, description="The task, or all for all together.")
    direction: _Name | None = Field(default=None, description="Worse or Better.")
    suspected: bool | None = Field(
        default=None, description="True: not proven, more runs will tell; absent if it is Drifted."
    )
    points: Figure | None = Field(
        default=None, description="Score now less that of the baseline, in points of 100."
    )
    low: Figure | None = Field(default=None, description="Lower end of its interval of 95 %.")
    high: Figure | None = Field(default=None, description="Upper end.")
    since_time: str | None = Field(
        default=None,
        description="When the run began in which it is likeliest to have changed.",
        json_schema_extra={"format": "date-time"},
    )
    evidence: Figure | None = Field(
        default=None, description="How many times likelier a change made these answers than chance."
    )
    probes: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] | None = Field(
        default=None, description="Answers with a score since the baseline."
    )
