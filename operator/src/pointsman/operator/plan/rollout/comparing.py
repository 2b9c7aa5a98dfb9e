"""How much a candidate differs from the control that runs beside it, at whatever moment one looks.

The intervals hold at all moments together, so that looking again after each request raises no false
alarm. Each step of a rollout is compared for itself, then all are joined: a night with more errors
would else be taken for the candidate's, which had less of the traffic by then.
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

LEAST: Final = 30
"""Of each arm before a step is looked at: the intervals are asymptotic."""


class Moments(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Count, sum and sum of squares; of several routers they are added."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """0 without any."""
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Of one value; never below 0, whatever rounding says."""
        if self.n < 2:
            return 0.0
        return max(self.squares - self.total * self.total / self.n, 0.0) / (self.n - 1)


def share(hits: int, n: int) -> Moments:
    """Of yes and no."""
    return Moments(n, float(hits), float(hits))


class Estimate(NamedTuple):
    """A value and the variance of it; `information` is what such estimates are joined by."""

    value: float
    variance: float

    @property
    def information(self) -> float:
        """0: nothing is known."""
        return 1.0 / self.variance if self.variance > 0 else 0.0


def shares_differ(candidate: Moments, control: Moments, *, if_by: float = 0.0) -> Estimate | None:
    """
    Share of the candidate less share of the control; None if either has too few.

    Each has half a hit and half a miss more for its variance: without a single error nobody is sure
    that there will be none (Agresti and Caffo 2000 add one of each to an interval's two arms).
    `if_by`: the variance as if the candidate's share were larger by so much at least. Whether it
    is, is tested by that: who has met no rare error yet would else seem surer the luckier it was,
    and its lucky steps would count most where steps are joined (Farrington and Manning 1990).
    """
    if min(candidate.n, control.n) < LEAST:
        return None
    own, other = ((arm.total + 0.5) / (arm.n + 1) for arm in (candidate, control))
    own = max(own, min(other + if_by, 0.5)) if if_by else own
    variance = own * (1 - own) / candidate.n + other * (1 - other) / control.n
    return Estimate(candidate.mean - control.mean, variance)


def means_ratio(candidate: Moments, control: Moments) -> Estimate | None:
    """
    Logarithm of the ratio of two means of values that are not negative, by the delta method.

    None if either has too few, or is nothing but zeros.
    """
    if min(candidate.n, control.n) < LEAST or min(candidate.mean, control.mean) <= 0:
        return None
    variance = sum(arm.variance / (arm.n * arm.mean * arm.mean) for arm in (candidate, control))
    return Estimate(math.log(candidate.mean / control.mean), max(variance, 1e-12))


def pairs_differ(differences: Moments) -> Estimate | None:
    """Mean of the differences, candidate less control, on the same prompts; None: too few."""
    if differences.n < LEAST:
        return None
    # A pair that differed by a whole point more: of prompts that all came out equal nobody knows
    # that the next one will.
    variance = (differences.variance * (differences.n - 1) + 1.0) / differences.n
    return Estimate(differences.mean, variance / differences.n)


def joined(estimates: Iterable[Estimate | None]) -> Estimate | None:
    """Of several steps: each counts by its information."""
    known = [one for one in estimates if one is not None and one.information > 0]
    if not known:
        return None
    information = sum(one.information for one in known)
    value = sum(one.value * one.information for one in known) / information
    return Estimate(value, 1.0 / information)


class Interval(NamedTuple):
    """Holds the true value at all moments together, but for a share alpha of all streams."""

    low: float
    value: float
    high: float


def interval(estimate: Estimate, *, scale: float, alpha: float) -> Interval:
    """
    The asymptotic confidence sequence of the normal mixture.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences" (2021, theorem 2.2), written for an estimate whose information
    grows. `scale` is the difference that matters: the mixture is at its narrowest where an interval
    is about so wide.
    """
    rho = scale * scale / 4
    information = estimate.information
    grown = information * rho + 1
    radius = math.sqrt(grown / (information * information * rho) * math.log(grown / alpha**2))
    return Interval(estimate.value - radius, estimate.value, estimate.value + radius)
