"""Runs of a suite against a model of which it is known when it changes, and how."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal

from pointsman.events.schema import Evaluation
from pointsman.operator.plan.drifting.folding import take
from pointsman.operator.plan.drifting.news import News
from pointsman.operator.plan.drifting.record import Record, dump, load
from pointsman.operator.plan.drifting.wish import Wish
from pointsman.operator.plan.evaluating.suite_run import SuiteRun

UID = "uid-a"
WISH = Wish(model="model-a", golden=True)
HOUR_MS = 3_600_000
BEGIN_MS = 1_790_000_000_000
TASKS = ("Chat", "Coding")
Ended = Literal["Complete", "SpendCap", "Unreachable"]


def answer(
    prompt: str,
    task: str,
    score: float | None,
    *,
    missing: Literal["", "Refused", "TimedOut", "Unreadable", "Error"] = "",
    model: str = "",
    fingerprint: str = "",
) -> Evaluation:
    return Evaluation(
        id=prompt, at_ms=0, suite="golden", content="c1", backend="a", task=task, prompt=prompt,
        score=score, missing=missing, reported_model=model, fingerprint=fingerprint,
    )  # fmt: skip


def run_of(
    evaluations: Sequence[Evaluation],
    number: int,
    *,
    ended: Ended = "Complete",
    content: str = "c1",
    uid: str = UID,
    suite: str = "golden",
    began_ms: int | None = None,
) -> SuiteRun:
    """Number n takes the hour n."""
    began_ms = BEGIN_MS + number * HOUR_MS if began_ms is None else began_ms
    return SuiteRun(
        backend="a", uid=uid, suite=suite, content=content, run=number, began_ms=began_ms,
        ended_ms=began_ms + HOUR_MS // 2, ended=ended, evaluations=tuple(evaluations),
    )  # fmt: skip


def model_run(
    number: int,
    *,
    prompts: int = 60,
    tasks: Sequence[str] = TASKS,
    lost: Mapping[str, float] | None = None,
    gained: Mapping[str, float] | None = None,
    seed: int = 1,
    model: str = "",
    fingerprint: str = "",
) -> SuiteRun:
    """
    A run against a model that knows four of five prompts, and wavers a little.

    `lost`, `gained`: by task, which share of the prompts that it knew (did not) it no longer knows
    (knows now).
    """
    dice, found = Random(1000 * seed + number), []
    for task in tasks:
        for index in range(prompts):
            place = index / prompts
            right = place < 0.8
            if right and place < (lost or {}).get(task, 0.0) * 0.8:
                right = False
            elif not right and place - 0.8 < (gained or {}).get(task, 0.0) * 0.2:
                right = True
            wavers = dice.random() < 0.02
            found.append(
                answer(
                    f"{task}-{index}", task, float(right != wavers),
                    model=model, fingerprint=fingerprint,
                )
            )  # fmt: skip
    return run_of(found, number)


def folded(
    runs: Sequence[SuiteRun],
    record: Record | None = None,
    *,
    wish: Wish = WISH,
    restarts: bool = False,
) -> tuple[Record, list[News]]:
    """One after the other; `restarts`: through what is stored, between any two."""
    record, news = record or Record(uid=UID), list[News]()
    for run in runs:
        if restarts:
            record = load(dump(record))
        record, fresh = take(record, run, wish)
        news += fresh
    return record, news
