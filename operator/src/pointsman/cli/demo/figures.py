"""What the demo's answers add up to: PURE, from what was measured and what the YAML declares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.api.v1alpha1 import Cost
from pointsman.cli.demo.prompts import DeskClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answered request; `latency_s` is wall time, before the time scale is taken out."""

    desk_class: DeskClass
    backend: str
    latency_s: float
    prompt_tokens: int
    completion_tokens: int
    correct: bool
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report; latencies are in model time."""

    label: str
    requests: int
    failed: int
    backends: tuple[tuple[str, int], ...]
    p50_s: float
    p95_s: float
    correct: float
    cost: float


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def price(answer: Answer, prices: Mapping[str, Cost]) -> float:
    """Cost of one answer at the price that its backend's YAML declares; 0 without one."""
    cost = prices.get(answer.backend)
    if cost is None:
        return 0.0
    return (
        answer.prompt_tokens * float(cost.input_per_million)
        + answer.completion_tokens * float(cost.output_per_million)
    ) / 1e6


def row(
    label: str, answers: Sequence[Answer], prices: Mapping[str, Cost], *, time_scale: float
) -> Row:
    """Sum up answers; `time_scale` is how much faster than real the simulated models ran."""
    good = [answer for answer in answers if not answer.error]
    latencies = [answer.latency_s * time_scale for answer in good]
    return Row(
        label=label,
        requests=len(answers),
        failed=len(answers) - len(good),
        backends=tuple(Counter(answer.backend for answer in good).most_common()),
        p50_s=percentile(latencies, 0.5),
        p95_s=percentile(latencies, 0.95),
        correct=sum(answer.correct for answer in good) / len(good) if good else 0.0,
        cost=sum(price(answer, prices) for answer in good),
    )


def rows(
    answers: Sequence[Answer], prices: Mapping[str, Cost], *, time_scale: float
) -> tuple[Row, ...]:
    """One row for each class of the desk, then one for all of them."""
    per_class = [
        row(
            str(desk_class),
            [answer for answer in answers if answer.desk_class == desk_class],
            prices,
            time_scale=time_scale,
        )
        for desk_class in DeskClass
    ]
    return (*per_class, row("all", answers, prices, time_scale=time_scale))
