"""False alarms and delays of every detector on the same streams."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import lgamma, log, log1p
from typing import Final, Literal

import numpy as np

from tests.sim.drift import contenders, ours
from tests.sim.drift.ours import NEVER, Probes
from tests.sim.drift.streams import Scores, Streams, World, drawn

Mode = Literal["stored", "pairs"]
DROPS: Final = (0.05, 0.1, 0.2)
CHANGES: Final = (0, 3000)
OURS: Final = "pointsman"
SUSPECTED: Final = "pointsman, suspected only"
TUNED: Final = "Page-Hinkley, threshold for 1 %"
HEALTHY_SEED, TUNING_SEED, DROP_SEED = 1, 2, 3
AFTER: Final = 3000
"""Probes after the change; what is not found by then is not found."""
Detectors = Callable[[Streams], dict[str, Probes]]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many, and the exact interval of 95 % (Clopper and Pearson 1934)."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """Of 1."""
        return self.hits / self.of

    def interval(self) -> tuple[float, float]:
        """Return from and to, by bisection on the binomial tail."""
        low = _root(lambda p: 1 - _below(self.hits - 1, self.of, p) - 0.025) if self.hits else 0.0
        missing = self.hits < self.of
        return low, _root(lambda p: 0.025 - _below(self.hits, self.of, p)) if missing else 1.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Median probes after the change, of streams without an alarm before it; None: most missed."""

    drop: float
    change: int
    median: float | None
    found: Rate


@dataclass(frozen=True, slots=True)
class Row:
    """One detector in one world."""

    name: str
    false_alarms: Rate
    delays: Sequence[Delay]


def _root(grows: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if grows(middle) > 0 else (middle, high)
    return (low + high) / 2


def _below(hits: int, of: int, chance: float) -> float:
    """P(at most `hits`)."""
    if chance <= 0 or chance >= 1:
        return float(chance <= 0)
    return float(np.exp(_ways(hits, of) + _powers(hits, of, chance)).sum())


@cache
def _ways(hits: int, of: int) -> Scores:
    """Logarithms of the ways to have 0, 1, ... `hits` of them."""
    return np.array([lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) for k in range(hits + 1)])


def _powers(hits: int, of: int, chance: float) -> Scores:
    counts = np.arange(hits + 1)
    return np.asarray(counts * log(chance) + (of - counts) * log1p(-chance))


def detectors(mode: Mode, threshold: float) -> Detectors:
    """Everyone, given streams; `threshold` is Page-Hinkley's tuned one."""

    def everyone(seen: Streams) -> dict[str, Probes]:
        made = own(mode)(seen)
        if mode == "pairs":
            differences = single = seen.pairs()
        else:
            differences, single = seen.differences(), seen.against_one_run()
        warmup = usual(mode, seen)
        peak = contenders.page_hinkley_peak(differences, warmup)
        made["ADWIN"] = contenders.adwin(differences, warmup)
        made["Page-Hinkley"] = contenders.reached(peak, contenders.RIVER_THRESHOLD)
        made[TUNED] = contenders.reached(peak, threshold)
        made["z-test of the last 200, each 10 probes"] = contenders.z_window(differences)
        made["McNemar, each 10 probes"] = contenders.mcnemar_peeking(single)
        return made

    return everyone


def own(mode: Mode) -> Detectors:
    """Ours alone: drifted in either direction, and suspected."""

    def both(seen: Streams) -> dict[str, Probes]:
        found = ours.pairs(seen.pairs()) if mode == "pairs" else ours.stored(seen)
        return {OURS: found.either(), SUSPECTED: np.minimum(found.suspected, found.either())}

    return both


def usual(mode: Mode, seen: Streams) -> Scores:
    """
    Differences between healthy runs that users would have: between one stored run and the next, or
    between each and the mean of the others; 800 or 1,000 for 5 runs of 200 prompts.
    """
    runs = seen.runs
    if mode == "pairs":
        made = runs[:, :, :-1] - runs[:, :, 1:]
    else:
        each = runs.shape[2]
        made = (runs.sum(axis=2, keepdims=True) - runs) / (each - 1) - runs
    return made.transpose(0, 2, 1).reshape(len(runs), -1)


def tuned(mode: Mode, world: World, streams: int) -> float:
    """Page-Hinkley's threshold that 1 % of healthy streams of just this world reach."""
    peaks = []
    for seen in drawn(world.healthy, streams, TUNING_SEED):
        differences = seen.pairs() if mode == "pairs" else seen.differences()
        peaks.append(contenders.page_hinkley_peak(differences, usual(mode, seen))[:, -1])
    return float(np.quantile(np.concatenate(peaks), 0.99))


def false_alarms(world: World, streams: int, who: Detectors) -> dict[str, Rate]:
    """How many healthy streams each one alarms in."""
    found = _collected(drawn(world.healthy, streams, HEALTHY_SEED), who)
    return {name: Rate(int((one < NEVER).sum()), len(one)) for name, one in found.items()}


def delays(world: World, streams: int, who: Detectors) -> dict[str, Delay]:
    """How long after the change each one says so."""
    shorter = replace(world, probes=world.change + AFTER)
    return {
        name: delay(one, world.drop, world.change)
        for name, one in _collected(drawn(shorter, streams, DROP_SEED), who).items()
    }


def delay(found: Probes, drop: float, change: int) -> Delay:
    """Judge those that did not alarm before the change; what was not found counts as longest."""
    counted = found[found > change] - change
    hits = Rate(int((counted < AFTER + 1).sum()), len(counted))
    median = float(np.median(counted)) if len(counted) else float(NEVER)
    return Delay(drop, change, median if median <= AFTER else None, hits)


def _collected(streams: Iterator[Streams], who: Detectors) -> dict[str, Probes]:
    parts: dict[str, list[Probes]] = {}
    for seen in streams:
        for name, one in who(seen).items():
            parts.setdefault(name, []).append(one)
    return {name: np.concatenate(each) for name, each in parts.items()}


def compared(mode: Mode, world: World, *, streams: int, own_streams: int) -> list[Row]:
    """Everyone's false alarms and delays; ours on more healthy streams."""
    who = detectors(mode, tuned(mode, world, streams))
    alarms = false_alarms(world, streams, who) | false_alarms(world, own_streams, own(mode))
    found = [
        delays(replace(world, drop=drop, change=change), streams, who)
        for change in CHANGES
        for drop in DROPS
    ]
    return [Row(name, rate, [one[name] for one in found]) for name, rate in alarms.items()]
