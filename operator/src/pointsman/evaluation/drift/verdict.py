"""
PURE: what the state of a stream says.

| phase | when | what it promises |
|---|---|---|
| Steady | neither of the below | |
| Suspected | CUSUM is at `suspect` | healthy: on average at most once in so many probes |
| Drifted | the evidence once was what is needed | healthy: at most `alpha` in the whole stream |

Drifted stays until the stream is rebaselined; suspicion comes and goes.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pointsman.evaluation.drift.betting import Arm, evidence, suspicion
from pointsman.evaluation.drift.stream import (
    WORSE_SHARE,
    Absent,
    Direction,
    State,
    arms_of,
    likeliest,
    needed,
)

Z: Final = 1.959964
"""Of 95 %."""


class Phase(StrEnum):
    """What the stream says so far."""

    STEADY = "Steady"
    SUSPECTED = "Suspected"
    DRIFTED = "Drifted"


@dataclass(frozen=True, slots=True)
class Drift:
    """
    What can be said now.

    `change`: score now minus baseline, mean since probe `since`, with its interval of 95 % from
    `low` to `high`. The moment was chosen because it looks like a change, so that soon after it
    `change` is as a rule too far from 0. `evidence`: the e-value of `direction`, and what it has to
    reach. `found_at`: the probe that brought Drifted. `over`: it was, and is no longer to be seen.
    All 0 and None while Steady.
    """

    phase: Phase
    direction: Direction | None
    change: float
    low: float
    high: float
    since: int
    found_at: int | None
    over: bool
    evidence: float
    needed: float
    alpha: float
    count: int
    absent: Absent
    words: str


def verdict(state: State) -> Drift:
    """What the state says, in numbers and in words."""
    phase, direction = _phase(state)
    if direction is None:
        return _worded(_drift(state, phase))
    arms = arms_of(state, direction)
    arm = likeliest(arms)
    low, high = _interval(state, arm)
    return _worded(
        replace(
            _drift(state, phase),
            direction=direction,
            change=-arm.mean,
            low=low,
            high=high,
            since=arm.since,
            found_at=state.alarm.at if state.alarm else None,
            over=arm.score <= 1,
            evidence=evidence(arms),
            needed=needed(state, direction),
        )
    )


def _phase(state: State) -> tuple[Phase, Direction | None]:
    if state.alarm:
        return Phase.DRIFTED, state.alarm.direction
    worse = WORSE_SHARE * suspicion(state.worse)
    better = (1 - WORSE_SHARE) * suspicion(state.better)
    if worse + better < state.suspect:
        return Phase.STEADY, None
    return Phase.SUSPECTED, Direction.WORSE if worse >= better else Direction.BETTER


def _drift(state: State, phase: Phase) -> Drift:
    return Drift(
        phase=phase,
        direction=None,
        change=0.0,
        low=0.0,
        high=0.0,
        since=0,
        found_at=None,
        over=False,
        evidence=0.0,
        needed=0.0,
        alpha=state.alpha,
        count=state.count,
        absent=state.absent,
        words="",
    )


def _interval(state: State, arm: Arm) -> tuple[float, float]:
    """Of what was seen, wider by what the stored runs are uncertain: slack is some 3 deviations."""
    reach = Z * arm.error()
    if state.baseline:
        reach += state.baseline.slack * Z / 3
    return max(-1.0, -arm.mean - reach), min(1.0, -arm.mean + reach)


def _worded(drift: Drift) -> Drift:
    """Add the sentence that people read."""
    absent = drift.absent.refused + drift.absent.timed_out + drift.absent.unreadable
    counted = f"{drift.count} probes" + (f" and {absent} without a score" if absent else "")
    if drift.direction is None:
        return replace(drift, words=f"no change in {counted}")
    moved = (
        f"{drift.direction.lower()}: {100 * drift.change:+.1f} points since probe {drift.since}"
        f" (95 %: {100 * drift.low:+.1f} to {100 * drift.high:+.1f})"
    )
    if drift.over:
        words = f"{drift.direction.lower()}: found at probe {drift.found_at}, over now; {counted}"
    elif drift.phase is Phase.SUSPECTED:
        words = f"perhaps {moved}; evidence {drift.evidence:.3g} of {drift.needed:.0f}, {counted}"
    else:
        words = (
            f"{moved}; found at probe {drift.found_at}, evidence {drift.evidence:.3g} of"
            f" {drift.needed:.0f}; false alarms in at most {100 * drift.alpha:g} % of streams;"
            f" {counted}"
        )
    return replace(drift, words=words)
