"""What the operator writes into `status.rollout` of a RoutingPolicy."""

from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.v1alpha1.statusfields import Count, Message, Name, Number, Percent
from pointsman.api.validation import ApiModel


class RolloutWeights(ApiModel):
    """Part of the conversations that goes to the candidate, in percent."""

    desired: Percent | None = Field(default=None, description="By the step.")
    verified: Percent | None = Field(
        default=None, description="The least that any router has said it sends."
    )


class RolloutFinding(ApiModel):
    """What a guardrail says of the candidate beside the stable revision."""

    guardrail: Name | None = Field(
        default=None, description="Errors, Latency, Cost, Quality, or Quality/ and a task."
    )
    verdict: Name | None = Field(default=None, description="Pass, Fail, Inconclusive or Error.")
    value: Number | None = Field(
        default=None, description="How much worse it is, in points or percent."
    )
    low: Number | None = Field(default=None, description="Lower end of the interval.")
    high: Number | None = Field(default=None, description="Upper end of the interval.")
    limit: Number | None = Field(default=None, description="What is allowed.")
    message: Message | None = Field(default=None, description="The same in a sentence.")


class ShadowStatus(ApiModel):
    """What became of requests that the candidate answers as well, unseen by callers."""

    pairs: Count | None = Field(
        default=None, description="Pairs of answers that were compared; up to 15 s old."
    )
    equal: Count | None = Field(
        default=None,
        description="Among them: requests that both revisions send to the same backend.",
    )
    unjudged: Count | None = Field(
        default=None, description="Pairs that count for nothing: the judge did not say which."
    )
    spent: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="By answers and judge, such as 1.25 USD."
    )
    verdict: Name | None = Field(
        default=None,
        description="Comparing; Passed: the steps have begun; Failed; Inconclusive: too few pairs "
        "in its time.",
    )


class RolloutStatus(ApiModel):
    """How a new revision takes over, or how that ended."""

    phase: Name | None = Field(
        default=None,
        description="Progressing, Paused, AwaitingApproval, Promoted, Aborted, or Waiting for "
        "other rollouts.",
    )
    reason: Name | None = Field(default=None, description="Why it is in this phase.")
    revision: Name | None = Field(default=None, description="The candidate that it is about.")
    stable: Name | None = Field(
        default=None, description="What it is compared with, or was before it was promoted."
    )
    step: Count | None = Field(
        default=None, description="Number of the step, from 0 on, as an approval names it."
    )
    steps: Count | None = Field(default=None, description="Steps in all.")
    weights: RolloutWeights | None = Field(default=None, description="The candidate's part.")
    message: Message | None = Field(
        default=None, description="What it waits for, or why it ended; up to 15 s old."
    )
    start_time: str | None = Field(
        default=None, description="When it began.", json_schema_extra={"format": "date-time"}
    )
    findings: list[RolloutFinding] | None = Field(
        default=None, max_length=16, description="What the guardrails say; up to 15 s old."
    )
    approved_by: list[Name] | None = Field(
        default=None, max_length=16, description="Who approved its steps."
    )
    shadow: ShadowStatus | None = Field(
        default=None, description="What its shadow has found; absent without one."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "findings": {"x-kubernetes-list-type": "atomic"},
        "approved_by": {"x-kubernetes-list-type": "atomic"},
    }
