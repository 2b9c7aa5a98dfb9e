"""
Golden results of a simulated backend: prompts, stored runs, and probes of the suite in turn.

Each prompt has a chance of a right answer. "Disagreement" is the share of prompts whose results
differ between two healthy runs, on average. A drop breaks prompts: they are wrong from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Kind = Literal["spread", "flips"]
How = Literal["broken", "every answer", "wavering"]
CHUNK: Final = 500
"""Streams at a time, which bounds memory: 500 x 6,000 scores of 8 bytes are 24 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """
    What a stream is drawn from.

    `kind`: chances of prompts by a beta distribution, most of them near 0 or 1 ("spread"), or all
    the same distance from 0 or 1 ("flips"). `change`: healthy probes before the drop; `drop` may be
    below 0. `how`: some prompts are wrong for good, each answer is spoiled by dice, or only those
    prompts suffer that wavered before. `checks`: a score is the mean of so many.
    """

    disagreement: float = 0.05
    accuracy: float = 0.85
    prompts: int = 200
    runs: int = 5
    probes: int = 6000
    drop: float = 0.0
    change: int = 0
    kind: Kind = "spread"
    how: How = "broken"
    checks: int = 1

    @property
    def healthy(self) -> "World":
        """The same without a change."""
        return replace(self, drop=0.0)


@dataclass(frozen=True, slots=True)
class Streams:
    """
    Scores: `outcomes` and `fresh` (the baseline's own answers now) are streams x probes, `runs` is
    streams x prompts x runs. Probe n is of prompt n modulo the number of prompts.
    """

    outcomes: Scores
    fresh: Scores
    runs: Scores

    def pairs(self) -> Scores:
        """The baseline's fresh answer minus the outcome, streams x probes."""
        return self.fresh - self.outcomes

    def differences(self) -> Scores:
        """The mean of the stored runs minus the outcome, streams x probes."""
        return self._turned(self.runs.mean(axis=2)) - self.outcomes

    def against_one_run(self) -> Scores:
        """The last stored run minus the outcome: what a user with a single run has."""
        return self._turned(self.runs[:, :, -1]) - self.outcomes

    def _turned(self, of_prompts: Scores) -> Scores:
        probes = self.outcomes.shape[1]
        return np.resize(of_prompts.T, (probes, of_prompts.shape[0])).T


def drawn(world: World, streams: int, seed: int) -> Iterator[Streams]:
    """Draw so many streams, CHUNK at a time; the seed and the chunk give the dice."""
    for index, begin in enumerate(range(0, streams, CHUNK)):
        rng = np.random.default_rng([seed, index])
        yield _chunk(world, min(CHUNK, streams - begin), rng)


def _chunk(world: World, streams: int, rng: np.random.Generator) -> Streams:
    chances = _chances(world, streams, rng)
    after = _dropped(world, chances, rng)
    shape = (streams, world.probes)
    turns = np.arange(world.probes) % world.prompts
    before = np.arange(world.probes) < world.change
    now = np.where(before, chances[:, turns], after[:, turns])
    runs = _scores(np.repeat(chances[:, :, None], world.runs, axis=2), world.checks, rng)
    outcomes = _scores(now, world.checks, rng)
    fresh = _scores(np.broadcast_to(chances[:, turns], shape), world.checks, rng)
    return Streams(outcomes, fresh, runs)


def _scores(chances: Scores, checks: int, rng: np.random.Generator) -> Scores:
    if checks == 1:
        return (rng.random(chances.shape, dtype=np.float32) < chances).astype(np.float64)
    return np.asarray(rng.binomial(checks, chances) / checks, dtype=np.float64)


def _chances(world: World, streams: int, rng: np.random.Generator) -> Scores:
    """Streams x prompts, of which E 2p(1-p) is the disagreement and E p the accuracy."""
    shape, right = (streams, world.prompts), world.accuracy
    if world.kind == "spread":
        share = world.disagreement / (2 * right * (1 - right))
        total = share / (1 - share)
        return np.asarray(rng.beta(right * total, (1 - right) * total, shape))
    flip = (1 - sqrt(1 - 2 * world.disagreement)) / 2
    good = rng.random(shape) < (right - flip) / (1 - 2 * flip)
    return np.where(good, 1 - flip, flip)


def _dropped(world: World, chances: Scores, rng: np.random.Generator) -> Scores:
    if world.drop < 0:
        opposite = replace(world, drop=-world.drop, accuracy=1 - world.accuracy)
        return np.asarray(1 - _dropped(opposite, 1 - chances, rng))
    if world.drop == 0:
        return chances
    if world.how == "every answer":
        return np.asarray(chances * (1 - world.drop / chances.mean(axis=1, keepdims=True)))
    wanted = world.drop * world.prompts
    if world.how == "wavering":
        uncertain = np.where((chances > 0.02) & (chances < 0.98), chances, 0)
        part = np.minimum(1, wanted / np.maximum(uncertain.sum(axis=1, keepdims=True), 1e-9))
        return np.asarray(chances - uncertain * part)
    # In an order of its own for each stream, prompts break until the drop is reached.
    order = rng.permuted(np.tile(np.arange(world.prompts), (len(chances), 1)), axis=1)
    lost = np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1)
    broken: NDArray[np.bool_] = np.empty(chances.shape, dtype=bool)
    np.put_along_axis(broken, order, lost <= wanted, axis=1)
    return np.asarray(np.where(broken, 0, chances))
