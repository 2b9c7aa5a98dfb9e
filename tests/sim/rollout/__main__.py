"""`python -m tests.sim.rollout`: seeded rollouts of good and bad candidates, by the shipped code.

QUICK=1: 100 of each; --json PATH also writes the figures; --seeds N, default 1,000 of each kind.
Each request takes one of two arms by its conversation; of the candidate's prompts some are asked of
both, and the two answers are scored (the pairs). Nothing here is measured on real models.
"""

import argparse
import json
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

from pointsman.operator.plan.rollout import (
    Arm,
    Moments,
    Phase,
    Plan,
    Rollout,
    Scene,
    Step,
    Stretch,
    advance,
    begin,
    weight_percent,
)

BOUNDS_S = tuple(0.05 * 1.25**n for n in range(32))
STABLE, CANDIDATE = "r-1", "r-2"
MOST_REQUESTS = 20_000
LOOK_EACH = 20
"""Requests between two looks: each look may stop it, so more looks are the harder test."""
PAIRED = 0.4
"""Of the requests are asked of both and scored: a shadow, or the golden prompts of a suite."""
DISAGREES = 0.08
"""Of the pairs have different scores although both are as good."""
SCRAMBLE = 7919
TALKS = 50
"""Conversations at once, where requests belong to any."""


@dataclass(frozen=True, slots=True)
class Model:
    """How one revision answers."""

    errors: float = 0.005
    slower: float = 1.0
    dearer: float = 1.0
    quality: Mapping[str, float] = field(default_factory=dict)
    """Points that a task is better by than the stable revision's."""
    talk: int = 1
    """Requests of a conversation, on average: they go to one arm, and share half of what costs and
    times vary by."""


TASKS = ("Chat", "Coding", "Reasoning")
"""A suite has as many prompts of each."""
PLAN = Plan(
    steps=(
        Step(weight_percent=5, min_requests=30),
        Step(weight_percent=25, min_requests=100),
        Step(weight_percent=50, min_requests=300),
    )
)
KINDS: Mapping[str, tuple[Model, bool]] = {
    "as good": (Model(), True),
    "better and cheaper": (Model(0.005, 0.8, 0.7, {"Coding": 0.05}), True),
    "10 points worse in one task": (Model(quality={"Coding": -0.10}), False),
    "twice the cost": (Model(dearer=2.0), False),
    "three times the latency": (Model(slower=3.0), False),
    "5 % errors": (Model(errors=0.05), False),
    "3 points worse in one task (allowed)": (Model(quality={"Coding": -0.03}), True),
    "1.25 times the latency (the limit)": (Model(slower=1.25), False),
    "1.5 times the latency (beyond it)": (Model(slower=1.5), False),
    "as good, conversations of 10 (half alike)": (Model(talk=10), True),
    "as good, conversations of 30 (half alike)": (Model(talk=30), True),
}


@dataclass(frozen=True, slots=True)
class _Talk:
    """A conversation: which part it is in, and how its requests differ from others."""

    place: float
    """0 to 100: who is in a small part is in each larger one."""
    cost: float = 0.0
    time: float = 0.0
    alike: float = 0.0
    """Share of the variance."""

    def share_in(self, own: float, mu: float, sigma: float, dice: random.Random) -> float:
        """Log-normal, partly as the conversation is."""
        rest = sigma * math.sqrt(1 - self.alike)
        return math.exp(sigma * math.sqrt(self.alike) * own) * dice.lognormvariate(mu, rest)


def _talks(model: Model, dice: random.Random) -> Iterator[_Talk]:
    """Of which each request is."""
    if model.talk == 1:
        while True:
            yield _Talk(dice.random() * 100)

    def begun() -> _Talk:
        return _Talk(dice.random() * 100, dice.gauss(), dice.gauss(), 0.5)

    live = [begun() for _ in range(TALKS)]
    while True:
        place = dice.randrange(TALKS)
        yield live[place]
        if dice.random() < 1 / model.talk:
            live[place] = begun()


@dataclass(slots=True)
class _Counts:
    requests: int = 0
    errors: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    cost: Moments = field(default_factory=Moments)

    def take(self, model: Model, dice: random.Random, talk: "_Talk") -> None:
        """One request."""
        self.requests += 1
        self.errors += dice.random() < model.errors
        duration = model.slower * talk.share_in(talk.time, 0.7, 0.6, dice)
        self.durations[sum(bound < duration for bound in BOUNDS_S)] += 1
        cost = model.dearer * talk.share_in(talk.cost, -6.0, 0.9, dice)
        self.cost += Moments(1, cost, cost * cost)

    def arm(self) -> Arm:
        """As the decision wants it."""
        return Arm(self.requests, self.errors, tuple(self.durations), self.cost)


@dataclass(frozen=True, slots=True)
class Played:
    """How one rollout ended."""

    phase: Phase
    reason: str
    requests: int
    exposed: int
    """Requests that the candidate answered."""


def play(model: Model, seed: int, plan: Plan = PLAN) -> Played:
    """One rollout until it ends, pauses, or has had all requests."""
    dice = random.Random(seed * SCRAMBLE)
    rollout, now_s, exposed = begin(STABLE, CANDIDATE, now_s=0.0), 0.0, 0
    arms = (_Counts(), _Counts())
    pairs: dict[str, Moments] = {}
    step, talks = rollout.step, _talks(model, dice)
    for number in range(1, MOST_REQUESTS + 1):
        now_s += 0.5
        talk = next(talks)
        goes = talk.place < weight_percent(rollout, plan)
        arms[not goes].take(model if goes else Model(), dice, talk)
        exposed += goes
        if dice.random() < PAIRED:
            task = dice.choice(_open_tasks(rollout))
            pairs[task] = pairs.get(task, Moments()) + _pair(model.quality.get(task, 0.0), dice)
        if number % LOOK_EACH:
            continue
        counted = Stretch(arms[0].arm(), arms[1].arm(), dict(pairs))
        scene = Scene(wanted=CANDIDATE, verified=True, counted=counted, bounds_s=BOUNDS_S)
        rollout = advance(rollout, plan, scene, now_s=now_s)
        if rollout.step != step:
            step, arms, pairs = rollout.step, (_Counts(), _Counts()), {}
        if rollout.ended or rollout.phase is Phase.PAUSED:
            return Played(rollout.phase, _why(rollout), number, exposed)
    return Played(rollout.phase, _why(rollout), MOST_REQUESTS, exposed)


def _open_tasks(rollout: Rollout) -> list[str]:
    """Prompts are spent on tasks that nobody is sure of yet."""
    sure = {one.guardrail for one in rollout.findings if one.verdict == "Pass"}
    return [task for task in TASKS if f"Quality/{task}" not in sure] or list(TASKS)


def _pair(points: float, dice: random.Random) -> Moments:
    """Score of the candidate less that of the stable one, on one prompt."""
    luck = dice.random()
    worse = (DISAGREES - points) / 2 if points > 0 else DISAGREES / 2 - points
    better = DISAGREES / 2 + points if points > 0 else DISAGREES / 2
    difference = -1.0 if luck < worse else 1.0 if luck < worse + better else 0.0
    return Moments(1, difference, difference * difference)


def _why(rollout: Rollout) -> str:
    failed = [one.guardrail for one in rollout.findings if one.verdict == "Fail"]
    return ", ".join(failed) or rollout.reason


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of candidate."""

    kind: str
    good: bool
    seeds: int
    promoted: int
    promoted_within_5000: int
    aborted: int
    inconclusive: int
    requests_median: float
    requests_p95: float
    exposed_median: float
    exposed_p95: float
    reasons: Mapping[str, int]


def measure(kind: str, seeds: int, say: Callable[[str], None] = lambda _: None) -> Row:
    """All seeds of one kind."""
    model, good = KINDS[kind]
    played = [play(model, seed) for seed in range(1, seeds + 1)]
    say(f"played {kind}")
    promoted = [one for one in played if one.phase is Phase.PROMOTED]
    aborted = [one for one in played if one.phase is Phase.ABORTED]
    requests = [float(one.requests) for one in played]
    exposed = [float(one.exposed) for one in played]
    return Row(
        kind=kind,
        good=good,
        seeds=seeds,
        promoted=len(promoted),
        promoted_within_5000=sum(one.requests <= 5000 for one in promoted),
        aborted=len(aborted),
        inconclusive=seeds - len(promoted) - len(aborted),
        requests_median=median(requests),
        requests_p95=quantiles(requests, n=20)[-1],
        exposed_median=median(exposed),
        exposed_p95=quantiles(exposed, n=20)[-1],
        reasons=dict(Counter(one.reason for one in played).most_common(4)),
    )


def table(rows: list[Row]) -> str:
    """As Markdown."""
    head = "candidate|promoted|within 5,000 requests|aborted|open|requests, median (p95)"
    lines = [f"|{head}|of them by the candidate|why|", "|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {r.kind} | {r.promoted / r.seeds:.1%} | {r.promoted_within_5000 / r.seeds:.1%} "
        f"| {r.aborted / r.seeds:.1%} | {r.inconclusive / r.seeds:.1%} "
        f"| {r.requests_median:,.0f} ({r.requests_p95:,.0f}) "
        f"| {r.exposed_median:,.0f} ({r.exposed_p95:,.0f}) "
        f"| {', '.join(f'{why} {n}' for why, n in r.reasons.items())} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Play, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.rollout", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=100 if os.environ.get("QUICK") else 1000)
    options = parser.parse_args()
    rows = [measure(kind, options.seeds, lambda text: print(text, file=sys.stderr))
            for kind in KINDS]  # fmt: skip
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
