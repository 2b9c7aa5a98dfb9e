"""
`python -m tests.sim.rollout.probes`: what golden prompts say of good and bad candidates.

By the shipped comparison, as it decides a step without traffic. A suite has three tasks; 8 % of the
answers of two models that are as good differ by chance. QUICK=1: 100 of
each kind; --seeds N, default 1,000. Nothing here is measured on real models.
"""

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.operator.plan.evaluating.suite_run import Answer
from pointsman.operator.plan.rollout.probing import Probe, ProbeLimits, Question, Swap, probed
from tests.sim.rollout.__main__ import DISAGREES, SCRAMBLE, TASKS

QUESTION: Final = Question((Swap("default", (), frozenset(), {"b": 1.0}, ({"a": 1.0},)),))
SUITES: Final = ((3, 100), (3, 500), (5, 200), (10, 50), (10, 100), (10, 200))
"""maxQualityPoints, and prompts of each task."""
KNOWN: Final = 0.8
"""Of the prompts a model knows that is as good as the stable one."""
RIGHT: Final = KNOWN * (1 - DISAGREES / 2) + (1 - KNOWN) * DISAGREES / 2
"""Of its answers."""


@dataclass(frozen=True, slots=True)
class Model:
    """A candidate; `lost` points in the task Coding."""

    lost: float = 0.0
    dearer: float = 1.0


KINDS: Final[Mapping[str, Model]] = {
    "as good": Model(),
    "3 points worse in one task": Model(lost=3.0),
    "10 points worse in one task": Model(lost=10.0),
    "20 points worse in one task": Model(lost=20.0),
    "twice the cost": Model(dearer=2.0),
}


def play(model: Model, points: int, prompts: int, seed: int) -> str:
    """What one run of both says."""
    dice = random.Random(seed * SCRAMBLE)
    old, new = dict[str, Answer](), dict[str, Answer]()
    for task in TASKS:
        lost = model.lost / 100 / RIGHT if task == "Coding" else 0.0
        for number in range(prompts):
            name, known = f"{task}-{number}", dice.random() < KNOWN
            before = known != (dice.random() < DISAGREES / 2)
            after = known != (dice.random() < DISAGREES / 2) and dice.random() >= lost
            cost = dice.lognormvariate(7.0, 0.6)
            spent = model.dearer * cost * dice.lognormvariate(0.0, 0.3)
            old[name] = Answer(task, float(before), cost_nano=round(cost))
            new[name] = Answer(task, float(after), cost_nano=round(spent))
    sides = {"a": Probe(content="c", answers=old), "b": Probe(content="c", answers=new)}
    limits = ProbeLimits(quality_points=float(points), cost_percent=25.0)
    return probed(QUESTION, sides, {}, limits).verdict


def measure(kind: str, points: int, prompts: int, seeds: int) -> Counter[str]:
    """Verdicts of all seeds."""
    return Counter(play(KINDS[kind], points, prompts, seed) for seed in range(1, seeds + 1))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = 100 if os.environ.get("QUICK") else 1000
    parser.add_argument("--seeds", type=int, default=default)
    seeds = parser.parse_args().seeds
    heads = [f"{points} points, {prompts}" for points, prompts in SUITES]
    print(f"| candidate | {' | '.join(heads)} |\n|---|{'---|' * len(SUITES)}")
    for kind in KINDS:
        cells = []
        for points, prompts in SUITES:
            found = measure(kind, points, prompts, seeds)
            shares = [f"{100 * found[verdict] / seeds:.1f} %" for verdict in ("Pass", "Fail")]
            cells.append(" / ".join(shares))
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
