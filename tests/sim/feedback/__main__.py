"""`python -m tests.sim.feedback`: where traffic goes while one backend is bad at one task.

Each line is six hours: the mean over the seeds, and the least and the most of them. `--seeds N`.
QUICK=1: two seeds, under a minute.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from statistics import mean

from pointsman.analysis import Task
from tests.sim.feedback.desk import GOOD, Desk, Hour, Plan, Trouble, share

BAD = Trouble("alpha", Task.CODING, quality=0.3, from_h=60, until_h=132)
TURNS_BAD = Plan(hours=240, trouble=BAD)
STEP_H = 6
SAMPLES = (10, 30, 100)
BEGINS_BAD = Plan(
    hours=40,
    quality=GOOD | {"beta": {**GOOD["beta"], Task.CODING: 0.2}},
    requests_an_hour=20,
    tasks=(Task.CODING,),
    observed_h=0,
)
"""The first target, which answers as long as nobody was rated, is bad at Coding. Nothing else is
asked: what a backend is rated in other tasks counts a little, too."""


def run(plan: Plan, seed: int) -> list[Hour]:
    """In a process of its own."""
    return Desk(plan, seed).run()


def left_after(hours: Sequence[Hour], backend: str, task: Task) -> int | None:
    """Ratings of a backend when it first got less than half of a task's requests of an hour."""
    for before, hour in pairwise(hours):
        if share([hour], backend, task) < 0.5:
            return before.rated.get((backend, task), 0)
    return None


def _bar(value: float) -> str:
    return ("#" * round(20 * value)).ljust(20, ".")


def _turns_bad(runs: Sequence[Sequence[Hour]], plan: Plan) -> None:
    print(
        f"\n{BAD.backend} answers {BAD.task} well in {BAD.quality:.0%} of the cases, not "
        f"{plan.quality[BAD.backend][BAD.task]:.0%}, from hour {BAD.from_h} to {BAD.until_h}; "
        f"half-life {plan.half_life_h} h, explorationPercent {plan.exploration_percent}.\n"
        f"{BAD.backend}'s share of {BAD.task}, least and most; its share of Chat; good answers"
    )
    for begin in range(0, plan.hours, STEP_H):
        hours = [one[begin : begin + STEP_H] for one in runs]
        shares = [share(one, BAD.backend, BAD.task) for one in hours]
        chat = mean(share(one, BAD.backend, Task.CHAT) for one in hours)
        good = mean(mean(hour.good for hour in one) for one in hours) / plan.requests_an_hour
        state = "bad" if BAD.from_h <= begin < BAD.until_h else ""
        print(
            f"{begin:4} h {state:3} {_bar(mean(shares))} {mean(shares):4.0%} "
            f"({min(shares):4.0%}, {max(shares):4.0%})   Chat {chat:4.0%}   good {good:4.0%}"
        )


def main() -> None:
    """Print."""
    quick = os.environ.get("QUICK") == "1"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2 if quick else 5)
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    seeds = range(1, chosen.seeds + 1)
    with ProcessPoolExecutor(chosen.processes) as pool:
        for percent in (0, 5):
            plan = replace(TURNS_BAD, exploration_percent=percent)
            _turns_bad(list(pool.map(run, [plan] * len(seeds), seeds)), plan)
        print("\nbeta is bad at Coding from the beginning; ratings of it when traffic had left:")
        for count in SAMPLES:
            plan = replace(BEGINS_BAD, min_samples=count)
            runs = pool.map(run, [plan] * len(seeds), seeds)
            told = [str(left_after(one, "beta", Task.CODING)) for one in runs]
            print(f"minSamples {count:3}: {', '.join(told)}")


if __name__ == "__main__":
    main()
