"""What else is to be known of ours: other worlds, real answers, how true a verdict is, traffic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Final

import numpy as np

from pointsman.evaluation.drift import passive
from pointsman.evaluation.drift.observation import Pair, Probe
from pointsman.evaluation.drift.passive import Counts, Signal
from pointsman.evaluation.drift.stream import begin, update
from pointsman.evaluation.drift.verdict import Drift, verdict
from tests.sim.drift import contenders, ours
from tests.sim.drift.measure import (
    OURS,
    SUSPECTED,
    TUNED,
    Delay,
    Mode,
    Rate,
    delay,
    delays,
    false_alarms,
    own,
)
from tests.sim.drift.ours import NEVER, Probes
from tests.sim.drift.recorded import Recording, shuffled
from tests.sim.drift.streams import Scores, Streams, World, drawn

MODES: Final[tuple[Mode, ...]] = ("stored", "pairs")
LATER_ON: Final = 200
"""Probes after the alarm at which one looks again."""
WARMUP: Final = 500
"""Null pairs, for those who learn what is usual."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Ours in one more world; delays of the drops that are named there."""

    what: str
    mode: Mode
    false_alarms: Rate
    delays: Sequence[Delay]


def worlds() -> list[tuple[str, Mode, World]]:
    """Where the promise could break, or the delay grow."""
    usual = World()
    return [
        ("20 % disagreement", "stored", replace(usual, disagreement=0.2)),
        ("20 % disagreement", "pairs", replace(usual, disagreement=0.2)),
        ("all prompts waver alike", "stored", replace(usual, kind="flips")),
        ("only what wavered before gets worse", "stored", replace(usual, how="wavering")),
        ("each answer is spoiled by dice", "stored", replace(usual, how="every answer")),
        ("50 prompts, 5 runs", "stored", replace(usual, prompts=50)),
        ("200 prompts, 2 runs", "stored", replace(usual, runs=2)),
        ("200 prompts, 1 run", "stored", replace(usual, runs=1)),
        ("500 prompts, 5 runs", "stored", replace(usual, prompts=500)),
        ("scores in thirds", "stored", replace(usual, checks=3)),
        ("scores in thirds", "pairs", replace(usual, checks=3)),
    ]


def elsewhere(streams: int, *, at_most: int) -> list[Elsewhere]:
    """Ours in so many of these worlds: healthy for 6,000 probes, and changed at the start."""
    made = []
    for what, mode, world in worlds()[:at_most]:
        alarms = false_alarms(world, streams, own(mode))[OURS]
        found = [
            delays(replace(world, drop=drop), streams, own(mode))[OURS]
            for drop in (0.05, 0.1, 0.2, -0.05, -0.1)
        ]
        made.append(Elsewhere(what, mode, alarms, found))
    return made


@dataclass(frozen=True, slots=True)
class Real:
    """One detector on one recording."""

    recording: Recording
    name: str
    false_alarms: Rate
    delay: Delay


def real(recordings: Sequence[Recording], streams: int) -> list[Real]:
    """Everyone on recorded answers: the null first, then what happened."""
    made = []
    for one in recordings:
        usual = np.resize(shuffled(one, streams, 7, null=True), (streams, WARMUP))
        null = _everyone(shuffled(one, streams, 5, null=True), usual, one)
        changed = _everyone(shuffled(one, streams, 6, null=False), usual, one)
        drop = float((one.march - one.june).mean())
        for name, found in changed.items():
            alarms = Rate(int((null[name] < NEVER).sum()), streams)
            made.append(Real(one, name, alarms, delay(found, drop, 0)))
    return made


def _everyone(differences: Scores, usual: Scores, one: Recording) -> dict[str, Probes]:
    found = ours.pairs(differences)
    peak = contenders.page_hinkley_peak(differences, usual)
    null = shuffled(one, len(differences), 8, null=True)
    threshold = np.quantile(contenders.page_hinkley_peak(null, usual)[:, -1], 0.99)
    return {
        OURS: found.either(),
        SUSPECTED: np.minimum(found.suspected, found.either()),
        "ADWIN": contenders.adwin(differences, usual),
        "Page-Hinkley": contenders.reached(peak, contenders.RIVER_THRESHOLD),
        TUNED: contenders.reached(peak, float(threshold)),
        "z-test of the last 200, each 10 probes": contenders.z_window(differences),
        "McNemar, each 10 probes": contenders.mcnemar_peeking(differences),
    }


@dataclass(frozen=True, slots=True)
class Truth:
    """How true verdicts are, at the alarm and 200 probes later: with the code that ships."""

    mode: Mode
    drop: float
    later: int
    holds: Rate
    """Intervals of 95 % that hold the drop."""
    size: float
    """Median of what is said of the size, as a drop."""
    moment: float
    """Median distance of the moment that is said from the moment that it was, in probes."""


def truths(streams: int) -> list[Truth]:
    """Drops after 1,000 healthy probes, stream by stream."""
    made = []
    for mode in MODES:
        for drop in (0.05, 0.1, 0.2):
            world = World(drop=drop, change=1000, probes=3200)
            said = [
                pair
                for seen in drawn(world, streams, 11)
                for index in range(len(seen.runs))
                if (pair := _said(mode, seen, index)) and (pair[0].found_at or 0) > world.change
            ]
            for later, verdicts in zip((0, LATER_ON), zip(*said, strict=True), strict=True):
                made.append(_truth(mode, world, later, verdicts))
    return made


def _truth(mode: Mode, world: World, later: int, said: Sequence[Drift]) -> Truth:
    held = sum(one.low <= -world.drop <= one.high for one in said)
    size = median(-one.change for one in said)
    moment = median(abs(one.since - world.change) for one in said)
    return Truth(mode, world.drop, later, Rate(held, len(said)), size, moment)


def _said(mode: Mode, seen: Streams, index: int) -> tuple[Drift, Drift] | None:
    """What the code that ships says at the alarm and 200 probes later; None without an alarm."""
    runs = [tuple(prompt) for prompt in seen.runs[index].tolist()]
    state, first, left = begin(runs if mode == "stored" else None), None, LATER_ON
    answers = zip(seen.outcomes[index].tolist(), seen.fresh[index].tolist(), strict=True)
    for turn, (outcome, fresh) in enumerate(answers):
        one = Probe(outcome, runs[turn % len(runs)]) if mode == "stored" else Pair(outcome, fresh)
        state = update(state, one)
        if first is not None:
            left -= 1
        elif state.alarm:
            first = verdict(state)
        if left == 0:
            break
    return (first, verdict(state)) if first else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The watch of ordinary traffic: median batches of 50 requests until its first right hint."""

    what: str
    signal: Signal | None
    streams: int
    batches: float | None
    found: Rate


CHANGES: Final = (
    ("errors 2 to 5 %", Signal.ERROR_RATE, {"errors": 0.05}),
    ("errors 2 to 10 %", Signal.ERROR_RATE, {"errors": 0.1}),
    ("first token 20 % later", Signal.FIRST_TOKEN, {"slower": 1.2}),
    ("first token twice as late", Signal.FIRST_TOKEN, {"slower": 2.0}),
    ("answers 20 % shorter", Signal.ANSWER_LENGTH, {"longer": 0.8}),
    ("answers half as long", Signal.ANSWER_LENGTH, {"longer": 0.5}),
    ("cut off: 5 to 15 %", Signal.CUT_SHORT, {"cut": 0.15}),
    ("liked: 80 to 60 %", Signal.RATING, {"liked": 0.6}),
)
HEALTHY: Final = 200
LATER: Final = 100


def traffic(streams: int) -> tuple[Rate, list[Traffic]]:
    """False hints in 300 healthy batches, and changes after 200 of them; the code that ships."""
    alarms, made = 0, {what: list[float]() for what, _, _ in CHANGES}
    for seed in range(streams):
        rng = np.random.default_rng([17, seed])
        state = passive.watch()
        for _ in range(HEALTHY):
            state = passive.add(state, batch(rng))
        before = len(state.hints)
        for what, signal, change in CHANGES:
            made[what].append(_hinted(state, signal, change, rng) if not before else inf)
        for _ in range(LATER):
            state = passive.add(state, batch(rng))
        alarms += bool(state.hints)
    rows = []
    for what, signal, _ in CHANGES:
        found = Rate(sum(one < inf for one in made[what]), streams)
        middle = median(made[what])
        rows.append(Traffic(what, signal, streams, middle if middle < inf else None, found))
    return Rate(alarms, streams), rows


def _hinted(
    state: passive.Watch, signal: Signal, change: dict[str, float], rng: np.random.Generator
) -> float:
    for turn in range(LATER):
        state = passive.add(state, batch(rng, **change))
        if any(hint.signal is signal for hint in state.hints):
            return turn + 1
    return inf


def batch(
    rng: np.random.Generator,
    *,
    errors: float = 0.02,
    slower: float = 1.0,
    longer: float = 1.0,
    cut: float = 0.05,
    liked: float = 0.8,
) -> Counts:
    """
    50 requests of a noisy backend: rates, times and lengths wander from batch to batch.

    First tokens are log-normal around 0.4 s (deviation 0.5, the batch's own 0.15 besides), answers
    around 300 tokens (deviation 0.8); rates are of a beta distribution around the given one. Ten
    answers are rated.
    """
    failed = int(rng.binomial(50, rng.beta(errors * 50, (1 - errors) * 50)))
    answers = 50 - failed
    times = rng.lognormal(np.log(0.4 * slower) + rng.normal(0, 0.15), 0.5, answers)
    bins = np.clip(np.ceil(2 * np.log2(times / 0.001)), 0, 39).astype(int)
    return Counts(
        requests=50,
        errors=failed,
        output_tokens=int(rng.lognormal(np.log(300 * longer), 0.8, answers).sum()),
        first_token=tuple(np.bincount(bins, minlength=40).tolist()),
        finishes={"length": int(rng.binomial(answers, rng.beta(cut * 50, (1 - cut) * 50)))},
        rated=10,
        rating_micro=int(rng.binomial(10, liked)) * 1_000_000,
    )
