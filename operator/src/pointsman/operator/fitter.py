"""`python -m pointsman.operator.fitter`: one fit, a Job on standard input, its Fitted on output.

A process of its own, so that numbers hold up nobody: cluster/fitting.py begins it and may end it.
"""

import os
import sys
from collections.abc import Iterable

import msgspec

from pointsman.analysis import Analysis, AnalysisSettings, Complexity, Domain, Prompt, Task
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.predictor import Weights, weights_of
from pointsman.evaluation.fitting import Label, fit
from pointsman.evaluation.vocabulary import Seen, Vocabulary
from pointsman.ledger.labels import Label as Recorded
from pointsman.operator.plan.learning import Fitted, Job, samples_of, traits_of

_TASKS = frozenset(Task)
_COMPLEXITIES = frozenset(Complexity)
_DOMAINS = frozenset(Domain)
_DIGITS = 6
NICE = 10
"""Behind the operator, and on a laptop behind the router."""


def fitted(job: Job) -> Fitted:
    """Weights that equal jobs have in common, bit by bit; None where no label counts."""
    samples, traits = samples_of(job), traits_of(job)
    if not job.labels:
        return Fitted(weights=None, traits=traits, samples=samples)
    vocabulary = Vocabulary()
    labels = [
        Label(_seen(vocabulary, one), one.backend, one.quality, one.at_ms / 1000)
        for one in job.labels
    ]
    weights = fit(
        labels,
        vocabulary=vocabulary,
        backends=tuple(job.wish.models),
        prior=weights_of(job.wish.models),
        now_s=job.now_s,
        half_life_s=job.wish.half_life_s,
    )
    return Fitted(weights=_rounded(weights), traits=traits, samples=samples)


def _rounded(weights: Weights) -> Weights:
    """To what can be told apart: the last bits of a sum are another machine's."""

    def row(values: Iterable[float]) -> tuple[float, ...]:
        return tuple(round(value, _DIGITS) for value in values)

    return msgspec.structs.replace(
        weights,
        base=row(weights.base),
        counts=tuple(map(row, weights.counts)),
        cells={name: row(values) for name, values in sorted(weights.cells.items())},
        scales=tuple(float(f"{scale:.{_DIGITS}g}") for scale in weights.scales),
        labels=row(weights.labels),
        support={name: round(value, 3) for name, value in sorted(weights.support.items())},
    )


def _seen(vocabulary: Vocabulary, label: Recorded) -> Seen:
    """By its text as a router reads it, or by what a router found when the text was there."""
    if label.text:
        facts = observe(Prompt(user=label.text, total_chars=len(label.text)), AnalysisSettings())
        return vocabulary.see(facts.text, judge(facts))
    analysis = Analysis(
        task=Task(label.task) if label.task in _TASKS else Task.CHAT,
        decided=label.task in _TASKS,
        language=label.language or "und",
        context_tokens=label.context_tokens,
        confidence=0.0,
        evidence=(),
        complexity=(
            Complexity(label.complexity)
            if label.complexity in _COMPLEXITIES
            else Complexity.MODERATE
        ),
        domain=Domain(label.domain) if label.domain in _DOMAINS else Domain.GENERAL,
    )
    return vocabulary.see(None, analysis)


def main() -> None:
    """Raises on anything that is no Job: whoever began it reads the last line."""
    os.nice(NICE)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(fitted(job)))


if __name__ == "__main__":
    main()
