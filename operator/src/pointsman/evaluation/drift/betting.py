"""
PURE: bets against "nothing has changed", in one direction; what they win is evidence.

Each arm multiplies its wealth by a factor whose mean is at most 1 while nothing has changed. At
each probe a little new wealth is staked, 1 in all for ever, so that a healthy past dilutes nothing;
by Ville's inequality (1939) the weighted wealth ever reaches 1/a with a chance of at most a.
Arms: STEADY bets on prompts that were always right (or wrong); EVEN on differences of all prompts.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from pointsman.evaluation.drift.baseline import Baseline
from pointsman.evaluation.drift.observation import Pair, Probe

STEADY: Final = (0.04, 0.1, 0.25, 0.6)
"""What share of the prompts that were always right might be wrong now."""
EVEN: Final = (0.2, 0.4, 0.6, 0.8)
"""Bets on the difference to stored runs. None may lose all: no later win would bring it back."""
PAIRED: Final = (0.25, 0.4, 0.55, 0.7, 0.85)
"""Bets on the difference of a pair."""
FIRST: Final = 0.6
"""Staked at the first probe: a backend is changed most often when somebody begins to look."""
SPAN: Final = 1000
"""Probes after which half of the rest is staked; much later a stake falls as the square of time."""
CAP: Final = 1e300
"""More evidence than anybody needs; a cap keeps what is a supermartingale one."""


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Differences (baseline minus now), added up."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """0 for none."""
        return self.total / self.count if self.count else 0.0

    def plus(self, loss: float) -> "Tally":
        """With one more."""
        return Tally(self.count + 1, self.total + loss, self.squares + loss * loss)

    def error(self) -> float:
        """The standard error of the mean, as if there were one more, half of which differs."""
        if not self.count:
            return 1.0
        more = self.count + 1
        return sqrt(max(0.0, (self.squares + 0.5) / more - (self.total / more) ** 2) / self.count)


class Arm(msgspec.Struct, frozen=True, array_like=True):
    """
    One bet's wealth, and CUSUM of the same bet.

    `score` is max(1, score before) times the factor (Page 1954): where it last began, after probe
    `since`, is the likeliest moment of a change. `tally` is of what came since then.
    """

    wealth: float = 0.0
    score: float = 0.0
    since: int = 0
    tally: Tally = Tally()


def stake(probe: int, *, first: float = FIRST, span: int = SPAN) -> float:
    """What each arm stakes at a probe, counted from 0; the sum over all probes is 1."""
    rest = (1 - first) * (1 / (1 + probe / span) - 1 / (1 + (probe + 1) / span))
    return first + rest if probe == 0 else rest


def stored_factors(probe: Probe, baseline: Baseline, sign: int) -> tuple[float, ...]:
    """
    Factors of STEADY and EVEN for one probe; `sign` 1 bets that the backend is worse, -1 better.

    Better is worse with right and wrong exchanged, so there is one set of formulas.
    """
    loss = difference(probe) * sign
    if sign > 0:
        outcome, steady, low = probe.outcome, min(probe.runs) >= 1, baseline.steady_low
    else:
        outcome, steady, low = 1 - probe.outcome, max(probe.runs) <= 0, 1 - baseline.steady_high
    # The likelihood ratio of a coin that is right low * (1 - rate) of the time, not low; linear in
    # the score, so that it is fair for scores between 0 and 1 as well.
    if steady and 0 < low < 1:
        odds = low / (1 - low)
        steadies = tuple(
            (1 - rate) * outcome + (1 + rate * odds) * (1 - outcome) for rate in STEADY
        )
    else:
        steadies = (1.0,) * len(STEADY)
    unit = (loss - baseline.slack) / (1 + baseline.slack)
    return (*steadies, *(1 + bet * unit for bet in EVEN))


def pair_factors(pair: Pair, sign: int) -> tuple[float, ...]:
    """Factors of PAIRED: healthy answers differ as often one way as the other."""
    loss = difference(pair) * sign
    return tuple(1 + bet * loss for bet in PAIRED)


def difference(seen: Probe | Pair) -> float:
    """Baseline minus now: above 0 where the answer was worse than it used to be."""
    if isinstance(seen, Pair):
        return float(seen.baseline - seen.outcome)
    return sum(seen.runs) / len(seen.runs) - seen.outcome


def moved(
    arms: Sequence[Arm], factors: Sequence[float], staked: float, probe: int, loss: float
) -> tuple[Arm, ...]:
    """Each arm after probe number `probe` (from 0), with what it had and what is staked now."""
    return tuple(
        _moved(arm, factor, staked, probe, loss) for arm, factor in zip(arms, factors, strict=True)
    )


def _moved(arm: Arm, factor: float, staked: float, probe: int, loss: float) -> Arm:
    wealth = min(CAP, (arm.wealth + staked) * factor)
    if arm.score <= 1:
        return Arm(wealth, factor, probe, Tally().plus(loss))
    return Arm(wealth, min(CAP, arm.score * factor), arm.since, arm.tally.plus(loss))


def evidence(arms: Sequence[Arm]) -> float:
    """The weighted wealth: an e-value at any moment, whenever one looks."""
    return sum(arm.wealth for arm in arms) / len(arms)


def suspicion(arms: Sequence[Arm]) -> float:
    """The weighted CUSUM: at or above A at most once in A probes, on average, while healthy."""
    return sum(arm.score for arm in arms) / len(arms)
