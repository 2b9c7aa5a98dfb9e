"""Who chooses where rules leave it open: a predictor that learns from ratings and failures."""

from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1.budget import Money
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.validation import ApiModel, Duration, Rule, lasting

PredictorMode = Literal["None", "Observe", "Apply"]
"""What becomes of a prediction. Not `Off`, which is false in the YAML that kubectl reads."""
Prefer = Literal["Balanced", "Quality", "Cost"]
Choosing = Literal["Bypass", "Choose"]
"""Whether the targets of a route hold, or the predictor chooses among its backends."""


class Objective(ApiModel):
    """What is best, and what is not good enough."""

    prefer: Prefer = Field(
        default="Balanced",
        description="Quality: the best predicted answer; the cheaper of two that are within a "
        "percent. Cost: the cheapest of those above qualityFloorPercent. Balanced: quality, less "
        "15 percent for the dearest candidate and 5 for the slowest, and in proportion for others.",
    )
    quality_floor_percent: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Candidates whose predicted quality is less are tried after all others. Cost "
        "needs it.",
    )
    max_cost_per_request: Money | None = Field(
        default=None,
        description="Candidates that are expected to cost more are left out, in the currency of "
        "their prices, as '0.05'. If all are, the cheapest answers.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.prefer) || self.prefer != 'Cost' || has(self.qualityFloorPercent)",
            "prefer Cost needs qualityFloorPercent: without it the cheapest answers everything",
            lambda o: o.prefer != "Cost" or o.quality_floor_percent is not None,
            field=".qualityFloorPercent",
        ),
        Rule(
            "!has(self.maxCostPerRequest) || double(self.maxCostPerRequest) > 0.0",
            "maxCostPerRequest must be more than nothing",
            lambda o: o.max_cost_per_request is None or Decimal(o.max_cost_per_request) > 0,
            field=".maxCostPerRequest",
            reason=Reason.INVALID_RANGE,
        ),
    )


class Predictor(ApiModel):
    """
    Rules come first: what a rule matches goes to its targets, unless the rule says Choose.

    What no rule matches is chosen for, unless default says Bypass.
    """

    mode: PredictorMode = Field(
        default="Observe",
        description="None: nothing is predicted. Observe: targets answer as if there were no "
        "predictor, and each decision is recorded with what it would have chosen. Apply: it "
        "chooses.",
    )
    candidates: list[BackendRef] = Field(
        default=[],
        max_length=16,
        description="Among whom it chooses where no rule matches. In a rule that says Choose: "
        "those of them that the rule names itself. If none is named: all backends of the policy's "
        "rules and default.",
    )
    objective: Objective = Field(default=Objective(), description="What is best.")
    min_confidence_percent: int = Field(
        default=10,
        ge=0,
        le=100,
        description="A prediction that is less sure is not followed: the targets of the rule, or "
        "of default, answer. What is only published of families is 10 percent sure; so 11 waits "
        "for ratings.",
    )
    min_samples: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="Ratings and failures of a backend in one task count from so many on; before, "
        "what is known of its family counts.",
    )
    half_life: Duration = Field(
        default="168h",
        description="After so long a rating counts half; so a backend that was bad is tried "
        "again. 1h to 9600h.",
    )
    switch_margin_percent: int = Field(
        default=5,
        ge=0,
        le=100,
        description="A conversation stays with its backend unless another one is better by more.",
    )
    exploration_percent: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Of the conversations that begin, how many of 100 go to another candidate "
        "than the best, to learn how it does now. Only with mode Apply, and never in a rule "
        "without Choose.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "candidates": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.candidates) || self.candidates.all(a, self.candidates.exists_one(b, "
            "a.name == b.name))",
            "candidates names a backend twice",
            lambda p: len({ref.name for ref in p.candidates}) == len(p.candidates),
            field=".candidates",
        ),
        Rule(
            "!has(self.candidates) || self.candidates.size() != 1",
            "candidates must be two or more: of one there is nothing to choose",
            lambda p: len(p.candidates) != 1,
            field=".candidates",
        ),
        lasting("half_life", "1h", "9600h"),
    )
