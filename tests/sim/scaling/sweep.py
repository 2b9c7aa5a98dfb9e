"""Each algorithm's target moved until it uses the same replica-hours as ours.

Hours do not simply fall as the target grows: an overloaded fleet queues, and whoever follows the
queue orders more. So targets are scanned from the safe side (many replicas) and refined where the
hours cross; of all tries within 2 % the one with the lowest p99 wait counts, as a careful user
would choose. Where no target gets there, the nearest is shown with its own hours.
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
    ours: Row, traces: Sequence[Trace], engine: Engine, *, refinements: int
) -> list[Row]:
    """Return everyone at the hours of `ours`."""
    hours = ours.figures.replica_hours
    others = [one for one in CONTENDERS if one.name != OURS]
    matched = [_matched(one, hours, traces, engine, refinements) for one in others]
    return [ours, *matched, fixed_at(hours, traces, engine)]


def _matched(
    contender: Contender, hours: float, traces: Sequence[Trace], engine: Engine, refinements: int
) -> Row:
    """Scan with one seed, refine with all."""
    tries: dict[float, Figures] = {}

    def at(target: float) -> Figures:
        if target not in tries:
            tries[target] = _figures(contender, target, traces, engine)
        return tries[target]

    scanned: list[tuple[float, float]] = []
    target = 0.2 * engine.limit
    while target < 4.0 * engine.limit:
        used = _figures(contender, target, traces[:1], engine).replica_hours
        scanned.append((target, used))
        target *= STEP
    crossings = [
        (low[0], high[0])
        for low, high in itertools.pairwise(scanned)
        if (low[1] - hours) * (high[1] - hours) <= 0
    ]
    for low_target, high_target in crossings[:2]:
        low, high = low_target, high_target
        falls = at(low).replica_hours >= at(high).replica_hours
        for _ in range(refinements):
            middle = math.sqrt(low * high)
            if abs(at(middle).replica_hours / hours - 1.0) <= CLOSE:
                break
            if (at(middle).replica_hours > hours) == falls:
                low = middle
            else:
                high = middle
    if not crossings:
        at(min(scanned, key=lambda one: abs(one[1] - hours))[0])
    equal = [one for one in tries.items() if abs(one[1].replica_hours / hours - 1.0) <= WITHIN]
    if equal:
        target, figures = min(equal, key=lambda one: one[1].wait_p99_s)
        return Row(contender.name, target, figures)
    target, figures = min(tries.items(), key=lambda one: abs(one[1].replica_hours - hours))
    return Row(contender.name, target, figures, equal=False)
