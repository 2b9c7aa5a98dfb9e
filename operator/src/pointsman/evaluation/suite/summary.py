"""
What all calls of a suite say, by target and task: quality with its interval, what has no score and
why, times and cost.

A prompt counts once, with the mean over its runs: runs of one prompt are no independent evidence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pointsman.evaluation.suite.calls import ANSWER, Call, Unit, outcome_of, units
from pointsman.evaluation.suite.content import Suite
from pointsman.evaluation.suite.outcome import Missing, Outcome

_Z: Final = 1.959963984540054
"""Of a 95 % interval."""
ALL: Final = "all"


class Quality(msgspec.Struct, frozen=True):
    """Weighted mean of the scores, and its 95 % interval."""

    value: float
    low: float
    high: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One target and task; `task` is `all` for the target's total. Times are in milliseconds."""

    target: str
    task: str
    quality: Quality | None
    prompts: int
    """Prompts that have a score."""
    scored: int
    not_scored: dict[str, int]
    """Answers without a score, by reason."""
    missing: int
    """Units that were not asked, or not judged, to their end."""
    p50_ms: float | None
    p95_ms: float | None
    calls: int
    cost_nano: int
    currency: str
    estimated: int


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Of one prompt and target: one entry for each run, a score or why there is none."""

    target: str
    task: str
    prompt: str
    scores: list[float | None]
    reasons: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run says."""

    suite: str
    content: str
    runs: int
    lines: list[Line]
    identities: dict[str, list[str]]
    """By target: each `model (fingerprint)` that answers came from."""
    prompts: list[Scores]


Done = Mapping[Unit, Mapping[str, Call]]


def by_unit(calls: Iterable[Call]) -> dict[Unit, dict[str, Call]]:
    """Calls by what they belong to and their step; of two of the same the later one counts."""
    found: dict[Unit, dict[str, Call]] = {}
    for call in calls:
        found.setdefault(Unit(call.target, call.run, call.prompt), {})[call.step] = call
    return found


def report(name: str, suite: Suite, targets: Sequence[str], runs: int, done: Done) -> Report:
    """The report over these targets and runs; calls of others do not count."""
    wanted = list(units(suite, targets, runs))
    outcomes = {
        unit: outcome_of(suite.prompts[unit.prompt], unit, done.get(unit, {})) for unit in wanted
    }
    lines = []
    for target in targets:
        mine = [unit for unit in wanted if unit.target == target]
        tasks = sorted({str(suite.prompts[unit.prompt].task) for unit in mine})
        for task in tasks:
            part = [unit for unit in mine if suite.prompts[unit.prompt].task == task]
            lines.append(_line(target, task, part, suite=suite, outcomes=outcomes, done=done))
        if len(tasks) > 1:
            lines.append(_line(target, ALL, mine, suite=suite, outcomes=outcomes, done=done))
    return Report(
        suite=name,
        content=suite.content,
        runs=runs,
        lines=lines,
        identities={target: _identities(target, done) for target in targets},
        prompts=[_scores(target, prompt, suite, runs, outcomes)
                 for target in targets for prompt in suite.prompts],
    )  # fmt: skip


def _line(
    target: str,
    task: str,
    part: Sequence[Unit],
    *,
    suite: Suite,
    outcomes: Mapping[Unit, Outcome | None],
    done: Done,
) -> Line:
    known = [(unit, outcome) for unit in part if (outcome := outcomes[unit]) is not None]
    absent = [one.missing for _, one in known if one.missing is not None]
    calls = [call for unit in part for call in done.get(unit, {}).values()]
    times = sorted(c.latency_ms for c in calls if c.step == ANSWER and c.missing is None)
    means = _means([(unit, one.score) for unit, one in known if one.score is not None])
    currencies = {call.currency for call in calls if call.currency}
    return Line(
        target=target,
        task=task,
        quality=quality(
            [(mean, suite.prompts[prompt].weight) for prompt, mean in means.items()]
        ),
        prompts=len(means),
        scored=len(known) - len(absent),
        not_scored={str(one): absent.count(one) for one in Missing if one in absent},
        missing=len(part) - len(known),
        p50_ms=percentile(times, 0.50),
        p95_ms=percentile(times, 0.95),
        calls=len(calls),
        cost_nano=sum(call.cost_nano for call in calls),
        currency="/".join(sorted(currencies)),
        estimated=sum(call.estimated for call in calls),
    )  # fmt: skip


def _means(scored: Iterable[tuple[Unit, float]]) -> dict[str, float]:
    """By prompt, over its runs."""
    found: dict[str, list[float]] = {}
    for unit, score in scored:
        found.setdefault(unit.prompt, []).append(score)
    return {prompt: sum(scores) / len(scores) for prompt, scores in found.items()}


def quality(means: Sequence[tuple[float, int]]) -> Quality | None:
    """
    Weighted mean of (score, weight) and Wilson's interval; None without any.

    The number of prompts is Kish's for weights, (sum w)^2 / sum w^2. Scores between 0 and 1 vary
    less than those of a coin with their mean, so the interval is rather too wide.
    """
    if not means:
        return None
    total = sum(weight for _, weight in means)
    mean = sum(score * weight for score, weight in means) / total
    n = total * total / sum(weight * weight for _, weight in means)
    spread = _Z * math.sqrt(mean * (1 - mean) / n + _Z * _Z / (4 * n * n))
    middle, whole = mean + _Z * _Z / (2 * n), 1 + _Z * _Z / n
    low, high = (middle - spread) / whole, (middle + spread) / whole
    return Quality(mean, max(0.0, min(low, mean)), min(1.0, max(high, mean)))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank's; None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _identities(target: str, done: Done) -> list[str]:
    found = {
        f"{call.model} ({call.fingerprint})" if call.fingerprint else call.model
        for unit, steps in done.items()
        if unit.target == target
        for call in steps.values()
        if call.step == ANSWER and call.model
    }
    return sorted(found)


def _scores(
    target: str, prompt: str, suite: Suite, runs: int, outcomes: Mapping[Unit, Outcome | None]
) -> Scores:
    found = [outcomes[Unit(target, run, prompt)] for run in range(runs)]
    return Scores(
        target=target,
        task=str(suite.prompts[prompt].task),
        prompt=prompt,
        scores=[one.score if one else None for one in found],
        reasons=[_reason(one) for one in found],
    )


def _reason(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not asked"
    return f"{outcome.missing}: {outcome.reason}" if outcome.missing else outcome.reason
