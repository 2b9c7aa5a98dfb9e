"""A decision that explains itself; the words are those of status, events, logs and metrics."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why this count."""

    STEADY = "Steady"
    LOAD_ROSE = "LoadRose"
    LOAD_FELL = "LoadFell"
    PANIC = "Panic"
    BACKLOG = "Backlog"
    WOKEN = "Woken"
    IDLE = "Idle"
    BOUNDS = "Bounds"
    PRE_SCALE = "PreScale"
    """A policy is about to send more, or has just begun to."""
    NO_DATA = "NoData"


class Clamp(StrEnum):
    """What kept `wanted` from being `desired`; the last one to do so."""

    MIN = "Min"
    MAX = "Max"
    SCHEDULE = "Schedule"
    PRE_SCALE = "PreScale"
    TOLERANCE = "Tolerance"
    DELAY = "Delay"
    RATE = "Rate"
    BEHAVIOR = "Behavior"
    RESTART = "Restart"
    PANIC = "Panic"
    UNCONFIRMED = "Unconfirmed"
    """A router has not confirmed yet that it holds, so the last replica stays."""
    NO_DATA = "NoData"


@dataclass(frozen=True, slots=True)
class Decision:
    """`observed`: the load now, None: no data. `wanted`: what it asks for. `desired`: to be set."""

    desired: int
    wanted: int
    observed: int | None
    reason: Reason
    clamped_by: Clamp | None
    message: str
