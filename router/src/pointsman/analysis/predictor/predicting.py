"""The prediction for one request: one pass over the words that the analysis has read.

Guarantees time linear in the capped text, the same answer in every process, and no exception for
any text. Refuses to choose: it says what to expect of each backend, and whether to believe it.
"""

import math

import msgspec

from pointsman.analysis.predictor import features
from pointsman.analysis.predictor.weights import Weights, check, from_bytes
from pointsman.analysis.prompt import Analysis
from pointsman.analysis.text import Text

# Labels at which what was learned weighs as much as the prior (research on learned routing: 150).
K0 = 150.0
# Of one task: labels at which the confidence is half way between the prior's and 1.
K0_TASK = 30.0


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """What to expect of each backend."""

    quality: dict[str, float]
    """Backend -> expected quality 0..1."""
    confidence: float
    """0..1: how far to believe it; grows with the labels of this kind of request. 0 if unknown."""
    known: bool
    """False: out of distribution; do as if there were no predictor."""
    evidence: tuple[str, ...]
    """Short facts, no words of any prompt."""


class Predictor:
    """Weights, compiled; build one when a table switches, not for each request."""

    def __init__(self, weights: Weights) -> None:
        """Compile; raises InvalidWeights."""
        check(weights)
        self.weights = weights
        self._backends = weights.backends
        self._counts = weights.counts
        self._words, self._pairs = _compile(weights)

    def predict(self, text: Text, analysis: Analysis) -> Prediction:
        """Return what to expect; `text` is `Facts.text`, which `analysis` was made of."""
        words, pairs = features.grams(text)
        counts = features.counts(text, analysis, len(words))
        weights = self.weights
        rows = list(filter(None, map(weights.cells.get, features.cells(analysis))))
        known_words = [row for row in map(self._words.get, words) if row is not None]
        found = [*known_words, *filter(None, map(self._pairs.get, pairs))]
        quality = [
            base + sum(map(float.__mul__, own, counts))
            for base, own in zip(weights.base, self._counts, strict=True)
        ]
        for row in rows:
            quality = list(map(float.__add__, quality, row))
        if found:
            norm = 1 / math.sqrt(len(found))
            columns = map(sum, zip(*found, strict=True))
            quality = [
                value + column * norm for value, column in zip(quality, columns, strict=True)
            ]
        share = len(known_words) / len(words) if words else 0.0
        return self._told(quality, share, analysis)

    def _told(self, quality: list[float], share: float, analysis: Analysis) -> Prediction:
        weights = self.weights
        expected = {
            name: min(max(value, 0.0), 1.0)
            for name, value in zip(self._backends, quality, strict=True)
        }
        if not weights.labels:
            return Prediction(
                expected, weights.prior_confidence, True, (f"prior: {weights.source}",)
            )
        support = weights.support.get(f"task:{analysis.task}", 0.0)
        evidence = (
            f"learned from {min(weights.labels):.0f} labels, {support:.0f} of {analysis.task}",
            f"{share:.0%} of its words are known, at least {weights.familiar:.0%} needed",
        )
        if share < weights.familiar:
            return Prediction(expected, 0.0, False, (*evidence, "out of distribution"))
        trust = support / (support + K0_TASK)
        confidence = weights.prior_confidence + (1 - weights.prior_confidence) * trust
        return Prediction(expected, confidence, True, evidence)


def _compile(
    weights: Weights,
) -> tuple[dict[str, tuple[float, ...]], dict[tuple[str, ...], tuple[float, ...]]]:
    words: dict[str, tuple[float, ...]] = {}
    pairs: dict[tuple[str, ...], tuple[float, ...]] = {}
    if not weights.grams:
        return words, pairs
    size = len(weights.backends)
    values = [
        code * scale
        for code, scale in zip(
            from_bytes(weights.codes),
            weights.scales * (len(weights.codes) // 2 // size),
            strict=True,
        )
    ]
    for number, gram in enumerate(weights.grams.split("\n")):
        row = tuple(values[number * size : (number + 1) * size])
        first, space, second = gram.partition(" ")
        if space:
            pairs[first, second] = row
        else:
            words[first] = row
    return words, pairs
