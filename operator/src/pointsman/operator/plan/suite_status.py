"""Status of an EvaluationSuite: whether each prompt and each check of it can be used."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.api.conditions import Condition, ConditionType, Reason, stamp
from pointsman.api.v1alpha1 import EvaluationSuite
from pointsman.api.validation import Invalid, Problem
from pointsman.evaluation.suite.content import Drawing, Suite, compile_suite
from pointsman.operator.plan.evaluating.drawing import Draw
from pointsman.operator.plan.objects import Json, meta

WAITING: Final = frozenset(
    {
        Reason.CONFIG_MAP_NOT_FOUND,
        Reason.LEDGER_UNREACHABLE,
        Reason.POLICY_NOT_FOUND,
        Reason.TOO_FEW_PROMPTS,
    }
)
"""Reasons that go away without an edit of the suite."""

Verdict = Suite | tuple[Problem, ...]


def source_of(suite: EvaluationSuite | Invalid) -> str:
    """What the key of its ConfigMap is called; empty without one."""
    reference = None if isinstance(suite, Invalid) else suite.spec.config_map_ref
    return f"ConfigMap {reference.name}, key {reference.key}" if reference else ""


def lines_of(suite: EvaluationSuite | Invalid, config_map: Json | None) -> str | None:
    """The text of that key; None if the suite refers to none, or it is not there."""
    reference = None if isinstance(suite, Invalid) else suite.spec.config_map_ref
    if reference is None or config_map is None:
        return None
    text = (config_map.get("data") or {}).get(reference.key)
    return text if isinstance(text, str) else None


def judge(
    suite: EvaluationSuite | Invalid, lines: str | None, drawing: Drawing | None = None
) -> Verdict:
    """The suite as it can be run, or every problem. It may take tenths of a second."""
    if isinstance(suite, Invalid):
        return suite.problems
    return compile_suite(suite.spec, lines, source_of(suite), drawing)


def suite_status(
    item: Json,
    suite: EvaluationSuite | Invalid,
    lines: str | None,
    verdict: Verdict,
    draw: Draw | None = None,
    *,
    now: str,
) -> dict[str, Any]:
    """The whole `status`; `now` is RFC 3339."""
    source = source_of(suite)
    resolved = _resolved(source, draw, found=lines is not None)
    accepted = _accepted(verdict, resolved)
    ready = next((one for one in (accepted, resolved) if not one.status), None)
    wanted = [_ready(ready, verdict), accepted, resolved]
    if ready is not None:
        # What is wrong in itself stays wrong when the ConfigMap comes.
        waits = ready.reason in WAITING
        kind = ConditionType.RECONCILING if waits else ConditionType.STALLED
        wanted.append(Condition(type=kind, status=True, reason=ready.reason, message=ready.message))
    generation = int(meta(item).get("generation") or 1)
    stored: Mapping[str, Any] = item.get("status") or {}
    status: dict[str, Any] = {"observedGeneration": generation}
    if ready is None and isinstance(verdict, Suite):
        status |= {"prompts": len(verdict.prompts), "contentHash": verdict.content}
    if draw is not None and draw.fields:
        status["draw"] = draw.fields
    status["conditions"] = stamp(
        wanted, stored.get("conditions") or (), generation=generation, now=now
    )
    return status


def _resolved(source: str, draw: Draw | None, *, found: bool) -> Condition:
    kind = ConditionType.RESOLVED_REFS
    if source and not found:
        reason = Reason.CONFIG_MAP_NOT_FOUND
        message = f"spec.configMapRef: there is no {source}"
        return Condition(type=kind, status=False, reason=reason, message=message)
    if draw is not None and draw.why is not None:
        return Condition(type=kind, status=False, reason=draw.why.reason, message=draw.why.message)
    there = [f"{source} is there"] if source else []
    message = "; ".join([*there, *([draw.message] if draw else [])]) or "it refers to nothing"
    return Condition(type=kind, status=True, reason=Reason.RESOLVED_REFS, message=message)


def _accepted(verdict: Verdict, resolved: Condition) -> Condition:
    kind = ConditionType.ACCEPTED
    if not isinstance(verdict, Suite):
        large = any(problem.reason is Reason.TOO_LARGE for problem in verdict)
        reason = Reason.TOO_LARGE if large else Reason.INVALID
        message = "; ".join(map(str, verdict))
        return Condition(type=kind, status=False, reason=reason, message=message)
    if not resolved.status:
        return Condition(type=kind, status=None, reason=resolved.reason, message=resolved.message)
    count = len(verdict.prompts)
    message = f"{count} {'prompt' if count == 1 else 'prompts'} can be used"
    return Condition(type=kind, status=True, reason=Reason.ACCEPTED, message=message)


def _ready(broken: Condition | None, verdict: Verdict) -> Condition:
    kind = ConditionType.READY
    if broken is not None:
        return Condition(type=kind, status=False, reason=broken.reason, message=broken.message)
    content = verdict.content if isinstance(verdict, Suite) else ""
    message = f"it can be run; its content is {content}"
    return Condition(type=kind, status=True, reason=Reason.READY, message=message)
