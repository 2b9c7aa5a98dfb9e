"""Which requests a person looks at, before or after a model answers, and what happens without one.

A policy that holds requests says how long, and what becomes of them if nobody decides: there is no
silent way on. Of several reasons for a review the strictest wins.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.dataclass import DataClass
from pointsman.api.priority import Priority
from pointsman.api.v1alpha1.external import OVER_TLS
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.validation import ApiModel, Duration, Rule, lasting

Confidence = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,3})?|1(\.0{1,3})?)$", max_length=5)]
"""As '0.5': how sure the analysis is of a request's task, 0 to 1."""


class ReviewMode(StrEnum):
    """What a review does to a request, from the mildest to the strictest."""

    FLAG = "Flag"
    ESCALATE = "Escalate"
    HOLD = "Hold"


class ReviewStage(StrEnum):
    """What is held: the request before a model sees it, or the answer before its caller does."""

    REQUEST = "Request"
    ANSWER = "Answer"


class OnTimeout(StrEnum):
    """What becomes of a held request when nobody has decided by its deadline."""

    DENY = "Deny"
    FALLBACK = "Fallback"


class Review(ApiModel):
    """How a person comes in."""

    mode: ReviewMode = Field(
        description="Flag: the answer goes out, and a person sees it later. Escalate: a backend of "
        "humanReview.escalateTo answers instead, and a person sees it later. Hold: nothing goes "
        "on before a person approved it."
    )
    stage: ReviewStage | None = Field(
        default=None,
        description="With mode Hold, and only there. Request: before any model sees it. Answer: "
        "before the caller sees it. Not set: Answer.",
    )
    priority: Priority = Field(
        default=Priority.NORMAL,
        description="Which are shown first: High, then Normal, then Low.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.stage) || self.mode == 'Hold'",
            "stage belongs to mode Hold",
            lambda r: r.stage is None or r.mode is ReviewMode.HOLD,
            field=".stage",
        ),
    )


class LowConfidence(Review):
    """A review of requests whose task the analysis is not sure of."""

    below: Confidence = Field(
        description="Requests of whose task the analysis is less sure than this, as '0.5'."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        *Review.rules,
        Rule(
            "double(self.below) > 0.0",
            "below must be more than 0: nothing is less sure than that",
            lambda r: Decimal(r.below) > 0,
            field=".below",
            reason=Reason.INVALID_RANGE,
        ),
    )


class DataClassReview(Review):
    """A review of requests by the class of their data."""

    at_least: DataClass = Field(
        description="Requests of this class or a stricter one, whoever gave it: key, rule, caller, "
        "policy or what was found in the text."
    )


class WebhookKeyRef(ApiModel):
    """Where the key is that signs a webhook."""

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
        description="Name of a Secret that is mounted into the ledger; routers never read it.",
    )
    key: str = Field(
        default="key", pattern=r"^[-._a-zA-Z0-9]+$", max_length=253, description="Key inside it."
    )


class Webhook(ApiModel):
    """Who is told that a review was opened. No text of the request is sent."""

    url: str = Field(
        max_length=2048,
        description="Where the webhook is sent. Plain http is allowed for loopback only.",
    )
    secret_ref: WebhookKeyRef = Field(description="The key that signs the webhook.")

    rules: ClassVar[tuple[Rule, ...]] = (
        OVER_TLS,
        Rule(
            "!self.url.contains('@') && !self.url.contains('#')",
            "url must not hold a user or a fragment",
            lambda w: not set("@#") & set(w.url),
            field=".url",
        ),
    )


class HumanReview(ApiModel):
    """How people look at requests of a policy. It needs a ledger, which keeps what waits."""

    deadline: Duration = Field(
        default="10m", description="How long a held request waits for a person; 1s to 24h."
    )
    on_timeout: OnTimeout = Field(
        default=OnTimeout.DENY,
        description="When nobody has decided by then, or the ledger is away. Deny: the caller is "
        "told so. Fallback: fallbackRef answers, and nobody has seen it.",
    )
    fallback_ref: BackendRef | None = Field(
        default=None, description="With onTimeout Fallback, and only there: who answers then."
    )
    escalate_to: list[BackendRef] = Field(
        default=[],
        max_length=8,
        description="Who answers what is escalated: the first that the request may go to and that "
        "can take it. Needed where a review is Escalate, and only there.",
    )
    low_confidence: LowConfidence | None = Field(
        default=None, description="A review of what the analysis is not sure of."
    )
    data_class: DataClassReview | None = Field(
        default=None, description="A review by the class of a request's data."
    )
    max_held: int = Field(
        default=200,
        ge=1,
        le=10_000,
        description="Most of the policy's requests that are held at once, by all routers; more "
        "are refused with 429.",
    )
    retention: Duration = Field(
        default="720h",
        description="How long the ledger keeps the texts of a review, from the request on; 9600h "
        "at most.",
    )
    webhooks: list[Webhook] = Field(
        default=[], max_length=4, description="Who is told that something waits."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "escalate_to": {"x-kubernetes-list-type": "atomic"},
        "webhooks": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        lasting("deadline", "1s", "24h"),
        lasting("retention", "1s", "9600h"),
        Rule(
            "(has(self.onTimeout) && self.onTimeout == 'Fallback') == has(self.fallbackRef)",
            "onTimeout Fallback needs fallbackRef, and Deny takes none",
            lambda h: (h.on_timeout is OnTimeout.FALLBACK) == (h.fallback_ref is not None),
            field=".fallbackRef",
        ),
        Rule(
            "!has(self.escalateTo) || self.escalateTo.all(a, self.escalateTo.exists_one(b, "
            "a.name == b.name))",
            "escalateTo names a backend twice",
            lambda h: len({ref.name for ref in h.escalate_to}) == len(h.escalate_to),
            field=".escalateTo",
        ),
        Rule(
            "!has(self.webhooks) || self.webhooks.all(a, self.webhooks.exists_one(b, "
            "a.url == b.url))",
            "webhooks names a URL twice",
            lambda h: len({one.url for one in h.webhooks}) == len(h.webhooks),
            field=".webhooks",
        ),
    )

    def own(self) -> tuple[Review, ...]:
        """The reviews that no rule asks for."""
        return tuple(one for one in (self.low_confidence, self.data_class) if one is not None)
