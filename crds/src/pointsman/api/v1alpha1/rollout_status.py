"""What `status` of a RoutingPolicy says of a rollout; see status.py."""

from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.v1alpha1.sizes import Count, Message, Name, Number, Percent
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
        default=None,
        description="Errors, Refusals, Latency, Cost, Quality, or Quality/ and a task; Golden/ "
        "and a task, and GoldenCost, by golden prompts.",
    )
    verdict: Name | None = Field(default=None, description="Pass, Fail, Inconclusive or Error.")
    value: Number | None = Field(
        default=None, description="How much worse it is, in points or percent."
    )
    low: Number | None = Field(default=None, description="Lower end of the interval.")
    high: Number | None = Field(default=None, description="Upper end of the interval.")
    limit: Number | None = Field(default=None, description="What is allowed.")
    message: Message | None = Field(default=None, description="The same in a sentence.")


class ReplayedShare(ApiModel):
    """Requests of the replay."""

    name: Name | None = Field(default=None, description="Of the backend, or of the rule.")
    before: Count | None = Field(default=None, description="By the stable revision.")
    after: Count | None = Field(default=None, description="By the candidate.")


class ReplayStatus(ApiModel):
    """What became of recent requests by the candidate's routing."""

    verdict: Name | None = Field(default=None, description="Pass, Fail, Inconclusive or Error.")
    requests: Count | None = Field(default=None, description="That were replayed.")
    unknown: Count | None = Field(
        default=None, description="Of them, how many hang on what the ledger does not keep."
    )
    moved_percent: Number | None = Field(
        default=None, description="Of those that are known: go to another backend first."
    )
    unroutable: Count | None = Field(
        default=None,
        description="Find no backend that can take them, where the stable revision has one.",
    )
    cost_percent: Number | None = Field(
        default=None, description="How much more the same tokens cost."
    )
    by_backend: list[ReplayedShare] | None = Field(
        default=None, max_length=16, description="Who is first, the largest first."
    )
    by_rule: list[ReplayedShare] | None = Field(
        default=None, max_length=16, description="By which rule, the largest first."
    )
    message: Message | None = Field(default=None, description="The same in a sentence, and why.")
    time: str | None = Field(
        default=None, description="When it was done.", json_schema_extra={"format": "date-time"}
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "by_backend": {"x-kubernetes-list-type": "atomic"},
        "by_rule": {"x-kubernetes-list-type": "atomic"},
    }


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
    replay: ReplayStatus | None = Field(
        default=None, description="What the replay said, once it was done."
    )
    findings: list[RolloutFinding] | None = Field(
        default=None, max_length=16, description="What the guardrails say; up to 15 s old."
    )
    shadow: ShadowStatus | None = Field(
        default=None, description="What its shadow has found; absent without one."
    )
    approved_by: list[Name] | None = Field(
        default=None, max_length=16, description="Who approved its steps."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "findings": {"x-kubernetes-list-type": "atomic"},
        "approved_by": {"x-kubernetes-list-type": "atomic"},
    }
