"""What a caller is told when no backend answered."""

from collections.abc import Sequence
from typing import Final

from pointsman.router.errors import Problem, RateLimited, UpstreamBroken
from pointsman.router.policy.provider_limits import LIMITED
from pointsman.router.policy.retry import Fault, Kind

_NOT_NOW: Final = frozenset(
    [
        "NoEndpoint",
        "Cold",
        "Saturated",
        "CannotStart",
        "HoldFull",
        "HoldTimeout",
        "Http429",
        "Http503",
        LIMITED,
    ]
)
"""Faults that mean "come back later"."""


def unanswered(failures: Sequence[tuple[str, Fault]]) -> Problem:
    """What the caller is told: each attempt with its reason, never a backend's own text."""
    tried = "; ".join(f"{backend}: {fault.detail or fault.reason}" for backend, fault in failures)
    message = f"No backend answered. Tried {tried}."
    last = failures[-1][1]
    if last.kind is Kind.TIMEOUT:
        return UpstreamBroken(504, message, code="upstream_timeout")
    if all(f.reason in _NOT_NOW for _, f in failures):
        hints = [f.retry_after_s for _, f in failures if f.retry_after_s is not None]
        retry_after_s = min(hints, default=1.0)
        if all(f.reason in ("Http429", LIMITED) for _, f in failures):
            return RateLimited(message, retry_after_s=retry_after_s)
        return UpstreamBroken(
            503, message, code="backends_unavailable", retry_after_s=retry_after_s
        )
    return UpstreamBroken(502, message, code="upstream_error", retry_after_s=last.retry_after_s)
