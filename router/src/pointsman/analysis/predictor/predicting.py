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

# Of one task: labels at which the confidence is half way between the prior's and 1.
K0_TASK = 30.0


_Row = tuple[float, ...]
_Pair = tuple[str, str]


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
        self._words, self._pairs, self._skips = _compile(weights)

    def predict(self, text: Text, analysis: Analysis) -> Prediction:
        """Return what to expect; `text` is `Facts.text`, which `analysis` was made of."""
        weights = self.weights
        grams = features.grams(text)
        counts = features.counts(text, analysis, grams)
        quality = [
            base + sum(map(float.__mul__, own, counts))
            for base, own in zip(weights.base, weights.counts, strict=True)
        ]
        for row in filter(None, map(weights.cells.get, features.cells(analysis))):
            quality = list(map(float.__add__, quality, row))
        if not self._words:
            return self._told(quality, 1.0, analysis)
        found = list(filter(None, map(self._words.get, grams.words)))
        found.extend(filter(None, map(self._pairs.get, grams.pairs)))
        familiar = len(found) / (len(grams.words) + len(grams.pairs) or 1)
        found.extend(filter(None, map(self._words.get, grams.marks)))
        found.extend(filter(None, map(self._skips.get, grams.skips)))
        if found:
            square, *columns = map(sum, zip(*found, strict=True))
            norm = 1 / math.sqrt(square or 1.0)
            quality = [value + norm * each for value, each in zip(quality, columns, strict=True)]
        return self._told(quality, familiar, analysis)

    def _told(self, quality: list[float], familiar: float, analysis: Analysis) -> Prediction:
        weights = self.weights
        expected = {
            name: min(max(value, 0.0), 1.0)
            for name, value in zip(weights.backends, quality, strict=True)
        }
        if not weights.labels:
            evidence = (f"prior: {weights.source}",)
            return Prediction(expected, weights.prior_confidence, True, evidence)
        support = weights.support.get(f"task:{analysis.task}", 0.0)
        told = (
            f"learned from {min(weights.labels):.0f} labels, {support:.0f} of {analysis.task}",
            f"{familiar:.0%} familiar, {weights.familiar:.0%} needed",
        )
        if familiar < weights.familiar:
            return Prediction(expected, 0.0, False, (*told, "out of distribution"))
        trust = support / (support + K0_TASK)
        confidence = weights.prior_confidence + (1 - weights.prior_confidence) * trust
        return Prediction(expected, confidence, True, told)


def _compile(weights: Weights) -> tuple[dict[str, _Row], dict[_Pair, _Row], dict[_Pair, _Row]]:
    words: dict[str, _Row] = {}
    pairs: dict[_Pair, _Row] = {}
    skips: dict[_Pair, _Row] = {}
    if not weights.grams:
        return words, pairs, skips
    rows = zip(*[map(float, from_bytes(weights.codes))] * len(weights.scales), strict=True)
    for gram, codes in zip(weights.grams.split("\n"), rows, strict=True):
        row = tuple(map(float.__mul__, codes, weights.scales))
        first, space, second = gram.partition(" ")
        if not space:
            words[first] = row
        elif second.startswith(" "):
            skips[first, second[1:]] = row
        else:
            pairs[first, second] = row
    return words, pairs, skips
