"""What the demo shows of a ledger's sums, and what its models billed: PURE."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pointsman.api.v1alpha1 import Cost
from pointsman.events.schema import NANO
from pointsman.ledger.summary import Line

UNDECIDED = "not sure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answered request, as its caller saw it."""

    backend: str
    decision: str
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


def bill_nano(answers: Iterable[Answer], prices: Mapping[str, Cost]) -> int:
    """What the models billed, in billionths: each answer's tokens at its backend's prices."""
    total = 0
    for answer in answers:
        cost = prices.get(answer.backend)
        if cost is not None:
            pico = answer.prompt_tokens * _pico(cost.input_per_million or "0")
            pico += answer.completion_tokens * _pico(cost.output_per_million or "0")
            total += (pico + 500) // 1000
    return total


def _pico(price: str) -> int:
    """Of a price for a million tokens: 1e-12 for each token."""
    return int((Decimal(price) * 1_000_000).to_integral_value())


def row(line: Line, parts: Sequence[Line], label: str, *, time_scale: float) -> Row:
    """
    Of a sum; `parts` is the same by backend.

    `time_scale` is how much faster than real the simulated models ran.
    """
    times = line.duration
    by: Counter[str] = Counter()
    for part in parts:
        by[part.by["backend"]] += part.requests
    return Row(
        label=label,
        requests=line.requests,
        failed=line.errors,
        backends=tuple((name, count) for name, count in by.most_common() if name),
        p50_s=times.p50.value / 1000 * time_scale if times else 0.0,
        p95_s=times.p95.value / 1000 * time_scale if times else 0.0,
        correct=line.quality.value if line.quality else 0.0,
        cost=line.cost_nano / NANO,
    )


def rows(
    policy: str,
    totals: Sequence[Line],
    tasks: Sequence[Line],
    parts: Sequence[Line],
    *,
    time_scale: float,
) -> tuple[Row, ...]:
    """
    One row for each task that the router found, then one for all of them.

    `totals` is by policy, `tasks` by policy and task, `parts` by policy, task and backend.
    """
    ours = [part for part in parts if part.by["policy"] == policy]
    found = [
        row(
            line,
            [part for part in ours if part.by["task"] == line.by["task"]],
            line.by["task"] or UNDECIDED,
            time_scale=time_scale,
        )
        for line in sorted(tasks, key=lambda line: (not line.by["task"], line.by["task"]))
        if line.by["policy"] == policy
    ]
    (total,) = [line for line in totals if line.by["policy"] == policy]
    return (*found, row(total, ours, "all", time_scale=time_scale))
