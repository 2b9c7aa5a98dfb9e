"""PURE: how much more one thing costs than another, on the same requests, with its interval."""

from math import sqrt
from typing import Final

import msgspec

from pointsman.ledger.summary import Estimate

_Z: Final = 1.959964


class Moments(msgspec.Struct):
    """Sums of what requests cost before (a) and after (b), for an interval of their ratio."""

    n: int = 0
    a: float = 0.0
    b: float = 0.0
    aa: float = 0.0
    ab: float = 0.0
    bb: float = 0.0

    def add(self, a: float, b: float) -> None:
        """One request."""
        self.n += 1
        self.a += a
        self.b += b
        self.aa += a * a
        self.ab += a * b
        self.bb += b * b


def ratio(moments: Moments) -> Estimate:
    """
    b / a - 1 with its normal interval of 95 %, requests drawn from a larger traffic.

    The delta method for a ratio of means (Cochran, Sampling Techniques, 2.11): the variance of
    b - r a over n times the squared mean of a. `a` must not be 0.
    """
    n, r = moments.n, moments.b / moments.a
    spread = max(0.0, moments.bb - 2 * r * moments.ab + r * r * moments.aa) / max(1, n - 1)
    half = _Z * sqrt(spread / n) / (moments.a / n)
    return Estimate(r - 1, r - 1 - half, r - 1 + half)
