"""What a fit costs, and what its weights take up."""

import gzip
import random
import time

import pytest

from pointsman.analysis import AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.predictor import Predictor, encode, weights_of
from pointsman.analysis.predictor.weights import MOST_CODES
from pointsman.evaluation import Label, Vocabulary, fit

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst"]


def labels(vocabulary: Vocabulary, requests: int, words: int) -> list[Label]:
    """Requests of made-up words, each rated for two backends."""
    dice = random.Random(1)
    found = []
    for _ in range(requests):
        text = " ".join(dice.choices(WORDS, k=words))
        facts = observe(Prompt(user=text, total_chars=len(text)), AnalysisSettings())
        seen = vocabulary.see(facts.text, judge(facts))
        found += [Label(seen, name, dice.random(), 0.0) for name in ("large", "small")]
    return found


@pytest.mark.local
def test_a_fit_is_quick_and_its_weights_are_small() -> None:
    """
    1,531 requests with two labels: 20,000 grams below 250 kB.

    Half a second of CPU here, for a busy machine; `make bench-predictor` prints what it takes.
    """
    vocabulary = Vocabulary()
    rated = labels(vocabulary, 1_531, 120)
    prior = weights_of({"large": ("Other", "a"), "small": ("Other", "b")})

    start = time.process_time()
    weights = fit(
        rated,
        vocabulary=vocabulary,
        backends=("large", "small"),
        prior=prior,
        now_s=0.0,
        half_life_s=1.0,
    )
    taken_s = time.process_time() - start

    assert taken_s < 0.5
    assert weights.grams.count("\n") + 1 == MOST_CODES // 3
    assert len(gzip.compress(encode(weights))) < 250_000
    assert set(Predictor(weights).weights.labels) == {1531.0}
