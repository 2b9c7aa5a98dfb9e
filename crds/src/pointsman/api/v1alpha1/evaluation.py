"""What is asked of a backend on a schedule, and what came of it."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.config import JsonDict

from pointsman.api.v1alpha1.budget import Money
from pointsman.api.v1alpha1.sizes import Count, Message, Name
from pointsman.api.validation import ApiModel, Duration, ObjectName, Rule, lasting

_Figure = Annotated[str, Field(max_length=64)]
_TIME: JsonDict = {"format": "date-time"}


class SuiteRef(ApiModel):
    """An EvaluationSuite in the same namespace."""

    name: ObjectName = Field(description="Name of the EvaluationSuite.")


class Evaluation(ApiModel):
    """A suite, how often it is asked, and what that may cost."""

    suite_ref: SuiteRef = Field(description="The golden prompts.")
    interval: Duration = Field(
        default="24h",
        description="From the beginning of one run to that of the next; 10s at least, 720h at "
        "most. The annotation pointsman.dev/evaluate with a new value asks for a run at once.",
    )
    max_cost_per_day: Money | None = Field(
        default=None,
        description="What all runs of a day (UTC) may cost, the judge's calls among them, in the "
        "currency of cost, as '0.50'. A call that could pass it is not made: the run ends "
        "without a result. Without it there is no cap.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        lasting("interval", "10s", "720h", "must be at least 10s and at most 720h"),
    )

    def within_cost(self, priced: bool) -> bool:
        """Whether its cap can be held."""
        return priced or self.max_cost_per_day is None


class TaskQuality(ApiModel):
    """How good the answers to the golden prompts of one task were in the last whole run."""

    task: Name | None = Field(default=None, description="The task, or all for all of them.")
    score: _Figure | None = Field(
        default=None, description="Mean of the scores by weight, from 0 to 1."
    )
    low: _Figure | None = Field(default=None, description="Lower end of its interval of 95 %.")
    high: _Figure | None = Field(default=None, description="Upper end.")
    prompts: Count | None = Field(default=None, description="Prompts that have a score.")
    time: str | None = Field(
        default=None, description="When the run ended.", json_schema_extra=_TIME
    )


class EvaluationStatus(ApiModel):
    """The last run of the suite, or the one under way."""

    suite: Name | None = Field(default=None, description="The EvaluationSuite.")
    content: Name | None = Field(
        default=None, description="Hash of the prompts and checks that were asked."
    )
    quality_content: Name | None = Field(
        default=None,
        description="The same of the run that status.quality is of: figures of different ones "
        "cannot be compared.",
    )
    run: Count | None = Field(
        default=None, description="Number of the run; each number is run once."
    )
    start_time: str | None = Field(
        default=None,
        description="When the run that is under way began; absent while none is.",
        json_schema_extra=_TIME,
    )
    last_time: str | None = Field(
        default=None, description="When the last run began.", json_schema_extra=_TIME
    )
    next_time: str | None = Field(
        default=None, description="When the next one is due.", json_schema_extra=_TIME
    )
    ended: Name | None = Field(
        default=None,
        description="How the last run ended: Complete, SpendCap, Unreachable, or Interrupted (the "
        "operator ended first). Only a Complete one changes status.quality.",
    )
    message: Message | None = Field(default=None, description="The same in a sentence.")
    cost: _Figure | None = Field(default=None, description="What the last run cost.")
    spent: _Figure | None = Field(
        default=None, description="What the runs of spentOn cost together."
    )
    spent_on: _Figure | None = Field(default=None, description="That day, in UTC.")
    reserved: _Figure | None = Field(
        default=None,
        description="The most that the run under way may cost; counts as spent if it is "
        "interrupted.",
    )
    interrupted: Count | None = Field(
        default=None,
        description="How many of the last runs in a row were interrupted; after three the next one "
        "waits for the interval, or for another order.",
    )
    order: Name | None = Field(
        default=None,
        description="Value of the annotation pointsman.dev/evaluate that the run under way obeys; "
        "if it is interrupted, the next one does.",
    )
    ordered: Name | None = Field(
        default=None,
        description="The value that was obeyed last: its run ended by itself, or three were "
        "interrupted.",
    )
