"""What a decision costs: analysis alone, and with the prediction, one prompt at a time."""

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pointsman.analysis import AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.predictor import Predictor, Weights, encode
from pointsman.evaluation import Label, Vocabulary, fit
from tests.perf.predictor.data import mix, routellm
from tests.perf.predictor.protocol import PAIR, fitted, prior

_SETTINGS = AnalysisSettings()
LARGE = ("The auditor asked (twice) about 42 invoices; nobody had an answer. " * 1600)[:100_000]


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds; each prompt's best of three, because machines are shared."""

    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Of decisions, and of the weights they were made with."""

    analysis: Times
    both: Times
    prediction: Times
    large: Times
    """100 kB, both."""
    grams: int
    gzip_bytes: int
    compile_ms: float


def measure(*, most: int, k: int = 1531) -> Costs:
    """Time prompts of MMLU, GSM8K and the mix, with weights of k rows of MMLU."""
    rows = routellm("mmlu")
    chosen = np.random.default_rng(0).permutation(len(rows))[:k]
    weights = fitted(rows, chosen, prior())
    predictor = Predictor(weights)
    prompts = [
        one.prompts[i]
        for one in (rows, routellm("gsm8k"), mix())
        for i in np.random.default_rng(1).permutation(len(one))[: most // 3]
    ]

    def analysis(prompt: str) -> None:
        judge(observe(Prompt(user=prompt, total_chars=len(prompt)), _SETTINGS))

    def both(prompt: str) -> None:
        facts = observe(Prompt(user=prompt, total_chars=len(prompt)), _SETTINGS)
        predictor.predict(facts.text, judge(facts))

    facts = {
        prompt: observe(Prompt(user=prompt, total_chars=len(prompt)), _SETTINGS)
        for prompt in prompts
    }
    judged = {prompt: judge(one) for prompt, one in facts.items()}
    return Costs(
        analysis=_times(analysis, prompts),
        both=_times(both, prompts),
        prediction=_times(lambda p: predictor.predict(facts[p].text, judged[p]), prompts),
        large=_times(both, [LARGE] * 50),
        grams=weights.grams.count("\n") + 1,
        gzip_bytes=len(gzip.compress(encode(weights))),
        compile_ms=_compiled_ms(weights),
    )


def fit_ms(labels: int, requests: int = 1_531) -> float:
    """Return the CPU time of a fit of so many labels of MMLU's requests, best of five."""
    rows = routellm("mmlu")
    vocabulary = Vocabulary()
    chosen = np.random.default_rng(0).permutation(len(rows))[:requests]
    seen = [vocabulary.see(*rows.requests[i]) for i in chosen]
    rated = [
        Label(one, name, float(rows.quality[name][i]), 0.0)
        for name in PAIR
        for i, one in zip(chosen, seen, strict=True)
    ]
    rated = [rated[i] for i in np.random.default_rng(1).permutation(len(rated))[:labels]]
    taken = []
    for _ in range(5):
        start = time.process_time()
        fit(
            rated,
            vocabulary=vocabulary,
            backends=PAIR,
            prior=prior(),
            now_s=0.0,
            half_life_s=1e6,
        )
        taken.append((time.process_time() - start) * 1000)
    return min(taken)


def _compiled_ms(weights: Weights) -> float:
    start = time.process_time()
    Predictor(weights)
    return (time.process_time() - start) * 1000


def _times(once: Callable[[str], object], prompts: list[str]) -> Times:
    best = []
    for prompt in prompts:
        taken = []
        for _ in range(3):
            start = time.perf_counter_ns()
            once(prompt)
            taken.append(time.perf_counter_ns() - start)
        best.append(min(taken) / 1000)
    return Times(float(np.quantile(best, 0.5)), float(np.quantile(best, 0.99)))
