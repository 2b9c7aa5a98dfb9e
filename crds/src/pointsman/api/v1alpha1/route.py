"""Where requests of a rule go: targets, what follows them, and how long that may take."""

from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from pointsman.api.conditions import Reason
from pointsman.api.priority import Priority
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1.budget import Money
from pointsman.api.v1alpha1.humanreview import Review
from pointsman.api.v1alpha1.references import BackendRef
from pointsman.api.validation import ApiModel, Duration
from pointsman.api.validation import Rule as ValidationRule


class FallbackOn(StrEnum):
    """What makes the router try the next backend of the chain."""

    ERROR = "Error"
    TIMEOUT = "Timeout"
    CONTEXT_WINDOW = "ContextWindow"
    COLD = "Cold"
    SATURATED = "Saturated"
    UNSCHEDULABLE = "Unschedulable"


class Target(ApiModel):
    """A backend and its share."""

    backend_ref: BackendRef = Field(description="The ModelBackend that answers.")
    weight: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="Share of the traffic, relative to the rule's other targets; 0 gets none.",
    )


class Fallback(ApiModel):
    """What is tried when the chosen backend cannot answer."""

    # `when`, not `on`: kubectl reads YAML 1.1, where a bare `on:` is the boolean true.

    when: list[FallbackOn] = Field(
        default=[FallbackOn.ERROR, FallbackOn.TIMEOUT, FallbackOn.CONTEXT_WINDOW],
        min_length=1,
        max_length=6,
        description="Error: refused, reset, or answered 408, 429 or 5xx. Timeout: no first token "
        "in time. ContextWindow: the request does not fit. Cold: a backend with activation has no "
        "ready server. Saturated: it has as many requests as its maxConcurrentRequests, or would "
        "not begin before the deadline. Unschedulable: it has no ready server and none can start. "
        "Never after the first content byte.",
    )
    chain: list[BackendRef] = Field(
        min_length=1,
        max_length=8,
        description="Backends to try after the target, in order; none is tried twice.",
    )
    deadline: Duration = Field(
        default="60s",
        description="No further backend is tried once this much time has passed since the "
        "request came in.",
    )
    max_cost: Money | None = Field(
        default=None,
        description="Most that all attempts of one request may cost together, target included, in "
        "the currency of the rule's first priced backend, as '0.05'. Counted before each: the "
        "estimated prompt and the longest answer (max tokens, else the rest of the context window, "
        "else 16384) at that backend's price, and as much for each attempt that broke after it "
        "was sent. Who would exceed it, or is priced in another currency, is skipped.",
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "when": {"x-kubernetes-list-type": "atomic"},
        "chain": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[ValidationRule, ...]] = (
        ValidationRule(
            "self.chain.all(a, self.chain.exists_one(b, a.name == b.name))",
            "chain names a backend twice (fallback cycle)",
            lambda f: len({ref.name for ref in f.chain}) == len(f.chain),
            field=".chain",
            reason=Reason.FALLBACK_CYCLE,
        ),
        ValidationRule(
            "!has(self.deadline) || duration(self.deadline) > duration('0s')",
            "deadline must be longer than 0s",
            lambda f: parse_duration(f.deadline) > 0,
            field=".deadline",
            reason=Reason.INVALID_RANGE,
        ),
        ValidationRule(
            "!has(self.maxCost) || double(self.maxCost) > 0.0",
            "maxCost must be more than nothing",
            lambda f: f.max_cost is None or Decimal(f.max_cost) > 0,
            field=".maxCost",
            reason=Reason.INVALID_RANGE,
        ),
    )


class Timeouts(ApiModel):
    """Deadlines of one request."""

    first_token: Duration = Field(
        default="30s",
        description="Longest wait for the first content of an answer, for each backend tried. A "
        "whole answer, which comes at its end, has it only while another backend may answer.",
    )
    stream_idle: Duration = Field(
        default="60s", description="Longest silence inside an answer that has begun."
    )
    request: Duration = Field(
        default="10m", description="Longest time from the request to the end of the answer."
    )

    rules: ClassVar[tuple[ValidationRule, ...]] = (
        ValidationRule(
            "(!has(self.firstToken) || duration(self.firstToken) > duration('0s')) && "
            "(!has(self.streamIdle) || duration(self.streamIdle) > duration('0s')) && "
            "(!has(self.request) || duration(self.request) > duration('0s'))",
            "a timeout must be longer than 0s",
            lambda t: all(parse_duration(d) > 0 for d in (t.first_token, t.stream_idle, t.request)),
            reason=Reason.INVALID_RANGE,
        ),
    )


class Route(ApiModel):
    """Targets, what follows them, and how long that may take."""

    targets: list[Target] = Field(
        min_length=1, max_length=16, description="Backends that answer, by weight."
    )
    fallback: Fallback | None = Field(
        default=None, description="What is tried when the target cannot answer."
    )
    timeouts: Timeouts = Field(default=Timeouts(), description="Deadlines of a request.")
    priority: Priority = Field(
        default=Priority.NORMAL,
        description="Who goes first where requests wait for a server of a backend (its activation "
        "or queue): High before Normal before Low. Callers of one priority take turns. Where no "
        "more may wait, the lowest gives up its place.",
    )
    review: Review | None = Field(
        default=None, description="How a person looks at its requests; see spec.humanReview."
    )

    schema_extra: ClassVar[dict[str, dict[str, object]]] = {
        "targets": {"x-kubernetes-list-type": "atomic"},
    }
    rules: ClassVar[tuple[ValidationRule, ...]] = (
        ValidationRule(
            "self.targets.all(a, self.targets.exists_one(b, "
            "a.backendRef.name == b.backendRef.name))",
            "targets names a backend twice",
            lambda r: len({t.backend_ref.name for t in r.targets}) == len(r.targets),
            field=".targets",
        ),
        ValidationRule(
            "self.targets.exists(t, !has(t.weight) || t.weight > 0)",
            "at least one target needs a weight above 0",
            lambda r: any(t.weight > 0 for t in r.targets),
            field=".targets",
            reason=Reason.INVALID_RANGE,
        ),
        ValidationRule(
            "!has(self.fallback) || self.targets.size() > 1 || !self.fallback.chain.exists(c, "
            "c.name == self.targets[0].backendRef.name)",
            "fallback.chain leads back to the only target (fallback cycle)",
            lambda r: (
                r.fallback is None
                or len(r.targets) > 1
                or all(c.name != r.targets[0].backend_ref.name for c in r.fallback.chain)
            ),
            field=".fallback",
            reason=Reason.FALLBACK_CYCLE,
        ),
    )
