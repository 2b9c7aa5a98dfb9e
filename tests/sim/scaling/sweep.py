"""Each algorithm's target moved until it uses the same replica-hours as ours.

Hours do not simply fall as the target grows: an overloaded fleet queues, and whoever follows the
queue orders more. So targets are scanned from the safe side (many replicas) and refined where the
hours cross or come near; of all tries within 2 %, the default among them, the one with the lowest
p99 wait counts, as a careful user would choose. Where no target gets there, the nearest is shown
with its own hours.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.sim.scaling.contenders import CONTENDERS, FIXED, OURS, Contender, fixed
from tests.sim.scaling.fleet import Engine
from tests.sim.scaling.measure import Figures, over_seeds
from tests.sim.scaling.traces import Trace

WITHIN: Final = 0.02
CLOSE: Final = 0.005
MOST_CROSSINGS: Final = 3
STEP: Final = 1.25


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    name: str
    target: float
    figures: Figures
    equal: bool = True
    """Whether the hours are within 2 % of ours."""


def _figures(
    contender: Contender, target: float, traces: Sequence[Trace], engine: Engine
) -> Figures:
    return over_seeds(traces, lambda trace, _: contender.make(target, trace), engine=engine)


def fixed_at(hours: float, traces: Sequence[Trace], engine: Engine) -> Row:
    """Return a fixed fleet of exactly these hours: odd seeds have the extra replica early."""
    spans = [(trace.horizon_s - trace.begin_s) / 3600.0 for trace in traces]
    replicas = hours / (sum(spans) / len(spans))
    figures = over_seeds(
        traces, lambda trace, seed: fixed(replicas, trace, late=seed % 2 == 0), engine=engine
    )
    return Row(FIXED, replicas, figures)


def defaults(traces: Sequence[Trace], engine: Engine) -> list[Row]:
    """Return everyone at its default; the fixed fleet is what ours used, rounded up."""
    rows = []
    for contender in CONTENDERS:
        target = contender.share * engine.limit
        rows.append(Row(contender.name, target, _figures(contender, target, traces, engine)))
    ours = rows[0].figures.replica_hours
    whole = math.ceil(ours * 3600.0 / (traces[0].horizon_s - traces[0].begin_s))
    hours = whole * (traces[0].horizon_s - traces[0].begin_s) / 3600.0
    rows.append(fixed_at(hours, traces, engine))
    return rows


def equal_hours(
    usual: Sequence[Row], traces: Sequence[Trace], engine: Engine, *, refinements: int
) -> list[Row]:
    """Return everyone at the hours of ours; `usual` are the defaults."""
    by_name = {row.name: row for row in usual}
    hours = by_name[OURS].figures.replica_hours
    matched = [
        _matched(one, by_name[one.name], hours, _Runs(one, traces, engine), refinements)
        for one in CONTENDERS
        if one.name != OURS
    ]
    return [by_name[OURS], *matched, fixed_at(hours, traces, engine)]


@dataclass(frozen=True, slots=True)
class _Runs:
    """One algorithm's runs on one trace, by target."""

    contender: Contender
    traces: Sequence[Trace]
    engine: Engine

    def at(self, target: float, seeds: int | None = None) -> Figures:
        return _figures(self.contender, target, self.traces[:seeds], self.engine)

    def scan(self) -> list[tuple[float, float]]:
        """Return (target, replica-hours) of one seed, from a fifth of the limit to four limits."""
        scanned, target = [], 0.2 * self.engine.limit
        while target < 4.0 * self.engine.limit:
            scanned.append((target, self.at(target, seeds=1).replica_hours))
            target *= STEP
        return scanned


def _matched(contender: Contender, usual: Row, hours: float, runs: _Runs, refinements: int) -> Row:
    """Scan with one seed, refine with all."""
    tries: dict[float, Figures] = {usual.target: usual.figures}

    def used(target: float) -> float:
        if target not in tries:
            tries[target] = runs.at(target)
        return tries[target].replica_hours

    scanned = runs.scan()
    for target, seen in scanned:
        if abs(seen / hours - 1.0) <= 2 * WITHIN:
            used(target)
    crossings = [
        (low[0], high[0])
        for low, high in itertools.pairwise(scanned)
        if (low[1] - hours) * (high[1] - hours) <= 0
    ]
    for low_target, high_target in crossings[:MOST_CROSSINGS]:
        low, high = low_target, high_target
        falls = used(low) >= used(high)
        for _ in range(refinements):
            middle = math.sqrt(low * high)
            if abs(used(middle) / hours - 1.0) <= CLOSE:
                break
            low, high = (middle, high) if (used(middle) > hours) == falls else (low, middle)
    if not crossings:
        used(min(scanned, key=lambda one: abs(one[1] - hours))[0])
    equal = [one for one in tries.items() if abs(one[1].replica_hours / hours - 1.0) <= WITHIN]
    if equal:
        target, figures = min(equal, key=lambda one: one[1].wait_p99_s)
        return Row(contender.name, target, figures)
    target, figures = min(tries.items(), key=lambda one: abs(one[1].replica_hours - hours))
    return Row(contender.name, target, figures, equal=False)
