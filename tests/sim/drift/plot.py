"""The picture of docs/drift.md: evidence over time, with the code that ships."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from pointsman.evaluation.drift.betting import evidence
from pointsman.evaluation.drift.observation import Observation, Pair, Probe
from pointsman.evaluation.drift.stream import Direction, State, begin, needed, update
from tests.sim.drift.recorded import Recording, shuffled
from tests.sim.drift.streams import World, drawn

HEALTHY = 400
"""Null pairs before what happened, so that one sees both."""


def draw(path: Path, recordings: Sequence[Recording]) -> None:
    """Write the PNG: real answers (where the rows are there), and a simulated drop of 10 points."""
    real = [one for one in recordings if (one.model, one.task) == ("gpt-4", "primes")]
    figure, axes = plt.subplots(1 + len(real), 1, figsize=(9, 3.2 * (1 + len(real))), squeeze=False)
    for axis, one in zip(axes[1:, 0], real, strict=True):
        before = shuffled(one, 1, 1, null=True)[0, :HEALTHY]
        differences = [*before.tolist(), *shuffled(one, 1, 2, null=False)[0, :HEALTHY].tolist()]
        pairs = [Pair(float(value < 0), float(value > 0)) for value in differences]
        _evidence(axis, begin(), pairs, HEALTHY)
        axis.set_title("GPT-4 on primes: March and June 2023 exchanged by a coin, then as it was")
    world = World(drop=0.1, change=3000, probes=3400)
    seen = next(drawn(world, 1, seed=4))
    runs = [tuple(prompt) for prompt in seen.runs[0].tolist()]
    turns = enumerate(seen.outcomes[0].tolist())
    probes = [Probe(outcome, runs[turn % len(runs)]) for turn, outcome in turns]
    _evidence(axes[0, 0], begin(runs), probes, world.change)
    axes[0, 0].set_title("simulated: 5 stored runs of 200 prompts, 10 points worse after 3,000")
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _evidence(axis: Axes, state: State, seen: Iterable[Observation], change: int) -> None:
    lines: dict[Direction, list[float]] = {direction: [] for direction in Direction}
    for one in seen:
        state = update(state, one)
        lines[Direction.WORSE].append(evidence(state.worse))
        lines[Direction.BETTER].append(evidence(state.better))
    for direction, line in lines.items():
        axis.plot(range(1, len(line) + 1), line, label=f"evidence of {direction.lower()}")
    axis.axhline(needed(state, Direction.WORSE), linestyle="--", label="needed for worse")
    axis.axvline(change, color="grey", linewidth=1, label="change")
    if state.alarm:
        axis.axvline(state.alarm.at, color="red", linewidth=1, label=f"found: {state.alarm.at}")
    axis.set(yscale="log", ylim=(1e-6, 1e6), xlabel="probes")
    axis.legend(loc="upper left", fontsize=8, ncol=3)
