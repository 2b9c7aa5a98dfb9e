"""PURE: what happens after an attempt failed and nothing has reached the client yet.

| the fault, and the route                            | next                                     |
| its kind is in fallback.on, candidates are left     | the next candidate, at once              |
| may pass by itself, retries and budget are left     | the same backend, other endpoint first   |
| anything else, or the deadline has passed           | give up                                  |
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIRST_DELAY_S: Final = 0.5
FACTOR: Final = 2.0
MAX_DELAY_S: Final = 5.0
JITTER: Final = 0.2
BUDGET_SHARE: Final = 0.2
"""Retries for each request: Linkerd's and Envoy's default; more amplifies an outage."""
BUDGET_START: Final = 10.0
"""A router that has just started, or one with little traffic, may retry this often."""
BUDGET_MAX: Final = 100.0
RETRYABLE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
CREDENTIAL_STATUSES: Final = frozenset({401, 402, 403, 407})
"""The caller's credentials never reach a backend, so these are about the router's."""
CUT: Final = "Cut"
"""Reason of the fault that is no backend's: the router itself ends."""


class Kind(StrEnum):
    """The values of fallback.on."""

    ERROR = "Error"
    TIMEOUT = "Timeout"
    CONTEXT_WINDOW = "ContextWindow"
    COLD = "Cold"
    SATURATED = "Saturated"
    UNSCHEDULABLE = "Unschedulable"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt gave no answer; `reason` is a metric label, so it comes from a small set."""

    kind: Kind
    reason: str
    detail: str = ""
    """For the caller: no secret, no text of a backend."""
    retryable: bool = True
    """True if the same backend may answer the same request a moment later."""
    retry_after_s: float | None = None
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where the request stands; times are seconds since it came in."""

    others_left: bool
    falls_back: bool
    """True if fallback.on holds the fault's kind."""
    retries_done: int
    max_retries: int
    other_endpoint: bool
    """True if the backend has an endpoint that was not tried."""
    elapsed_s: float
    deadline_s: float
    budget: float


class Action(StrEnum):
    """What happens next."""

    NEXT = "Next"
    RETRY = "Retry"
    GIVE_UP = "GiveUp"


@dataclass(frozen=True, slots=True)
class Step:
    """The decision, after which wait, and why."""

    action: Action
    delay_s: float = 0.0
    why: str = ""


def backoff_s(retries_done: int, dice: float) -> float:
    """0.5 s doubling to 5 s, with 20 % either way by `dice` in [0, 1)."""
    delay = min(FIRST_DELAY_S * FACTOR**retries_done, MAX_DELAY_S)
    return delay * (1 - JITTER + 2 * JITTER * dice)


def after_fault(fault: Fault, at: Situation, dice: float) -> Step:  # noqa: PLR0911 - a table
    """The next step; a retry never starts after the deadline."""
    if at.elapsed_s >= at.deadline_s:
        return Step(Action.GIVE_UP, why="the deadline for further attempts has passed")
    if at.others_left and at.falls_back:
        return Step(Action.NEXT, why=f"fallback on {fault.kind}")
    if not fault.retryable or fault.kind is not Kind.ERROR:
        return Step(Action.GIVE_UP, why=f"{fault.reason} does not pass by itself")
    if at.retries_done >= at.max_retries:
        return Step(Action.GIVE_UP, why="no retries left")
    if at.budget < 1:
        return Step(Action.GIVE_UP, why="the retry budget is used up")
    if at.other_endpoint and at.retries_done == 0 and fault.retry_after_s is None:
        return Step(Action.RETRY, why="another endpoint may answer")
    delay = max(backoff_s(at.retries_done, dice), fault.retry_after_s or 0.0)
    if at.elapsed_s + delay >= at.deadline_s:
        return Step(Action.GIVE_UP, why="the wait does not fit the deadline")
    return Step(Action.RETRY, delay, why=fault.reason)


def earn(budget: float) -> float:
    """The retry budget after one more request."""
    return min(budget + BUDGET_SHARE, BUDGET_MAX)


def parse_retry_after_s(value: str) -> float | None:
    """Seconds of a Retry-After header; its date form is ignored, as no model server sends it."""
    text = value.strip()
    if not text.isascii() or not text.replace(".", "", 1).isdigit() or len(text) > 8:
        return None
    return float(text)
