"""Own-traffic calibration: k labeled requests are drawn, all others are routed.

Everything goes through what ships: Vocabulary, fit, Weights, Predictor. Of the rows that are scored
the fit sees nothing: neither their labels nor their texts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.analysis.predictor import Predictor, Weights, weights_of
from pointsman.evaluation import K0, Label, Vocabulary, fit
from tests.perf.predictor.data import Floats, Rows
from tests.perf.predictor.metrics import Routed, routed

PAIR = ("strong", "weak")
# All that the prior is told of the pair: which one is better.
GIVEN = {"strong": 0.8, "weak": 0.6}
ASKED = 30.0
"""Percent of requests that shall go to the strong model."""
FOLDS = 10
Numbers = NDArray[np.int64]


def prior(names: Sequence[str] = PAIR, *, difficulty: bool = True) -> Weights:
    """Return the prior; without difficulty where it was fitted on the rows that are tested."""
    weights = weights_of(
        {name: ("Other", name) for name in names}, {n: GIVEN.get(n, 0.5) for n in names}
    )
    if difficulty:
        return weights
    flat = tuple((0.0,) * len(row) for row in weights.counts)
    return Weights(backends=weights.backends, base=weights.base, counts=flat)


def fitted(rows: Rows, chosen: Numbers, before: Weights, *, k0: float = K0) -> Weights:
    """Fit on these rows, each with a label for every backend."""
    vocabulary = Vocabulary()
    labels = []
    for i in chosen:
        seen = vocabulary.see(*rows.requests[i])
        labels += [Label(seen, name, float(rows.quality[name][i]), 0.0) for name in before.backends]
    return fit(
        labels,
        vocabulary=vocabulary,
        backends=before.backends,
        prior=before,
        now_s=0.0,
        half_life_s=7 * 86_400.0,
        k0=k0,
    )


def expected(weights: Weights, rows: Rows, chosen: Numbers) -> Floats:
    """Return the predicted quality: a row for each request, a column for each backend."""
    predictor = Predictor(weights)
    predictions = [predictor.predict(*rows.requests[i]).quality for i in chosen]
    return np.array([[one[name] for name in weights.backends] for one in predictions])


def scores(weights: Weights, rows: Rows, chosen: Numbers) -> Floats:
    """Return how much better the strong answer is expected to be."""
    found = expected(weights, rows, chosen)
    gap: Floats = found[:, 0] - found[:, 1]
    return gap


def threshold(rows: Rows, chosen: Numbers, before: Weights) -> float:
    """Return the score that ASKED percent of requests exceed, from scores out of fold."""
    folds = [chosen[i::FOLDS] for i in range(FOLDS)]
    # With fewer labels the trust in them would be less, and all scores nearer to each other.
    k0 = K0 * (FOLDS - 1) / FOLDS
    found = [
        scores(fitted(rows, np.setdiff1d(chosen, fold), before, k0=k0), rows, fold)
        for fold in folds
    ]
    return float(np.quantile(np.concatenate(found), 1 - ASKED / 100))


def noisy(rows: Rows, chosen: Numbers, share: float, dice: np.random.Generator) -> Rows:
    """Give a share of the chosen rows the labels of other rows."""
    wrong = dice.permutation(chosen)[: int(len(chosen) * share)]
    source = dice.integers(0, len(rows), len(wrong))
    quality = {name: values.copy() for name, values in rows.quality.items()}
    for name, values in rows.quality.items():
        quality[name][wrong] = values[source]
    return Rows(rows.prompts, rows.requests, rows.groups, quality)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is varied."""

    k: int
    difficulty: bool = True
    noise: float = 0.0
    calibrate: bool = True
    most: int = 1_000_000
    """Rows to score at most."""


def run(rows: Rows, setting: Setting, seed: int) -> Routed:
    """Draw k, fit, choose the threshold, score the rest."""
    dice = np.random.default_rng(seed)
    order = dice.permutation(len(rows))
    chosen, rest = order[: setting.k], order[setting.k :][: setting.most]
    before = prior(difficulty=setting.difficulty)
    learned_from = noisy(rows, chosen, setting.noise, dice) if setting.noise else rows
    weights = fitted(learned_from, chosen, before) if setting.k else before
    found = scores(weights, rows, rest)
    share = float("nan")
    if setting.k and setting.calibrate:
        share = float((found > threshold(rows, chosen, before)).mean() * 100)
    return routed(found, rows.gap()[rest], dice, share)


def left_out(
    rows: Rows, groups: Sequence[frozenset[str]], k: int, seed: int, *, difficulty: bool = True
) -> Routed:
    """Score each set of groups with weights of k rows of all other groups."""
    dice = np.random.default_rng(seed)
    order = dice.permutation(len(rows))
    found = np.zeros(len(rows))
    for group in groups:
        inside = np.array([rows.groups[i] in group for i in order])
        weights = fitted(rows, order[~inside][:k], prior(difficulty=difficulty))
        found[order[inside]] = scores(weights, rows, order[inside])
    return routed(found, rows.gap(), dice)


def eight_parts(rows: Rows, seed: int) -> list[frozenset[str]]:
    """Return the groups of the rows, dealt into eight sets."""
    names = np.random.default_rng(seed).permutation(sorted(set(rows.groups)))
    return [frozenset(map(str, names[i::8])) for i in range(8)]


def each(seeds: int, once: Callable[[int], Routed]) -> list[Routed]:
    """Return what happens with each seed."""
    return [once(seed) for seed in range(seeds)]
