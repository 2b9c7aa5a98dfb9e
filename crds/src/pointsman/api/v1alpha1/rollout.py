"""How a new revision of a policy takes over: step by step, compared with the one beside it."""

from typing import ClassVar, Literal

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1.budget import Money
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.validation import ApiModel, Duration, Rule, lasting

_LONGEST_S = 240 * 3600


class RolloutStep(ApiModel):
    """One stage: so many of the conversations go to the new revision."""

    weight_percent: int = Field(
        ge=1,
        le=99,
        description="Percent of the conversations that go to the new revision. A conversation in a "
        "small part is in each larger one.",
    )
    min_requests: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Requests that the new revision has to answer before the step is over. "
        "With fewer at the stepDeadline, golden prompts decide.",
    )
    min_duration: Duration = Field(
        default="1m",
        description="The step lasts so long at least, from when every router has its weights. At "
        "most 240h.",
    )
    approval: bool = Field(
        default=False, description="True: the step ends only when somebody approves."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minDuration) || duration(self.minDuration) <= duration('240h')",
            "minDuration must be at most 240h",
            lambda s: parse_duration(s.min_duration) <= _LONGEST_S,
            field=".minDuration",
            reason=Reason.INVALID_RANGE,
        ),
    )


class Guardrails(ApiModel):
    """How much worse than the stable revision the new one may be, on traffic of the same time."""

    max_error_points: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Percentage points of requests that end in an error: 5xx, a timeout, a stream "
        "that breaks. 100: not looked at.",
    )
    max_latency_percent: int = Field(
        default=25,
        ge=1,
        le=1000,
        description="How many percent longer the whole answer may take, at the 95th percentile.",
    )
    max_cost_percent: int = Field(
        default=25,
        ge=1,
        le=1000,
        description="Of the mean cost of a request. Not looked at where no backend of the new "
        "revision has a price, or currencies differ.",
    )
    max_quality_points: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Percentage points of how often the old answer is the better one beyond how "
        "often the new one is, of the pairs of a shadow; for each task and for all. Also how "
        "much lower scores of golden prompts may be, where a step got too few requests. 100: not "
        "looked at.",
    )


class ShadowJudge(ApiModel):
    """Which model says which of two answers is better; it does not hear whose they are."""

    backend_ref: BackendRef = Field(
        description="The ModelBackend that judges. It should not be one that is compared."
    )
    rubric: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="What a good answer does, in words for the judge. Default: it is right, "
        "complete, and does what was asked for.",
    )
    max_tokens: int = Field(
        default=256, ge=16, le=16384, description="Longest verdict that is asked for, in tokens."
    )


class Shadow(ApiModel):
    """
    Before the first step the new revision answers a part of the requests as well, unseen.

    Callers get the stable revision's answer, as soon as ever; both answers are compared.
    """

    percent: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Percent of the conversations that the new revision answers as well, unseen.",
    )
    min_pairs: int = Field(
        default=100,
        ge=30,
        le=100_000,
        description="Pairs of answers that have to be compared before the first step. Requests "
        "that both revisions send to the same backend count, and cost nothing.",
    )
    max_spend: Money = Field(
        default="5",
        description="Most that may be spent on the new revision's answers and on the judge, by "
        "the prices of the backends, as '5.00'. When it is used up, what was compared by then "
        "decides. Routers that come and go may pass it until the operator has seen so.",
    )
    currency: str = Field(
        default="USD",
        pattern=r"^[A-Z]{3}$",
        max_length=3,
        description="ISO 4217 code of the currency of maxSpend. Requests to backends with prices "
        "in another one are not sent.",
    )
    deadline: Duration = Field(
        default="24h",
        description="With fewer pairs than minPairs after so long it pauses for a person. At most "
        "240h.",
    )
    judge: ShadowJudge | None = Field(
        default=None,
        description="Compares pairs in which both have answered. Without it only what needs no "
        "judge is compared: errors, empty answers, refusals, answers that were cut, and JSON "
        "where it was asked for.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.deadline) || (duration(self.deadline) > duration('0s') && "
            "duration(self.deadline) <= duration('240h'))",
            "deadline must be longer than 0s and at most 240h",
            lambda s: 0 < parse_duration(s.deadline) <= _LONGEST_S,
            field=".deadline",
            reason=Reason.INVALID_RANGE,
        ),
    )


class Replay(ApiModel):
    """The new revision's routing on recent requests of the ledger, before it gets any traffic."""

    requests: int = Field(
        default=2000,
        ge=100,
        le=10_000,
        description="How many of the policy's last requests in the ledger are replayed, at most.",
    )
    window: Duration = Field(
        default="24h", description="How old a replayed request may be. At least 1m, at most 720h."
    )
    min_requests: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many requests have to be known well enough to be routed again; with fewer "
        "the replay is inconclusive.",
    )
    max_unknown_percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="Of them, how many may hang on what a ledger does not keep (headers, metadata, "
        "turns, maxOutputTokens, and what a predictor reads); with more it is inconclusive.",
    )
    max_unroutable_percent: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Of them, how many may find no backend that can take them, for its context "
        "window or capabilities, where the stable revision has one.",
    )
    max_cost_percent: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="How much more the same tokens may cost. Default: maxCostPercent of "
        "guardrails. Not looked at where no backend of the new revision has a price, or "
        "currencies differ.",
    )
    max_moved_percent: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Percent of the replayed requests that may go to another backend first. "
        "Default: not looked at.",
    )
    on_inconclusive: Literal["Proceed", "Abort"] = Field(
        default="Proceed",
        description="What follows an inconclusive replay, for example without a ledger: Proceed to "
        "the steps, or Abort.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        lasting("window", "1m", "720h", "must be at least 1m and at most 720h"),
        Rule(
            "(has(self.minRequests) ? self.minRequests : 100) <= "
            "(has(self.requests) ? self.requests : 2000)",
            "minRequests must not be more than requests",
            lambda r: r.min_requests <= r.requests,
            field=".minRequests",
            reason=Reason.INVALID_RANGE,
        ),
    )


_STEPS = [RolloutStep(weight_percent=percent) for percent in (5, 25, 50)]


class Rollout(ApiModel):
    """Steps, guardrails and who has to agree."""

    steps: list[RolloutStep] = Field(
        default=_STEPS,
        min_length=1,
        max_length=10,
        description="Stages in order, each with more weight than the one before. After the last "
        "one the new revision is promoted. Default: 5, 25 and 50 percent, each with the defaults "
        "of a step.",
    )
    shadow: Shadow | None = Field(
        default=None,
        description="What happens before the first step. Default: nothing, callers are the first "
        "to meet the new revision.",
    )
    approval: Literal["Automatic", "Manual"] = Field(
        default="Automatic",
        description="Automatic: promoted when the guardrails pass. Manual: when somebody has "
        "approved as well.",
    )
    guardrails: Guardrails = Field(
        default=Guardrails(), description="How much worse the new revision may be."
    )
    replay: Replay | None = Field(
        default=None,
        description="Before the first step, the new revision's routing is replayed on recent "
        "requests. Default: it is not.",
    )
    step_deadline: Duration = Field(
        default="1h",
        description="A step that is not decided after so long for want of requests is decided by "
        "golden prompts, which may take as long again; where they cannot tell, or replicas are "
        "not ready, it pauses for a person. At most 240h.",
    )
    revision_history_limit: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Revisions that are kept beside those in force, for `pointsman rollout undo`.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "steps": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.steps) || self.steps.all(a, self.steps.exists_one(b, "
            "a.weightPercent == b.weightPercent))",
            "two steps have the same weightPercent",
            lambda r: len({s.weight_percent for s in r.steps}) == len(r.steps),
            field=".steps",
        ),
        Rule(
            "!has(self.steps) || self.steps.map(s, s.weightPercent).isSorted()",
            "each step needs a larger weightPercent than the one before",
            lambda r: (
                [s.weight_percent for s in r.steps] == sorted(s.weight_percent for s in r.steps)
            ),
            field=".steps",
            reason=Reason.INVALID_RANGE,
        ),
        Rule(
            "!has(self.stepDeadline) || (duration(self.stepDeadline) > duration('0s') && "
            "duration(self.stepDeadline) <= duration('240h'))",
            "stepDeadline must be longer than 0s and at most 240h",
            lambda r: 0 < parse_duration(r.step_deadline) <= _LONGEST_S,
            field=".stepDeadline",
            reason=Reason.INVALID_RANGE,
        ),
    )
