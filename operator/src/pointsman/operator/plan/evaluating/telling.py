"""What a backend's status says of its evaluations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.evaluation.suite.summary import ALL, Line
from pointsman.operator.plan.evaluating.record import (
    COMPLETE,
    INTERRUPTED,
    SPEND_CAP,
    UNREACHABLE,
    Record,
    TaskQuality,
    rfc3339,
    stored_fields,
)


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why nothing is run."""

    reason: Reason
    message: str


def no_suite(suite: str) -> Hindrance:
    """There is none of this name."""
    return Hindrance(Reason.SUITE_NOT_FOUND, f"there is no EvaluationSuite {suite}")


def not_ready(suite: str, message: str) -> Hindrance:
    """It is there and cannot be run."""
    return Hindrance(Reason.SUITE_NOT_READY, f"EvaluationSuite {suite}: {message}")


def no_judge(suite: str, model: str) -> Hindrance:
    """Its judge cannot be asked through a router."""
    message = f"no ModelBackend here is the judge of EvaluationSuite {suite}, {model}, or serves it"
    return Hindrance(Reason.JUDGE_NOT_FOUND, message)


def currencies_differ(currency: str, judge: str) -> Hindrance:
    """The cap cannot be held."""
    message = f"spec.evaluation.maxCostPerDay is in {currency}, and the judge {judge} in another"
    return Hindrance(Reason.CURRENCIES_DIFFER, message)


@dataclass(frozen=True, slots=True)
class Evaluating:
    """`fields` of the status, and the condition Evaluated where it is to be evaluated."""

    fields: Mapping[str, Any]
    condition: Condition | None


_REASONS: Final = {
    COMPLETE: Reason.EVALUATION_COMPLETE,
    SPEND_CAP: Reason.SPEND_CAP_REACHED,
    UNREACHABLE: Reason.UNREACHABLE,
    INTERRUPTED: Reason.INTERRUPTED,
}


def evaluating(record: Record, hindrance: Hindrance | None, *, next_ms: int) -> Evaluating:
    """`next_ms` 0: nobody knows, or nothing will be run."""
    fields: dict[str, Any] = {}
    if found := stored_fields(record, next_ms=0 if hindrance else next_ms):
        fields["evaluation"] = found
    if record.quality:
        fields["quality"] = [one.as_status() for one in record.quality]
    return Evaluating(fields, _condition(record, hindrance))


def kept(stored: Mapping[str, Any]) -> Evaluating:
    """What stays as it is of a stored status, while its spec cannot be read."""
    names = ("evaluation", "quality")
    return Evaluating({name: stored[name] for name in names if name in stored}, None)


def remembered(record: Record) -> Evaluating | None:
    """
    What stays of a backend that is not to be evaluated any more: number and money, no quality.

    Who takes the evaluation out and puts it in again gets neither a number twice nor more money.
    """
    fields = stored_fields(record, next_ms=0)
    return Evaluating({"evaluation": fields}, None) if record.run else None


def _condition(record: Record, hindrance: Hindrance | None) -> Condition:
    kind = ConditionType.EVALUATED
    if hindrance is not None:
        return Condition(
            type=kind, status=False, reason=hindrance.reason, message=hindrance.message
        )
    if not record.ended:
        message = "no run of its golden prompts has ended yet"
        return Condition(type=kind, status=None, reason=Reason.NOT_EVALUATED_YET, message=message)
    return Condition(
        type=kind,
        status=record.ended == COMPLETE,
        reason=_REASONS[record.ended],
        message=record.message or record.ended,
    )


def qualities(lines: Iterable[Line], at_ms: int) -> tuple[TaskQuality, ...]:
    """By task, `all` last; a task without any score is left out."""
    scored = [line for line in lines if line.quality is not None]
    found = [_quality(line, line.task, at_ms) for line in scored]
    if len(scored) == 1 and scored[0].task != ALL:
        found.append(_quality(scored[0], ALL, at_ms))
    return tuple(found)


def _quality(line: Line, task: str, at_ms: int) -> TaskQuality:
    quality = line.quality
    assert quality is not None
    return TaskQuality(
        task=task,
        score=f"{quality.value:.3f}",
        low=f"{quality.low:.3f}",
        high=f"{quality.high:.3f}",
        prompts=line.prompts,
        time=rfc3339(at_ms),
    )
