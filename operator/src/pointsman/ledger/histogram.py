"""PURE: histograms of durations that can be added up, and quantiles of them.

40 bins with borders a factor of the square root of 2 apart, from 1 ms to 9 minutes: a quantile is
within its bin, so at most 41 % too high or 29 % too low, and as a rule much nearer.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

BINS: Final = 40
BORDERS_US: Final = tuple(round(1000 * 2 ** (step / 2)) for step in range(BINS - 1))
"""Bin i holds what is at least border i - 1 and below border i; the last has no upper border."""


def bin_of(duration_us: int) -> int:
    """The bin of a duration."""
    return bisect_right(BORDERS_US, duration_us)


def quantile_us(bins: Sequence[int], share: float) -> float | None:
    """
    The duration below which this share (0 to 1) lies, in microseconds; None for no durations.

    Within a bin they are taken to be spread evenly by their logarithms, as latencies nearly are. In
    the last one, its lower border is given.
    """
    total = sum(bins)
    if not total:
        return None
    wanted, below = share * total, 0
    for index, count in enumerate(bins):
        if count and below + count >= wanted:
            part = max(0.0, wanted - below) / count
            if index == 0:
                return BORDERS_US[0] * part
            low = BORDERS_US[index - 1]
            return float(low) if index == BINS - 1 else low * (BORDERS_US[index] / low) ** part
        below += count
    raise AssertionError("a share is at most 1")
