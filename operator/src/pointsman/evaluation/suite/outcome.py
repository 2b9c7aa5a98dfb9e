"""What one answer is worth: a score from 0 to 1, or why there is none; and what is judged."""

from dataclasses import dataclass
from enum import StrEnum


class Missing(StrEnum):
    """Why there is no score. It is counted, and it says nothing about how good a model is."""

    REFUSED = "Refused"
    """The endpoint did not take the request (400, 429, 503), or the model declined."""
    TIMED_OUT = "TimedOut"
    """No whole answer within the deadline."""
    UNREADABLE = "Unreadable"
    """There is an answer, and what was asked for cannot be found in it."""
    ERROR = "Error"
    """No connection, or 5xx."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`score` is None if and only if `missing` says why; `reason` is for people."""

    score: float | None
    reason: str
    missing: Missing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One whole answer; `declined`: the server itself says that the model refused or was cut off
    by a filter."""

    text: str
    latency_s: float = 0.0
    declined: bool = False


def right(reason: str) -> Outcome:
    """Score 1."""
    return Outcome(1.0, reason)


def wrong(reason: str) -> Outcome:
    """Score 0."""
    return Outcome(0.0, reason)


def not_scored(missing: Missing, reason: str) -> Outcome:
    """No score."""
    return Outcome(None, reason, missing)


def shown(text: str, limit: int = 80) -> str:
    """A part of a text in quotes, for a reason; what cannot be printed is escaped."""
    part = text if len(text) <= limit else text[: limit - 3] + "..."
    return ascii(part) if not part.isprintable() else f"'{part}'"
