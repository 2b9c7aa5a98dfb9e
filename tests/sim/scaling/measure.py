"""Figures of runs, as means over seeds."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from tests.sim.scaling.contenders import start
from tests.sim.scaling.fleet import Autoscaler, Engine, flaps, simulate
from tests.sim.scaling.traces import Trace


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run, or the mean of several, came to; waits are of the queue, in seconds."""

    replica_hours: float
    wait_p50_s: float
    wait_p95_s: float
    wait_p99_s: float
    over_1s: float
    first_token_p99_s: float
    cold_starts: float
    flaps: float
    wait_p99_deviation_s: float = 0.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of them do not exceed."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(trace: Trace, scaler: Autoscaler, *, engine: Engine, seed: int) -> Figures:
    """Simulate once."""
    out = simulate(trace, scaler, engine=engine, seed=seed, start=start(trace, engine))
    waits, first = sorted(out.waits_s), sorted(out.first_tokens_s)
    return Figures(
        replica_hours=out.replica_s / 3600.0,
        wait_p50_s=quantile(waits, 0.50),
        wait_p95_s=quantile(waits, 0.95),
        wait_p99_s=quantile(waits, 0.99),
        over_1s=sum(wait_s > 1.0 for wait_s in waits) / max(1, len(waits)),
        first_token_p99_s=quantile(first, 0.99),
        cold_starts=float(out.cold_starts),
        flaps=float(flaps(out.changes)),
    )


def mean(runs: Sequence[Figures]) -> Figures:
    """Return the mean of each figure, and the standard deviation of the p99 wait."""
    rows = [asdict(one) for one in runs]
    means = {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}
    spread = statistics.stdev(row["wait_p99_s"] for row in rows) if len(rows) > 1 else 0.0
    return Figures(**(means | {"wait_p99_deviation_s": spread}))


def over_seeds(
    traces: Sequence[Trace], make: Callable[[Trace, int], Autoscaler], *, engine: Engine
) -> Figures:
    """Return the mean over one trace per seed; seeds count from 1."""
    return mean(
        [
            run(trace, make(trace, seed), engine=engine, seed=seed)
            for seed, trace in enumerate(traces, 1)
        ]
    )
