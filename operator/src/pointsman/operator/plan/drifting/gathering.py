"""Scores of the first runs, until they are a baseline.

A prompt without an answer in a run has one score less; runs go on until each prompt has as many
as are wanted, or twice as many runs were taken: then prompts that still lack some are left out.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from pointsman.evaluation.drift import stream
from pointsman.events.schema import Evaluation
from pointsman.operator.plan.drifting.record import MICRO, Golden, Scored, Stream

ALL: Final = "all"
"""The task of the stream that every prompt is in."""
ALL_SHARE: Final = 0.5
"""Of alpha, for that stream; tasks have equal parts of the rest. One task needs no such stream."""
PATIENCE: Final = 2
"""So many times the wanted runs a baseline waits for prompts without answers."""


def gathered(
    known: Mapping[str, Scored], evaluations: Iterable[Evaluation], wanted: int
) -> dict[str, Scored]:
    """One run more; no prompt keeps more than `wanted` scores, the newest ones."""
    found = dict(known)
    for one in evaluations:
        scores = found[one.prompt].scores if one.prompt in found else ()
        score = score_of(one)
        if score is not None:
            scores = (*scores, round(score * MICRO))
        found[one.prompt] = Scored(one.task, scores[-wanted:])
    return found


def score_of(one: Evaluation) -> float | None:
    """What cannot be a score is none: one mistake must not stop all detectors."""
    return one.score if one.score is not None and 0 <= one.score <= 1 else None


def is_enough(prompts: Mapping[str, Scored], runs: int, wanted: int) -> bool:
    """Whether these scores of so many runs make a baseline."""
    if runs < wanted:
        return False
    whole = sum(len(one.scores) == wanted for one in prompts.values())
    return whole == len(prompts) > 0 or (runs >= PATIENCE * wanted and whole > 0)


def based(golden: Golden, prompts: Mapping[str, Scored]) -> Golden:
    """With this baseline, and streams that have seen nothing yet."""
    whole = {name: one for name, one in prompts.items() if len(one.scores) == golden.wanted}
    tasks: dict[str, list[tuple[float, ...]]] = {}
    for one in whole.values():
        tasks.setdefault(one.task, []).append(tuple(score / MICRO for score in one.scores))
    alphas = alphas_of(tasks, golden.alpha)
    if len(tasks) > 1:
        tasks[ALL] = [scores for each in tasks.values() for scores in each]
    streams = {
        task: Stream(state=stream.begin(runs, alpha=alphas[task])) for task, runs in tasks.items()
    }
    return msgspec.structs.replace(
        golden, prompts=dict(prompts), streams=streams, later={}, later_runs=0
    )


def alphas_of(tasks: Iterable[str], alpha: float) -> dict[str, float]:
    """How the chance of a false alarm of a backend is shared by its streams."""
    names = list(tasks)
    if len(names) < 2:
        return dict.fromkeys(names, alpha)
    each = alpha * (1 - ALL_SHARE) / len(names)
    return {**dict.fromkeys(names, each), ALL: alpha * ALL_SHARE}
