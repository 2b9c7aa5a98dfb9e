"""
PURE: the state of a stream of golden results of one backend and one task, and its next state.

`alpha`, the chance of ever saying Drifted while nothing has changed, is for the whole stream and
both directions: three quarters for worse, one for better. With stored runs half of it covers the
bounds of the baseline. `rebaselined` begins the next stream, with an alpha of its own.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal

import msgspec

from pointsman.evaluation.drift import betting
from pointsman.evaluation.drift.baseline import Baseline, summed_up
from pointsman.evaluation.drift.betting import Arm, Tally
from pointsman.evaluation.drift.errors import BadObservation, BadState
from pointsman.evaluation.drift.observation import Missing, Observation, Pair, Probe, scored
from pointsman.evaluation.drift.stored import read_state

VERSION: Final = 1
"""Of the stored form, and of the bets: a state goes on only with the bets that it began with."""
WORSE_SHARE: Final = 0.75
BOUNDS: Final = 4
"""A baseline's: slack for worse and for better, prompts always right, prompts always wrong."""


class Direction(StrEnum):
    """Where a backend went."""

    WORSE = "Worse"
    BETTER = "Better"


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """The first time that the evidence was enough: after probe `at`, for a change after `since`."""

    direction: Direction
    at: int
    since: int
    evidence: float


class Absent(msgspec.Struct, frozen=True):
    """Probes without a score, by reason."""

    refused: int = 0
    timed_out: int = 0
    unreadable: int = 0


class State(msgspec.Struct, frozen=True, kw_only=True):
    """
    All that a stream knows: some 2 KiB of JSON, however long it is.

    `count`: scores since it began. `baseline`: of stored runs; None for pairs. `stream`: how often
    it was rebaselined.
    """

    version: int = VERSION
    alpha: float
    suspect: float
    baseline: Baseline | None
    stream: int = 0
    count: int = 0
    absent: Absent = Absent()
    worse: tuple[Arm, ...]
    better: tuple[Arm, ...]
    alarm: Alarm | None = None
    after: Tally = Tally()
    """What came after the alarm, which nobody chose."""


def begin(
    runs: Sequence[Sequence[float]] | None = None, *, alpha: float = 0.01, suspect: float = 100.0
) -> State:
    """
    Begin a stream: against stored runs (prompts x runs of scores), or without them for pairs.

    `alpha`: the chance that it ever says Drifted while nothing has changed, in either direction.
    `suspect`: probes between false suspicions, on average at least. Raises BadObservation.
    """
    if not 0 < alpha <= 0.5:
        raise BadObservation(f"alpha is above 0 and at most 0.5, not {alpha!r}")
    if not 1 < suspect <= betting.CAP:
        raise BadObservation(f"suspect is a number of probes above 1, not {suspect!r}")
    baseline, arms = None, (Arm(),) * len(betting.PAIRED)
    if runs is not None:
        baseline = summed_up(runs, alpha / 2 / BOUNDS)
        arms = (Arm(),) * (len(betting.STEADY) + len(betting.EVEN))
    return State(alpha=alpha, suspect=suspect, baseline=baseline, worse=arms, better=arms)


def rebaselined(state: State, runs: Sequence[Sequence[float]] | None = None) -> State:
    """Begin the next stream of the same kind and alpha; the last one's evidence is gone."""
    if (state.baseline is None) != (runs is None):
        raise BadObservation("a stream of pairs takes no runs; one of stored runs needs new ones")
    fresh = begin(runs, alpha=state.alpha, suspect=state.suspect)
    return msgspec.structs.replace(fresh, stream=state.stream + 1)


def update(state: State, seen: Observation) -> State:
    """The state after one probe. Raises BadObservation, which leaves the state as it was."""
    if isinstance(seen, Missing):
        return msgspec.structs.replace(state, absent=_counted(state.absent, seen))
    worse, better = _factors(state, seen)
    staked, loss = betting.stake(state.count), betting.difference(seen)
    moved = msgspec.structs.replace(
        state,
        count=state.count + 1,
        worse=betting.moved(state.worse, worse, staked, state.count, loss),
        better=betting.moved(state.better, better, staked, state.count, loss),
    )
    if moved.alarm:
        return msgspec.structs.replace(moved, after=moved.after.plus(loss))
    return msgspec.structs.replace(moved, alarm=_alarm(moved))


def needed(state: State, direction: Direction) -> float:
    """The evidence at which a direction is Drifted."""
    share = WORSE_SHARE if direction is Direction.WORSE else 1 - WORSE_SHARE
    return 1 / (share * state.alpha * (0.5 if state.baseline else 1.0))


def arms_of(state: State, direction: Direction) -> tuple[Arm, ...]:
    """The arms that bet on this direction."""
    return state.worse if direction is Direction.WORSE else state.better


def likeliest(arms: Sequence[Arm]) -> Arm:
    """Return the arm that sees a change best; its CUSUM tells since when."""
    return max(arms, key=lambda arm: arm.score)


def dump(state: State) -> bytes:
    """JSON, exact: `load` of it is the same state."""
    return msgspec.json.encode(state)


def load(stored: bytes | str) -> State:
    """Read what `dump` wrote. BadState says what is wrong with it."""
    state = read_state(stored, State, VERSION, "drift state")
    arms = len(betting.STEADY) + len(betting.EVEN) if state.baseline else len(betting.PAIRED)
    if (len(state.worse), len(state.better)) != (arms, arms):
        raise BadState(f"a drift state of other bets: {len(state.worse)} arms, not {arms}")
    if not _possible(state):
        raise BadState("a drift state with numbers that cannot be")
    return state


def _possible(state: State) -> bool:
    kept = (*state.worse, *state.better)
    tallies = (state.after, *(arm.tally for arm in kept))
    return (
        0 < state.alpha <= 0.5
        and 1 < state.suspect <= betting.CAP
        and state.count >= 0
        and all(
            0 <= arm.wealth <= betting.CAP
            and 0 <= arm.score <= betting.CAP
            and 0 <= arm.since <= state.count
            for arm in kept
        )
        and all(
            0 <= tally.count <= state.count
            and abs(tally.total) <= tally.count * (1 + 1e-9)
            and 0 <= tally.squares <= tally.count * (1 + 1e-9)
            for tally in tallies
        )
    )


def _factors(state: State, seen: Probe | Pair) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if isinstance(seen, Pair):
        if state.baseline is not None:
            raise BadObservation("a pair in a stream that is against stored runs")
        scored((seen.outcome, seen.baseline), "a score")
        return betting.pair_factors(seen, 1), betting.pair_factors(seen, -1)
    if state.baseline is None:
        raise BadObservation("a probe without the baseline's answer, in a stream of pairs")
    if len(seen.runs) != state.baseline.runs:
        raise BadObservation(
            f"a probe with {len(seen.runs)} stored runs; the baseline has {state.baseline.runs}"
        )
    scored((seen.outcome, *seen.runs), "a score")
    return (
        betting.stored_factors(seen, state.baseline, 1),
        betting.stored_factors(seen, state.baseline, -1),
    )


def _counted(absent: Absent, why: Missing) -> Absent:
    field: Literal["refused", "timed_out", "unreadable"]
    match why:
        case Missing.REFUSED:
            field = "refused"
        case Missing.TIMED_OUT:
            field = "timed_out"
        case Missing.UNREADABLE:
            field = "unreadable"
    return msgspec.structs.replace(absent, **{field: getattr(absent, field) + 1})


def _alarm(state: State) -> Alarm | None:
    for direction in Direction:
        arms = arms_of(state, direction)
        reached = betting.evidence(arms)
        if reached >= needed(state, direction):
            since = likeliest(arms).since
            return Alarm(direction=direction, at=state.count, since=since, evidence=reached)
    return None
