"""The picture of docs/scaling.md: replicas over time, and p99 waits at equal hours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from tests.sim.scaling.contenders import CONTENDERS, start
from tests.sim.scaling.fleet import Engine, simulate
from tests.sim.scaling.report import Result
from tests.sim.scaling.traces import Trace


def draw(
    path: Path, results: Sequence[Result], traces: Mapping[str, Trace], engine: Engine
) -> None:
    """Write the PNG: up to two traces over time, then all p99 waits as bars."""
    shown = [one for one in results if one.trace in {"conversation", "step"}] or results[:1]
    figure, axes = plt.subplots(len(shown) + 1, 1, figsize=(9, 3.2 * (len(shown) + 1)))
    for axis, result in zip(axes, shown, strict=False):
        _over_time(axis, result, traces[result.trace], engine)
    _bars(axes[-1], results)
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _over_time(axis: Axes, result: Result, trace: Trace, engine: Engine) -> None:
    targets = {row.name: row.target for row in result.equal}
    for contender in CONTENDERS:
        if contender.name == "KEDA":
            continue  # from one replica on it is an HPA
        scaler = contender.make(targets[contender.name], trace)
        out = simulate(trace, scaler, engine=engine, seed=1, start=start(trace, engine))
        first = out.changes[0][1] if out.changes else start(trace, engine)
        times = [0.0, *((at_s - trace.begin_s) / 60 for at_s, _ in out.changes)]
        counts = [first, *(count for _, count in out.changes)]
        axis.step(times, counts, where="post", label=contender.name, linewidth=1.2)
    axis.set(title=f"{result.trace}: replicas asked for, at equal hours", xlabel="minutes")
    axis.legend(loc="upper left", fontsize=8, ncol=4)


def _bars(axis: Axes, results: Sequence[Result]) -> None:
    names = [row.name for row in results[0].equal]
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        heights = [
            next(row for row in result.equal if row.name == name).figures.wait_p99_s
            for result in results
        ]
        places = [place + index * width for place in range(len(results))]
        axis.bar(places, [min(height, 100.0) for height in heights], width, label=name)
    axis.set_xticks(
        [place + 0.4 for place in range(len(results))],
        [result.trace for result in results],
        fontsize=7,
        rotation=15,
    )
    axis.set(title="p99 queue wait at equal replica-hours (cut at 100 s)", ylabel="seconds")
    axis.legend(fontsize=8, ncol=3)
