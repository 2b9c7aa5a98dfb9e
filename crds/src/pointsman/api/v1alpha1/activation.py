"""`spec.activation` of a ModelBackend: what becomes of requests while no server of it is ready."""

from enum import StrEnum

from pydantic import Field

from pointsman.api.validation import ApiModel, Duration


class ActivationMode(StrEnum):
    """What a router does with a request for a backend that has no ready server."""

    HOLD = "Hold"
    REJECT = "Reject"
    FALLBACK = "Fallback"


class Activation(ApiModel):
    """Hold, reject or pass on requests until a server is ready."""

    mode: ActivationMode = Field(
        default=ActivationMode.HOLD,
        description="Hold: requests wait for a server; callers take turns. Reject: 503 at "
        "once, with Retry-After. Fallback: the next backend of the route answers; where there is "
        "none, requests wait. A route whose fallback.when holds Cold does not wait either.",
    )
    timeout: Duration = Field(
        default="60s",
        description="How long a request may wait; then it ends with 503.",
    )
    max_held_requests: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many may wait in each router; the next one ends as if its time were over.",
    )


class Queue(ApiModel):
    """Let requests wait in the router while every server has as many as it works on."""

    timeout: Duration = Field(
        default="10s", description="How long a request may wait; then it ends with 503."
    )
    max_held_requests: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How many may wait in each router. In a full line the caller with most of them "
        "gives up a place to one with fewer; else the next request ends with 503.",
    )
