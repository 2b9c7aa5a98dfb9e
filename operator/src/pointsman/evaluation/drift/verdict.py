"""
PURE: what the state of a stream says.

| phase | when | what it promises |
|---|---|---|
| Steady | neither of the below | |
| Suspected | CUSUM is at `suspect` | healthy: on average at most once in so many probes |
| Drifted | the evidence once was what is needed | healthy: at most `alpha` in the whole stream |

Drifted stays until the stream is rebaselined; suspicion comes and goes.
"""

from collections.abc import Sequence
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
ENOUGH: Final = 50
"""Probes after an alarm that say more about its size than those that raised it."""
NEARLY: Final = 20
"""How much less likely a moment may be than the likeliest, to count for the interval."""


class Phase(StrEnum):
    """What the stream says so far."""

    STEADY = "Steady"
    SUSPECTED = "Suspected"
    DRIFTED = "Drifted"


@dataclass(frozen=True, slots=True)
class Drift:
    """
    What can be said now.

    `change`: score now minus baseline, and its interval of 95 %, `low` to `high`. Until 50 probes
    after an alarm it is of the probes since `since`, which were chosen because they look like a
    change: then it is a rough one (docs/drift.md has how often it is right). `found_at`: the probe
    that brought Drifted. `over`: there was a change, and it is no longer to be seen. `evidence`:
    the e-value of `direction`, now or at the alarm, and what it has to reach. All 0 and None while
    Steady.
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
    likely = likeliest(arms)
    change, low, high = _change(state, arms)
    return _worded(
        replace(
            _drift(state, phase),
            direction=direction,
            change=change,
            low=low,
            high=high,
            since=likely.since if likely.score > 1 or not state.alarm else state.alarm.since,
            found_at=state.alarm.at if state.alarm else None,
            over=likely.score <= 1,
            evidence=max(evidence(arms), state.alarm.evidence if state.alarm else 0.0),
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


def _change(state: State, arms: Sequence[Arm]) -> tuple[float, float, float]:
    """
    Score now minus baseline, and from where to where.

    What came after the alarm was chosen by nobody, so it counts as soon as there is enough of it.
    Until then all moments count that are nearly as likely as the likeliest.
    """
    # What the stored runs are uncertain by at 95 %: slack is some 3 deviations.
    own = state.baseline.slack * Z / 3 if state.baseline else 0.0
    best = likeliest(arms)
    tallies = [arm.tally for arm in arms if arm.score >= best.score / NEARLY]
    change = -best.tally.mean
    if state.after.count >= ENOUGH:
        tallies, change = [state.after], -state.after.mean
    low = min(-tally.mean - Z * tally.error() for tally in tallies) - own
    high = max(-tally.mean + Z * tally.error() for tally in tallies) + own
    return change, max(-1.0, low), min(1.0, high)


def _worded(drift: Drift) -> Drift:
    """Add the sentence that people read."""
    absent = drift.absent.refused + drift.absent.timed_out + drift.absent.unreadable
    counted = f"{drift.count} probes" + (f" and {absent} without a score" if absent else "")
    if drift.direction is None:
        return replace(drift, words=f"no change in {counted}")
    moved = (
        f"{drift.direction.lower()}: {100 * drift.change:+.1f} points since about probe"
        f" {drift.since} (95 %: {100 * drift.low:+.1f} to {100 * drift.high:+.1f})"
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
