"""PURE: results as events for the ledger; no text of a prompt or an answer is in them."""

import hashlib
from collections.abc import Mapping, Sequence

from pointsman.evaluation.running.results import Head
from pointsman.evaluation.suite.calls import ANSWER, Call, Unit, outcome_of
from pointsman.evaluation.suite.content import Suite
from pointsman.events.schema import Evaluation


def events_of(
    head: Head, suite: Suite, done: Mapping[Unit, Mapping[str, Call]], *, final: bool = False
) -> list[Evaluation]:
    """
    An event for each unit whose worth is decided.

    What a later start would ask again is not, unless there will be none (`final`): an id has one
    meaning for ever.
    """
    return [
        found
        for unit, calls in done.items()
        if unit.prompt in suite.prompts
        and (final or not any(call.again for call in calls.values()))
        for found in _event(head, suite, unit, calls)
    ]


def _event(head: Head, suite: Suite, unit: Unit, calls: Mapping[str, Call]) -> Sequence[Evaluation]:
    golden = suite.prompts[unit.prompt]
    outcome = outcome_of(golden, unit, calls)
    if outcome is None:
        return ()
    answer = calls[ANSWER]
    name = f"{head.file}/{unit.target}/{unit.run}/{unit.prompt}"
    return (
        Evaluation(
            id=hashlib.sha256(name.encode()).hexdigest()[:32],
            at_ms=answer.at_ms,
            suite=head.suite,
            content=head.content,
            backend=answer.backend or unit.target,
            model=unit.target,
            task=str(golden.task),
            prompt=golden.name,
            run=unit.run,
            score=outcome.score,
            missing=outcome.missing.value if outcome.missing else "",
            latency_us=round(answer.latency_ms * 1000),
            input_tokens=sum(call.input_tokens for call in calls.values()),
            output_tokens=sum(call.output_tokens for call in calls.values()),
            cost_nano=sum(call.cost_nano for call in calls.values()),
            currency=answer.currency,
            reported_model=answer.model,
            fingerprint=answer.fingerprint,
        ),
    )
