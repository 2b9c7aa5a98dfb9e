"""What may not get worse: each guardrail compares two arms and gives one of four verdicts.

| the interval of the harm, and the limit            | verdict      |
|----------------------------------------------------|--------------|
| lies above 0, and its middle beyond the limit      | Fail         |
| ends below the limit                               | Pass         |
| anything else, or too few requests                 | Inconclusive |
| its values were lost, or are no numbers            | Error        |

A harm that is proven but small is no Fail: it may be what the owner of the policy allows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from pointsman.operator.plan.rollout.comparing import (
    LEAST,
    Estimate,
    Interval,
    Moments,
    interval,
    joined,
    means_ratio,
    pairs_differ,
    share,
    shares_differ,
)

FALSE_FAIL: Final = 0.01
"""Of the rollouts of a candidate that is as good: so many may be stopped, by all guardrails."""
FALSE_PASS: Final = 0.01
"""Of the rollouts of one that is worse by a limit: so many may pass that guardrail. It need not be
shared out: all have to pass."""
P95: Final = 0.05
_QUALITY: Final = "Quality"
_REFUSALS: Final = "Refusals"
_FOUND_AT: Final = 0.25
"""Of a difference in quality: pairs are few and dear, and one that fails half of them has to be
found with 50. For what is small an interval that is at its narrowest there is as good."""


class Verdict(StrEnum):
    """Of one guardrail or of all."""

    PASS = "Pass"
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse a candidate may be. None: that is not looked at."""

    errors_points: float | None = 2.0
    """Percentage points of requests that ended in an error."""
    latency_percent: float | None = 25.0
    """Of the 95th percentile of the time to the whole answer."""
    cost_percent: float | None = 25.0
    """Of the mean cost of a request."""
    quality_points: float | None = 5.0
    """Percentage points of a task's quality, on the same prompts."""


class Arm(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one revision answered in one step."""

    requests: int = 0
    errors: int = 0
    durations: tuple[int, ...] = ()
    """Requests by duration: of each bucket, the last one without an upper bound."""
    cost: Moments = Moments()
    refused: int = 0
    """By a backend, as its caller's mistake."""


class Stretch(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What both revisions did in one step, side by side."""

    candidate: Arm = Arm()
    control: Arm = Arm()
    pairs: Mapping[str, Moments] = {}
    """By task: score of the candidate less that of the control on the same prompt, -1 to 1."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One guardrail's verdict and why."""

    guardrail: str
    """Errors, Refusals, Latency, Cost, Quality/<task>, or Quality of several tasks together."""
    verdict: Verdict
    low: float = 0.0
    value: float = 0.0
    high: float = 0.0
    limit: float = 0.0
    """All four in points or percent, more is worse."""
    message: str = ""


def judged(
    stretches: Sequence[Stretch], limits: Limits, *, bounds_s: Sequence[float]
) -> tuple[Finding, ...]:
    """Every guardrail; `bounds_s` are the upper bounds of all buckets but the last."""
    tasks = sorted({task for one in stretches for task in one.pairs})
    asked = [(task,) for task in tasks] + ([tuple(tasks)] if len(tasks) > 1 else [])
    several = sum(
        limit is not None for limit in (limits.errors_points, limits.latency_percent,
                                        limits.cost_percent)
    ) + (len(asked) if limits.quality_points is not None else 0)  # fmt: skip
    alpha = FALSE_FAIL / max(several, 1)
    found = []
    if (limit := limits.errors_points) is not None:
        found.append(_errors(stretches, limit, alpha))
        found += _refusals(stretches, limit, alpha)
    if (limit := limits.latency_percent) is not None:
        found.append(_latency(stretches, limit, alpha, bounds_s))
    if (limit := limits.cost_percent) is not None:
        found.append(_cost(stretches, limit, alpha))
    if (limit := limits.quality_points) is not None:
        found += [_quality(stretches, some, limit, alpha) for some in asked]
    return tuple(found)


def refusals_of(findings: Sequence[Finding]) -> Finding | None:
    """That it refuses more than the stable revision, if that is so."""
    return next((one for one in findings if one.guardrail == _REFUSALS), None)


def is_about_quality(finding: Finding) -> bool:
    """It is about what answers are worth."""
    return finding.guardrail.startswith(_QUALITY)


def points_against(finding: Finding) -> bool:
    """It is not sure, and what there is looks worse than is allowed, or is no number."""
    unsure = finding.verdict is Verdict.INCONCLUSIVE and finding.value > finding.limit
    return unsure or finding.verdict is Verdict.ERROR


def together(findings: Sequence[Finding]) -> Verdict:
    """One Fail is a Fail; a Pass needs all of them, and at least one."""
    verdicts = {finding.verdict for finding in findings}
    for worst in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
        if worst in verdicts:
            return worst
    return Verdict.PASS if verdicts else Verdict.INCONCLUSIVE


def _errors(stretches: Sequence[Stretch], limit: float, alpha: float) -> Finding:
    """A Pass is what one that is worse by the limit would not have been seen to do."""
    seen, if_worse = (
        joined(
            shares_differ(
                share(one.candidate.errors, one.candidate.requests),
                share(one.control.errors, one.control.requests),
                if_by=if_by,
            )
            for one in stretches
        )
        for if_by in (0.0, limit / 100)
    )
    return _finding("Errors", seen, limit, alpha, _POINTS, if_worse=if_worse)


def _cost(stretches: Sequence[Stretch], limit: float, alpha: float) -> Finding:
    """Of answers that cost nothing there is no ratio; who gives none that cost is not dearer."""
    estimate = joined(means_ratio(one.candidate.cost, one.control.cost) for one in stretches)
    enough = any(min(one.candidate.cost.n, one.control.cost.n) >= LEAST for one in stretches)
    if estimate is not None or not enough:
        return _finding("Cost", estimate, limit, alpha, _PERCENT)
    costs = any(one.candidate.cost.total for one in stretches)
    control = any(one.control.cost.total for one in stretches)
    if costs:
        why = _FEW if control else "it costs something, and the control nothing"
        return Finding(guardrail="Cost", verdict=Verdict.INCONCLUSIVE, limit=limit, message=why)
    value = -100.0 if control else 0.0
    return Finding(
        guardrail="Cost", verdict=Verdict.PASS, low=value, value=value, high=value, limit=limit,
        message=f"its answers cost nothing: {value:+.1f} % against the control",
    )  # fmt: skip


def _refusals(stretches: Sequence[Stretch], limit: float, alpha: float) -> list[Finding]:
    """
    Surely more than of the control, by more than is allowed; else nothing is said of them.

    No Fail: they are callers' mistakes as a rule, and one caller that asks the same again and again
    is in one arm with all of it.
    """
    estimates = [
        shares_differ(
            share(one.candidate.refused, one.candidate.requests),
            share(one.control.refused, one.control.requests),
        )
        for one in stretches
    ]
    found = _finding(_REFUSALS, joined(estimates), limit, alpha, _POINTS)
    if found.verdict is not Verdict.FAIL:
        return []
    return [msgspec.structs.replace(found, verdict=Verdict.INCONCLUSIVE)]


def _quality(
    stretches: Sequence[Stretch], tasks: Sequence[str], limit: float, alpha: float
) -> Finding:
    # Pairs have their control with them, whenever they were asked: all are one sample.
    every = (one.pairs.get(task, Moments()) for one in stretches for task in tasks)
    found = pairs_differ(sum(every, Moments()))
    harm = Estimate(-found.value, found.variance) if found else None
    name = f"{_QUALITY}/{tasks[0]}" if len(tasks) == 1 else _QUALITY
    return _finding(name, harm, limit, alpha, _POINTS, found_at=_FOUND_AT)


def _latency(
    stretches: Sequence[Stretch], limit: float, alpha: float, bounds_s: Sequence[float]
) -> Finding:
    """
    As a question of yes and no: how many are slower than the control's 95th percentile may be.

    Of the control 5 % are slower than its 95th percentile. If more of the candidate are slower than
    that and the limit on top, then its 95th percentile is beyond the limit.
    """
    estimates, cut_s = [], 0.0
    for one in stretches:
        if not one.control.durations or not one.candidate.durations:
            continue
        cut_s = _quantile(one.control.durations, 1 - P95, bounds_s) * (1 + limit / 100)
        beyond = _beyond(one.candidate.durations, cut_s, bounds_s)
        arm = Moments(one.candidate.requests, beyond, beyond)
        if arm.n >= LEAST:
            shared = (arm.total + 0.5) / (arm.n + 1)
            of_control = max(one.control.requests, 1)
            variance = shared * (1 - shared) / arm.n + P95 * (1 - P95) / of_control
            estimates.append(Estimate(arm.mean - P95, variance))
    estimate = joined(estimates)
    if estimate is None:
        return Finding(guardrail="Latency", verdict=Verdict.INCONCLUSIVE, message=_FEW)
    seen = _looked_at(estimate, P95, alpha)
    verdict = Verdict.INCONCLUSIVE
    if seen.low > 0:
        verdict = Verdict.FAIL
    elif seen.high < P95:
        verdict = Verdict.PASS
    low, value, high = (100 * (x + P95) for x in seen)
    return Finding(
        guardrail="Latency", verdict=verdict, low=low, value=value, high=high, limit=100 * P95,
        message=f"{value:.1f} % [{low:.1f}, {high:.1f}] took more than {cut_s:.2g} s, the control's"
        f" 95th percentile and {limit:g} %; 5 % may",
    )  # fmt: skip


_FEW: Final = "too few requests"


class _Scale(NamedTuple):
    """How a harm is told and how it is reckoned with."""

    told: Callable[[float], float]
    reckoned: Callable[[float], float]
    unit: str


_POINTS: Final = _Scale(lambda value: 100 * value, lambda told: told / 100, "points")
_PERCENT: Final = _Scale(
    lambda value: 100 * math.expm1(min(value, 20.0)), lambda told: math.log1p(told / 100), "%"
)


def _finding(
    name: str,
    harm: Estimate | None,
    told: float,
    alpha: float,
    scale: _Scale,
    *,
    found_at: float = 0.0,
    if_worse: Estimate | None = None,
) -> Finding:
    """`if_worse`: the harm, with its variance if it were the limit; what a Pass is judged by."""
    if harm is None:
        return Finding(guardrail=name, verdict=Verdict.INCONCLUSIVE, limit=told, message=_FEW)
    if not (math.isfinite(harm.value) and math.isfinite(harm.variance)):
        return Finding(
            guardrail=name,
            verdict=Verdict.ERROR,
            limit=told,
            message="what was counted is no number",
        )
    limit = scale.reckoned(told)
    seen = _looked_at(harm, limit, alpha, found_at=found_at, if_worse=if_worse)
    verdict = Verdict.INCONCLUSIVE
    if seen.low > 0 and seen.value > limit:
        verdict = Verdict.FAIL
    elif seen.high < limit:
        verdict = Verdict.PASS
    low, value, high = (scale.told(x) for x in seen)
    return Finding(
        guardrail=name, verdict=verdict, low=low, value=value, high=high, limit=told,
        message=f"{value:+.1f} {scale.unit} [{low:+.1f}, {high:+.1f}] against the control, "
        f"{told:g} are allowed",
    )  # fmt: skip


def _looked_at(
    harm: Estimate,
    limit: float,
    alpha: float,
    *,
    found_at: float = 0.0,
    if_worse: Estimate | None = None,
) -> Interval:
    """Low end by what may be stopped in error, high end by what may pass in error; each alone."""
    low = interval(harm, scale=max(limit, found_at), alpha=2 * alpha).low
    high = interval(if_worse or harm, scale=limit, alpha=2 * FALSE_PASS).high
    return Interval(low, harm.value, max(high, harm.value))


def _quantile(counts: Sequence[int], share_: float, bounds_s: Sequence[float]) -> float:
    """The value below which a share lies, in proportion inside a bucket of logarithms."""
    rank, below = share_ * sum(counts), 0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            low, high = _edges(number, bounds_s)
            return low * math.pow(high / low, (rank - below) / count)
        below += count
    return bounds_s[-1]


def _beyond(counts: Sequence[int], cut_s: float, bounds_s: Sequence[float]) -> float:
    """How many are larger than a value, in proportion inside its bucket."""
    found = 0.0
    for number, count in enumerate(counts):
        low, high = _edges(number, bounds_s)
        if cut_s <= low:
            found += count
        elif cut_s < high:
            found += count * math.log(high / cut_s) / math.log(high / low)
    return found


def _edges(number: int, bounds_s: Sequence[float]) -> tuple[float, float]:
    """Of one bucket; the first and the last are as wide as their neighbors."""
    if number == 0:
        return bounds_s[0] ** 2 / bounds_s[1], bounds_s[0]
    if number == len(bounds_s):
        return bounds_s[-1], bounds_s[-1] ** 2 / bounds_s[-2]
    return bounds_s[number - 1], bounds_s[number]
