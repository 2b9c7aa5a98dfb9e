"""RoutingPolicy: which backend answers what, and what happens when it fails.

Rules are tried in order and the first whose match holds decides; `default` answers the rest.
Every reference is to a ModelBackend in the same namespace.
"""

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from pointsman.api.dataclass import DataClass
from pointsman.api.v1alpha1.budget import Budget
from pointsman.api.v1alpha1.capture import Capture, ImplicitFeedback
from pointsman.api.v1alpha1.governance import PolicyGovernance
from pointsman.api.v1alpha1.humanreview import HumanReview, Review, ReviewMode
from pointsman.api.v1alpha1.match import Match
from pointsman.api.v1alpha1.meta import ObjectMeta
from pointsman.api.v1alpha1.policytest import PolicyTest
from pointsman.api.v1alpha1.predictor import Choosing, Predictor
from pointsman.api.v1alpha1.reevaluation import DriftResponse
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.v1alpha1.rollout import Rollout
from pointsman.api.v1alpha1.route import Fallback as Fallback  # noqa: PLC0414 - also found here
from pointsman.api.v1alpha1.route import FallbackOn as FallbackOn  # noqa: PLC0414
from pointsman.api.v1alpha1.route import Route as Route  # noqa: PLC0414
from pointsman.api.v1alpha1.route import Target as Target  # noqa: PLC0414
from pointsman.api.v1alpha1.route import Timeouts as Timeouts  # noqa: PLC0414
from pointsman.api.validation import ApiModel
from pointsman.api.validation import Rule as ValidationRule

MAX_EXPRESSIONS: Final = 32
"""Of one policy, so that a request that meets all of them is still decided in time."""
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", max_length=128)]


class DefaultRoute(Route):
    """Where a request goes that no rule matches."""

    predictor: Choosing = Field(
        default="Choose",
        description="Where the policy has a predictor. Choose: it chooses, and these targets "
        "answer what it is not sure of. Bypass: these targets answer.",
    )


class Rule(Route):
    """One named rule: what it matches and where that leads."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the rule; callers see it in x-pointsman-rule. Not 'default'.",
    )
    match: Match | None = Field(
        default=None, description="Conditions on a request; all that are set must hold."
    )
    matches: list[Match] = Field(
        default=[],
        max_length=8,
        description="Several matches, any of which is enough, in place of match.",
    )
    predictor: Choosing = Field(
        default="Bypass",
        description="Where the policy has a predictor. Bypass: the targets answer, whatever is "
        "predicted. Choose: it chooses among the rule's targets and fallbacks.",
    )

    data_class: DataClass | None = Field(
        default=None,
        description="The class of data that requests of this rule have at least; they go to no "
        "backend with a lower dataHandling.maxDataClass.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        **Route.schema_extra,
        "matches": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[ValidationRule, ...]] = (
        *Route.rules,
        ValidationRule(
            "has(self.match) != (has(self.matches) && self.matches.size() > 0)",
            "exactly one of match and matches must be set",
            lambda r: (r.match is not None) != bool(r.matches),
            field=".match",
        ),
        ValidationRule(
            "self.name != 'default'",
            "the name default belongs to spec.default",
            lambda r: r.name != "default",
            field=".name",
        ),
    )

    def ways(self) -> tuple[Match, ...]:
        """The matches, any of which is enough."""
        return (self.match,) if self.match else tuple(self.matches)


class RoutingPolicySpec(ApiModel):
    """Model names and the rules behind them."""

    model_names: list[ModelName] = Field(
        min_length=1,
        max_length=16,
        description="What callers put into model, such as auto. When two policies claim a name, "
        "the older one has it.",
    )
    rules_: list[Rule] = Field(
        default=[],
        alias="rules",
        max_length=32,
        description="Rules in order; the first that matches decides.",
    )
    default: DefaultRoute = Field(description="Where a request goes that no rule matches.")
    baseline: BackendRef | None = Field(
        default=None,
        description="The backend that savings are told against: what the same tokens would have "
        "cost there, such as the one that answered everything before. It gets no request for "
        "that. Its prices count where the currency is the same.",
    )
    budgets: list[Budget] = Field(
        default=[],
        max_length=8,
        description="How much may be used; a request has to be within all of them. They need a "
        "ledger: without one, Enforce refuses every request.",
    )
    capture: Capture | None = Field(
        default=None,
        description="What the ledger keeps of prompts and answers. Nothing where it is not set.",
    )
    implicit_feedback: ImplicitFeedback | None = Field(
        default=None,
        description="What the ledger is told from how people ask. Nothing where it is not set.",
    )
    predictor: Predictor | None = Field(
        default=None,
        description="Chooses by predicted quality, cost and speed where rules leave it open. It "
        "learns from the ledger; without one it knows what is published of model families.",
    )
    governance: PolicyGovernance | None = Field(
        default=None,
        description="Which backends may be used, and how strict the data of requests is.",
    )
    human_review: HumanReview | None = Field(
        default=None,
        description="How people look at requests, where a rule, low confidence or a class of data "
        "asks for it. It needs a ledger.",
    )
    rollout: Rollout | None = Field(
        default=None,
        description="How a new revision takes over. Where it is not set, at once.",
    )
    drift: DriftResponse | None = Field(
        default=None,
        description="What happens when a backend that it names has drifted. Nothing where it is "
        "not set.",
    )
    tests: list[PolicyTest] = Field(
        default=[],
        max_length=32,
        description="Requests and where they must go. A spec whose tests do not all pass is not "
        "put in force.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "model_names": {"x-kubernetes-list-type": "set"},
        "rules_": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "budgets": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "tests": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    }
    rules: ClassVar[tuple[ValidationRule, ...]] = (
        ValidationRule(
            "self.modelNames.all(a, self.modelNames.exists_one(b, a == b))",
            "modelNames holds a name twice",
            lambda s: len(set(s.model_names)) == len(s.model_names),
            field=".modelNames",
        ),
        ValidationRule(
            "!has(self.rules) || self.rules.all(a, self.rules.exists_one(b, a.name == b.name))",
            "two rules have the same name",
            lambda s: len({r.name for r in s.rules_}) == len(s.rules_),
            field=".rules",
        ),
        ValidationRule(
            "!has(self.budgets) || self.budgets.all(a, self.budgets.exists_one(b, "
            "a.name == b.name))",
            "two budgets have the same name",
            lambda s: len({b.name for b in s.budgets}) == len(s.budgets),
            field=".budgets",
        ),
        ValidationRule(
            "!has(self.tests) || self.tests.all(a, self.tests.exists_one(b, a.name == b.name))",
            "two tests have the same name",
            lambda s: len({t.name for t in s.tests}) == len(s.tests),
            field=".tests",
        ),
        ValidationRule(
            "!has(self.rules) || self.rules.map(r, (has(r.match) && has(r.match.expression) ? 1 : "
            "0) + (has(r.matches) ? r.matches.filter(m, has(m.expression)).size() : 0)).sum() "
            "<= 32",
            "rules have more than 32 expressions together",
            lambda s: (
                sum(m.expression is not None for r in s.rules_ for m in r.ways()) <= MAX_EXPRESSIONS
            ),
            field=".rules",
        ),
        ValidationRule(
            "has(self.humanReview) || (!has(self.default.review) && (!has(self.rules) || "
            "!self.rules.exists(r, has(r.review))))",
            "a review needs humanReview, which says how long it waits and what happens then",
            lambda s: s.human_review is not None or not s.reviews(),
            field=".humanReview",
        ),
        ValidationRule(
            "!has(self.humanReview) || (has(self.humanReview.escalateTo) && "
            "self.humanReview.escalateTo.size() > 0) == ("
            "(has(self.default.review) && self.default.review.mode == 'Escalate') || "
            "(has(self.rules) && self.rules.exists(r, has(r.review) && "
            "r.review.mode == 'Escalate')) || "
            "(has(self.humanReview.lowConfidence) && "
            "self.humanReview.lowConfidence.mode == 'Escalate') || "
            "(has(self.humanReview.dataClass) && self.humanReview.dataClass.mode == 'Escalate'))",
            "a review with mode Escalate needs humanReview.escalateTo, and no other mode takes it",
            lambda s: (
                s.human_review is None
                or bool(s.human_review.escalate_to)
                == any(review.mode is ReviewMode.ESCALATE for review in s.reviews())
            ),
            field=".humanReview",
        ),
    )

    def reviews(self) -> tuple[Review, ...]:
        """All that anything asks for."""
        asked = [route.review for _, _, route in self.routes() if route.review is not None]
        return (*asked, *(self.human_review.own() if self.human_review else ()))

    def routes(self) -> tuple[tuple[str, tuple[Match, ...], Route], ...]:
        """
        Every route as (path in the object, its matches, route).

        `spec.default` is the last, and alone has none.
        """
        named = tuple((f"spec.rules[{i}]", rule.ways(), rule) for i, rule in enumerate(self.rules_))
        return (*named, ("spec.default", (), self.default))


class RoutingPolicy(ApiModel):
    """Which backend answers what."""

    api_version: Literal["pointsman.dev/v1alpha1"] = "pointsman.dev/v1alpha1"
    kind: Literal["RoutingPolicy"] = "RoutingPolicy"
    metadata: ObjectMeta
    spec: RoutingPolicySpec

    rules: ClassVar[tuple[ValidationRule, ...]] = (
        ValidationRule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && "
            "self.metadata.name.size() <= 52",
            "metadata.name must begin with a letter, hold only a-z, 0-9 and -, and have at most "
            "52 characters (its revisions are named <name>-<hash>)",
            lambda p: (
                re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", p.metadata.name) is not None
                and len(p.metadata.name) <= 52
            ),
        ),
    )
