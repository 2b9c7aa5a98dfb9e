"""
Many streams at once through the detector that ships: its own constants, stakes and baselines.

`test_twin.py` holds this against `pointsman.evaluation.drift.stream`, stream by stream. What is
written here a second time is the arithmetic of the factors, with arrays in place of numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.evaluation.drift import betting
from pointsman.evaluation.drift.baseline import Baseline
from pointsman.evaluation.drift.stream import WORSE_SHARE, Direction, State, begin, needed
from tests.sim.drift.streams import Scores, Streams

NEVER: Final = 10**9
"""A probe at which nothing was found."""
Probes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """The first probe (from 1) of each stream at which it was said, or NEVER."""

    worse: Probes
    better: Probes
    suspected: Probes

    def either(self) -> Probes:
        """Drifted, in whichever direction."""
        return np.minimum(self.worse, self.better)


class _Wealth:
    """Wealth and CUSUM of all arms in both directions: direction x arm x stream."""

    def __init__(self, arms: int, streams: int) -> None:
        self.wealth = np.zeros((2, arms, streams))
        self.score = np.zeros((2, arms, streams))

    def take(self, factors: Scores, probe: int) -> tuple[Scores, Scores]:
        """Return evidence and suspicion of both directions after the factors of one probe."""
        self.wealth += betting.stake(probe)
        self.wealth *= factors
        np.minimum(self.wealth, betting.CAP, out=self.wealth)
        np.maximum(self.score, 1, out=self.score)
        self.score *= factors
        np.minimum(self.score, betting.CAP, out=self.score)
        return self.wealth.mean(axis=1), self.score.mean(axis=1)


class _First:
    """The first probe at which each threshold is reached."""

    def __init__(self, streams: int, thresholds: tuple[float, float], suspect: float) -> None:
        self.found = np.full((3, streams), NEVER)
        self.thresholds = np.array(thresholds)[:, None]
        self.suspect = suspect

    def look(self, evidence: Scores, suspicion: Scores, probe: int) -> None:
        """Note what is reached after probe number `probe` (from 0)."""
        shares = (WORSE_SHARE, 1 - WORSE_SHARE)
        doubt = shares[0] * suspicion[0] + shares[1] * suspicion[1]
        reached = np.vstack([evidence >= self.thresholds, doubt[None] >= self.suspect])
        np.minimum(self.found, np.where(reached, probe + 1, NEVER), out=self.found)


def pairs(differences: Scores, alpha: float = 0.01) -> Found:
    """Detect on pairs: baseline minus outcome, streams x probes."""
    bets, columns = np.array(betting.PAIRED)[:, None], np.ascontiguousarray(differences.T)

    def factors(probe: int) -> Scores:
        won = bets * columns[probe]
        return np.stack([1 + won, 1 - won])

    return _run(begin(alpha=alpha), differences.shape, factors)


def stored(seen: Streams, alpha: float = 0.01) -> Found:
    """Detect on outcomes against stored runs."""
    states = [begin(runs.tolist(), alpha=alpha) for runs in seen.runs]
    bets = _Stored(seen, [state.baseline for state in states if state.baseline])
    return _run(states[0], seen.outcomes.shape, bets.factors)


class _Stored:
    """Factors of `betting.stored_factors`, for each stream its own baseline."""

    def __init__(self, seen: Streams, baselines: list[Baseline]) -> None:
        self.outcomes = np.ascontiguousarray(seen.outcomes.T)
        self.means = seen.runs.mean(axis=2).T.copy()
        self.always_right = (seen.runs.min(axis=2) >= 1).T.copy()
        self.always_wrong = (seen.runs.max(axis=2) <= 0).T.copy()
        self.slack = np.array([one.slack for one in baselines])
        lows = np.array([[one.steady_low, 1 - one.steady_high] for one in baselines]).T
        self.usable = (lows > 0) & (lows < 1)
        self.odds = np.where(self.usable, lows / np.where(self.usable, 1 - lows, 1), 0)
        self.rates = np.array(betting.STEADY)[:, None]
        self.even = np.array(betting.EVEN)[:, None]

    def factors(self, probe: int) -> Scores:
        """Direction x arm x stream."""
        turn, outcome = probe % len(self.means), self.outcomes[probe]
        loss = self.means[turn] - outcome
        worse = self._direction(0, outcome, loss, self.always_right[turn])
        better = self._direction(1, 1 - outcome, -loss, self.always_wrong[turn])
        return np.stack([worse, better])

    def _direction(
        self, index: int, outcome: Scores, loss: Scores, steady: NDArray[np.bool_]
    ) -> Scores:
        won = (1 - self.rates) * outcome + (1 + self.rates * self.odds[index]) * (1 - outcome)
        unit = (loss - self.slack) / (1 + self.slack)
        return np.vstack([np.where(steady & self.usable[index], won, 1), 1 + self.even * unit])


def _run(state: State, shape: tuple[int, ...], factors: Callable[[int], Scores]) -> Found:
    streams, probes = shape
    arms = _Wealth(len(state.worse), streams)
    first = _First(
        streams,
        (needed(state, Direction.WORSE), needed(state, Direction.BETTER)),
        state.suspect,
    )
    for probe in range(probes):
        first.look(*arms.take(factors(probe), probe), probe)
    return Found(*first.found)
