"""
Detectors of others, each from its published formula, on differences (baseline minus outcome).

Each gives the first probe (from 1) at which it says that something changed, for many streams at
once. `warmup` holds differences between healthy runs: those see it first that learn what is usual.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.sim.drift.ours import NEVER, Probes
from tests.sim.drift.streams import Scores

Z_99: Final = 2.5758293
"""Two-sided, 1 %: what "significant at 1 %" means to who looks once."""
EVERY: Final = 10
"""Probes between two looks of those that look again and again."""
AT_LEAST: Final = 30
Flags = NDArray[np.bool_]
RIVER_THRESHOLD: Final = 50.0


def z_window(differences: Scores, *, window: int = 200) -> Probes:
    """
    Compare the mean of the last 200 with 0 by a z-test at 1 %, each 10 probes: the usual dashboard.

    The standard error is the window's own.
    """
    found = np.full(len(differences), NEVER)
    sums = np.cumsum(np.pad(differences, ((0, 0), (1, 0))), axis=1)
    squares = np.cumsum(np.pad(differences**2, ((0, 0), (1, 0))), axis=1)
    for end in range(EVERY, differences.shape[1] + 1, EVERY):
        begin = max(0, end - window)
        count = end - begin
        if count < AT_LEAST:
            continue
        mean = (sums[:, end] - sums[:, begin]) / count
        spread = (squares[:, end] - squares[:, begin]) / count - mean**2
        error = np.sqrt(np.maximum(spread, 1e-12) / count)
        found = np.minimum(found, np.where(abs(mean) / error >= Z_99, end, NEVER))
    return found


def mcnemar_peeking(differences: Scores) -> Probes:
    """
    McNemar's test (1947) of all pairs so far at 1 %, looked at each 10 probes: no correction.

    For scores that are neither 0 nor 1 a pair counts by the sign of its difference.
    """
    lost = np.cumsum(differences > 0, axis=1, dtype=np.int32)
    won = np.cumsum(differences < 0, axis=1, dtype=np.int32)
    looks = np.arange(EVERY - 1, differences.shape[1], EVERY)
    unlike = lost[:, looks] + won[:, looks]
    z = abs(lost[:, looks] - won[:, looks]) / np.sqrt(np.maximum(unlike, 1))
    return _first((z >= Z_99) & (unlike >= 10), looks)


def page_hinkley_peak(
    differences: Scores, warmup: Scores, *, tolerance: float = 0.005, forget: float = 0.9999
) -> Scores:
    """
    Page-Hinkley's statistic: its highest value so far, streams x probes.

    Page 1954, in the form of Gama et al. 2014 (A survey on concept drift adaptation, section 3.2):
    m_t is the sum of x - mean of all x so far - tolerance, and the statistic m_t - min m; here with
    river's forgetting factor and default tolerance. Both directions.
    """
    streams, before = len(differences), warmup.shape[1]
    earlier, columns = np.ascontiguousarray(warmup.T), np.ascontiguousarray(differences.T)
    total = np.zeros(streams)
    sums, lowest = np.zeros((2, streams)), np.zeros((2, streams))
    peak = np.zeros(columns.shape)
    highest = np.zeros(streams)
    for index in range(before + differences.shape[1]):
        value = earlier[index] if index < before else columns[index - before]
        total += value
        away = value - total / (index + 1)
        sums = forget * sums + np.stack([away, -away]) - tolerance
        lowest = np.minimum(lowest, sums)
        if index >= before:
            highest = np.maximum(highest, (sums - lowest).max(axis=0))
            peak[index - before] = highest
    return peak.T


def reached(peak: Scores, threshold: float) -> Probes:
    """The first probe at which a statistic, its highest value so far, is at the threshold."""
    return _first(peak >= threshold, np.arange(peak.shape[1]))


def adwin(differences: Scores, warmup: Scores, *, delta: float = 0.002) -> Probes:
    """
    ADWIN2 (Bifet and Gavalda 2007): exponential histogram, 5 buckets a row, looked at each 32.

    Cut where |mean0 - mean1| > sqrt(2/m s^2 ln(2/d)) + 2/(3m) ln(2/d), d = delta / ln n, 1/m =
    1/n0 + 1/n1. Until its first cut the buckets of all streams have the same sizes, so they are
    kept for many streams at once. Differences are moved from -1..1 to 0..1, which it is made for.
    """
    found = np.full(len(differences), NEVER)
    window = Buckets()
    for column in np.ascontiguousarray(warmup.T):
        window.add((1 + column) / 2)
    for index, column in enumerate(np.ascontiguousarray(differences.T)):
        window.add((1 + column) / 2)
        if (index + 1) % 32 == 0:
            found = np.minimum(found, np.where(window.cut(delta), index + 1, NEVER))
    return found


class Buckets:
    """Rows of buckets of 1, 2, 4, ... values; each bucket is [sum, sum of squares] by stream."""

    def __init__(self) -> None:
        self.rows: list[list[Scores]] = [[]]
        self.count = 0

    def add(self, values: Scores) -> None:
        self.count += 1
        self.rows[0].insert(0, np.stack([values, values**2]))
        row = 0
        while len(self.rows[row]) > 5:
            oldest = self.rows[row].pop() + self.rows[row].pop()
            if row + 1 == len(self.rows):
                self.rows.append([])
            self.rows[row + 1].insert(0, oldest)
            row += 1

    def cut(self, delta: float) -> Flags:
        """Which streams are cut somewhere."""
        sizes = np.array([2**row for row, kept in enumerate(self.rows) for _ in kept])
        sums = np.stack([bucket for kept in self.rows for bucket in kept])
        newer, total = np.cumsum(sizes)[:-1, None], np.cumsum(sums, axis=0)
        older = self.count - newer
        means = total[:-1, 0] / newer, (total[-1, 0] - total[:-1, 0]) / older
        variance = total[-1, 1] / self.count - (total[-1, 0] / self.count) ** 2
        allowed = np.log(2 * np.log(self.count) / delta)
        one = 1 / newer + 1 / older
        bound = np.sqrt(2 * one * variance * allowed) + 2 / 3 * one * allowed
        cuts = (abs(means[0] - means[1]) > bound) & (newer >= 5) & (older >= 5)
        return np.asarray(cuts.any(axis=0))


def _first(said: Flags, probes: Probes) -> Probes:
    """The probe (from 1) of the first True of each stream, given each column's probe from 0."""
    where = said.argmax(axis=1)
    return np.where(said.any(axis=1), probes[where] + 1, NEVER)
