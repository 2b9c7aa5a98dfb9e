"""PURE: what a golden probe says: a score from 0 (wrong) to 1 (right), or why there is none."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from pointsman.evaluation.drift.errors import BadObservation


class Missing(StrEnum):
    """Why a probe has no score. It is counted, and it is no evidence for anything."""

    REFUSED = "Refused"
    TIMED_OUT = "TimedOut"
    UNREADABLE = "Unreadable"


class Probe(msgspec.Struct, frozen=True):
    """A score now, and the scores of the same prompt in each of the stored baseline runs."""

    outcome: float
    runs: tuple[float, ...]


class Pair(msgspec.Struct, frozen=True):
    """A score now, and the score of what the baseline answered to the same prompt just now."""

    outcome: float
    baseline: float


Observation = Probe | Pair | Missing


def scored(values: Sequence[float], what: str) -> None:
    """Let scores pass that are numbers from 0 to 1; BadObservation names the first that is not."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise BadObservation(f"{what} has to be a number from 0 to 1, not {value!r}")
