"""
PURE: what several stored runs of a suite say about a healthy backend, and how wrong that can be.

One stored run, replayed, repeats its luck with each prompt for ever: measured, 15 to 23 % false
alarms with 200 prompts. So what runs say is taken at the edge of its confidence, not in the middle.
"""

from collections.abc import Sequence
from math import inf, log, sqrt
from statistics import NormalDist

import msgspec

from pointsman.evaluation.drift.errors import BadObservation
from pointsman.evaluation.drift.observation import scored

PROMPTS_AT_MOST = 100_000
RUNS_AT_MOST = 1000


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """
    Stored runs, summed up.

    `slack`: so far the mean of the runs may be from the truth of these prompts. `steady_low`: what
    prompts that were right in each run are at least right next time, on average; `steady_high`:
    what those that were wrong in each run are at most. 0 and 1 where there are no such prompts.
    `level`: the chance, for each of the four bounds, that it does not hold.
    """

    prompts: int
    runs: int
    mean: float
    slack: float
    steady_low: float
    steady_high: float
    level: float


def summed_up(runs: Sequence[Sequence[float]], level: float) -> Baseline:
    """
    Sum up the runs of each prompt (prompts x runs, scores from 0 to 1).

    Raises BadObservation where there is no prompt, no run, or where prompts have unlike many.
    """
    _check(runs, level)
    count, each = len(runs), len(runs[0])
    mean = sum(sum(one) for one in runs) / (count * each)
    total = count * each
    # The normal bound, and Bernstein's term for what 5 or 10 runs have never shown; at least what
    # would be seen in none of so many answers with this chance: runs that hardly ever differ have
    # next to no variance, and say no more than how many they are.
    z, never = NormalDist().inv_cdf(1 - level), log(1 / level) / total
    slack = max(never, z * sqrt(_variance(runs, mean) / total) + never / 3)
    return Baseline(
        prompts=count,
        runs=each,
        mean=mean,
        slack=min(1.0, slack),
        steady_low=1 - _worst(runs, level),
        steady_high=_worst([[1 - score for score in one] for one in runs], level),
        level=level,
    )


def _check(runs: Sequence[Sequence[float]], level: float) -> None:
    if not 0 < level < 0.5:
        raise BadObservation(f"a level is between 0 and 0.5, not {level!r}")
    if not 0 < len(runs) <= PROMPTS_AT_MOST:
        raise BadObservation(f"a baseline has 1 to {PROMPTS_AT_MOST} prompts, not {len(runs)}")
    if not 0 < len(runs[0]) <= RUNS_AT_MOST:
        raise BadObservation(f"a baseline has 1 to {RUNS_AT_MOST} runs, not {len(runs[0])}")
    for index, one in enumerate(runs):
        if len(one) != len(runs[0]):
            raise BadObservation(f"prompt {index} has {len(one)} runs, the first {len(runs[0])}")
        scored(one, f"run of prompt {index}")


def _variance(runs: Sequence[Sequence[float]], mean: float) -> float:
    """Between runs of one prompt, on average; with a single run, as much as the mean allows."""
    each = len(runs[0])
    if each == 1:
        return mean * (1 - mean)
    within = 0.0
    for one in runs:
        middle = sum(one) / each
        within += sum((score - middle) ** 2 for score in one) / (each - 1)
    return within / len(runs)


def _worst(runs: Sequence[Sequence[float]], level: float) -> float:
    """
    How much a prompt that was right in every run loses next time, on average, at most.

    Leaving one run out: of those whose other runs are all right, how much does this one lose? Runs
    are exchangeable, so that is unbiased for one run less, and with one more right it is no more.
    """
    lost, trials = 0.0, 0
    for one in runs:
        wrong = [index for index, score in enumerate(one) if score < 1]
        if not wrong:
            trials += len(one)
        elif len(wrong) == 1:
            trials += 1
            lost += 1 - one[wrong[0]]
    return upper_bound(lost, trials, level)


def upper_bound(total: float, trials: int, level: float) -> float:
    """
    Return the highest mean that this total of `trials` scores from 0 to 1 does not contradict.

    Chernoff's bound in Hoeffding's form (1963, theorem 1): it holds for any independent scores
    between 0 and 1, and for each number of them. 1 for none.
    """
    if not trials:
        return 1.0
    seen, allowed = min(1.0, total / trials), log(1 / level) / trials
    low, high = seen, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _divergence(seen, middle) > allowed else (middle, high)
    return high


def _divergence(seen: float, mean: float) -> float:
    """Kullback and Leibler's, of two coins, in nats."""
    if mean >= 1:
        return 0.0 if seen >= 1 else inf
    first = seen * log(seen / mean) if seen > 0 else 0.0
    return first + ((1 - seen) * log((1 - seen) / (1 - mean)) if seen < 1 else 0.0)
