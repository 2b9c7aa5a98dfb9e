"""One look at a rollout: go on, wait, ask a person, promote or go back.

| seen, the first that holds                              | decided                               |
|---------------------------------------------------------|---------------------------------------|
| it has ended                                            | nothing                               |
| the spec is another revision                            | Superseded; the stable one stays      |
| the spec is the stable revision again                   | Aborted (Withdrawn)                   |
| somebody said abort                                     | Aborted (AbortRequested)              |
| a guardrail fails, also while it is paused              | Aborted (GuardrailFailed)             |
| somebody said pause                                     | stays                                 |
| somebody said skip the analysis                         | Promoted (AnalysisSkipped)            |
| recent requests are to be replayed, and are not yet     | stays, without traffic                |
| the replay fails (replaying.py)                         | Aborted (ReplayFailed)                |
| it has not begun, and it is not its turn                | Waiting                               |
| it has not begun, and replicas for it are not ready     | stays; after the deadline it pauses   |
| routers do not all have the weights of the step         | stays; its clock has not begun        |
| it is still answering unseen (shadowing.py)             | stays, pauses, or begins its steps    |
| the step is not over: too short, too few requests       | stays                                 |
| it refuses more than the stable one                     | stays                                 |
| after its deadline golden prompts fail (probing.py)     | Aborted (ProbesFailed)                |
| they are not answered yet                               | stays; after the deadline it pauses   |
| they cannot tell, or requests point the other way       | pauses                                |
| the step waits for an approval that nobody gave for it  | AwaitingApproval                      |
| replicas for the next step are not ready                | stays; after the deadline it pauses   |
| it is not the last step                                 | the next one                          |
| all guardrails pass                                     | Promoted (AnalysisPassed)             |
| otherwise, before the deadline                          | stays                                 |
| golden prompts pass                                     | Promoted (ProbesPassed)               |

An approval is for one revision in one step: a new edit makes it stale. Nothing that was decided
here is undone by looking again: the same arguments give the same answer.
"""

from collections.abc import Sequence

import msgspec

from pointsman.operator.plan.rollout import shadowing
from pointsman.operator.plan.rollout.guarding import (
    Finding,
    Verdict,
    is_about_quality,
    judged,
    points_against,
    refusals_of,
    together,
)
from pointsman.operator.plan.rollout.probing import Probed
from pointsman.operator.plan.rollout.replaying import gate
from pointsman.operator.plan.rollout.shadowing import Shadow
from pointsman.operator.plan.rollout.state import (
    WANTS_REPLICAS,
    Approval,
    Orders,
    Phase,
    Plan,
    Reason,
    Rollout,
    Scene,
    Step,
)


def weight_percent(rollout: Rollout, plan: Plan) -> int:
    """Of the conversations that go to the candidate now."""
    if rollout.phase is Phase.PROMOTED:
        return 100
    waits = rollout.held or shadow_of(rollout, plan) or is_replayed_first(rollout, plan)
    if rollout.ended or waits:
        return 0
    return plan.steps[min(rollout.step, len(plan.steps) - 1)].weight_percent


def shadow_of(rollout: Rollout, plan: Plan) -> Shadow | None:
    """How it answers unseen now; None if it does not."""
    waits = rollout.ended or rollout.held or is_replayed_first(rollout, plan)
    return plan.shadow if rollout.in_shadow and not waits else None


def is_replayed_first(rollout: Rollout, plan: Plan) -> bool:
    """Whether it waits for its replay; until then it gets no traffic."""
    return plan.replay is not None and rollout.replayed is None and not rollout.ended


def next_percent(rollout: Rollout, plan: Plan) -> int | None:
    """The weight after this one, or a shadow's larger part; None: promotion, or not decided."""
    number = rollout.step if rollout.held else rollout.step + 1
    open_ = is_replayed_first(rollout, plan) or shadow_of(rollout, plan) is not None
    over = rollout.ended or number >= len(plan.steps) or open_
    if over:
        return None
    unseen = plan.shadow.percent if plan.shadow and rollout.in_shadow else 0
    return max(unseen, plan.steps[number].weight_percent)


def load_percent(rollout: Rollout, plan: Plan) -> int:
    """Of the load that the candidate's backends have to bear now; a shadow is as its first step."""
    shadow = shadow_of(rollout, plan)
    if shadow is not None:
        return max(shadow.percent, plan.steps[0].weight_percent)
    return weight_percent(rollout, plan)


def advance(rollout: Rollout, plan: Plan, scene: Scene, *, now_s: float) -> Rollout:
    """One look; the table above. Equal arguments give an equal answer."""
    if rollout.ended:
        return rollout
    if called_off := _called_off(rollout, scene):
        return called_off
    found = judged((*rollout.earlier, scene.counted), plan.limits, bounds_s=scene.bounds_s)
    shadowed = scene.shadowed if rollout.in_shadow else rollout.shadowed
    rollout = msgspec.structs.replace(rollout, findings=found, shadowed=shadowed)
    if ordered := _failed(rollout) or _ordered(rollout, scene.orders):
        return ordered
    if early := _replay(rollout, plan, scene, now_s) or _not_begun(rollout, plan, scene, now_s):
        return early
    if not scene.verified:
        return _lagging(rollout)
    if rollout.step_began_s is None:
        rollout = msgspec.structs.replace(rollout, step_began_s=now_s)
    how = _unseen if shadow_of(rollout, plan) else _at_step
    return how(rollout, plan, scene, now_s)


def _called_off(rollout: Rollout, scene: Scene) -> Rollout | None:
    """By the spec or by a person."""
    if scene.wanted == rollout.stable:
        return _to(rollout, Phase.ABORTED, "Withdrawn", "the spec is the stable one again")
    if scene.wanted != rollout.candidate:
        return _to(rollout, Phase.SUPERSEDED, "NewRevision", f"by revision {scene.wanted}")
    if scene.orders.abort == rollout.candidate:
        return _to(rollout, Phase.ABORTED, "AbortRequested", "somebody said so")
    return None


def _failed(rollout: Rollout) -> Rollout | None:
    failed = [finding for finding in rollout.findings if finding.verdict is Verdict.FAIL]
    if not failed:
        return None
    why = "; ".join(f"{finding.guardrail}: {finding.message}" for finding in failed)
    return _to(rollout, Phase.ABORTED, "GuardrailFailed", why)


def _ordered(rollout: Rollout, orders: Orders) -> Rollout | None:
    if orders.paused:
        rollout = msgspec.structs.replace(rollout, short_since_s=None)
        return _to(rollout, Phase.PAUSED, "PauseRequested", "somebody said so")
    if orders.promote == rollout.candidate:
        return _to(rollout, Phase.PROMOTED, "AnalysisSkipped", "somebody said so")
    return None


def _replay(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> Rollout | None:
    """None where it is over, or none is asked for; it waits for its turn only afterwards."""
    if plan.replay is None or rollout.replayed is not None:
        return None
    found = gate(scene.replayed, plan.replay, waited_s=now_s - rollout.began_s, now_s=now_s)
    if found.replayed is None:
        begun = rollout.phase is Phase.WAITING
        return _to(rollout, Phase.PROGRESSING, "Begun", "") if begun else _going(rollout, "")
    rollout = msgspec.structs.replace(rollout, replayed=found.replayed)
    message = f"replay: {found.replayed.message}"
    phase = Phase.WAITING if rollout.held else Phase.PROGRESSING
    return _to(rollout, Phase.ABORTED if found.aborts else phase, found.reason, message)


def _not_begun(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> Rollout | None:
    """None where it has begun."""
    if not rollout.held:
        return None
    if scene.turn:
        rollout = msgspec.structs.replace(rollout, short_since_s=None)
        return _to(rollout, Phase.WAITING, "WaitingForTurn", scene.turn)
    if scene.short:
        return _short(rollout, plan, scene, now_s)
    begun = msgspec.structs.replace(rollout, held=False, short_since_s=None)
    if rollout.reason not in {"ReplayPassed", "ReplayInconclusive"}:  # just now: so it stays told
        begun = _to(begun, begun.phase, "Begun", "")
    return _to(begun, Phase.PROGRESSING, begun.reason, begun.message)


def _short(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> Rollout:
    """It goes on by itself when they are ready, also after the deadline."""
    since_s = now_s if rollout.short_since_s is None else rollout.short_since_s
    rollout = msgspec.structs.replace(rollout, short_since_s=since_s)
    message = f"before {next_percent(rollout, plan)} %: {scene.short}"
    if now_s - since_s < plan.deadline_s:
        return _to(rollout, Phase.PROGRESSING, "WaitingForCapacity", message)
    return _to(rollout, Phase.PAUSED, "DeadlineExceeded", f"{message}; the time is up")


def _unseen(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> Rollout:
    assert plan.shadow is not None, "seen to before"
    since_s = now_s - (now_s if rollout.step_began_s is None else rollout.step_began_s)
    ruling, message = shadowing.rule(plan.shadow, scene.shadowed, since_s=since_s)
    if ruling != "Passed":
        return _waits(rollout, message, late=ruling == "Late")
    return msgspec.structs.replace(
        rollout,
        phase=Phase.PROGRESSING,
        reason="ShadowPassed",
        message=f"{message}; {plan.steps[0].weight_percent} % of the conversations",
        step_began_s=None,
        earlier=(*rollout.earlier, scene.counted),
        shadowed=msgspec.structs.replace(scene.shadowed, verdict="Passed"),
    )


def is_overdue(rollout: Rollout, plan: Plan, *, now_s: float) -> bool:
    """
    Whether golden prompts may have to say what too few requests did not.

    What waits for them has been overdue; an operator that began since does not know since when.
    """
    since_s = 0.0 if rollout.step_began_s is None else now_s - rollout.step_began_s
    return rollout.reason == "WaitingForProbes" or since_s >= plan.deadline_s


def _at_step(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> Rollout:
    step, last = _step(rollout, plan)
    reason: Reason = "AnalysisPassed" if last else "StepTaken"
    why = f"after {scene.counted.candidate.requests} requests in it"
    if doubt := _doubt(rollout, plan, scene, now_s):
        late, probed = is_overdue(rollout, plan, now_s=now_s), scene.probed
        if not late or probed is None or _is_too_short(rollout, step, now_s):
            return _waits(rollout, doubt, late=late)
        rollout = _with_probes(rollout, probed, now_s)
        if open_ := _unproven(rollout, plan, probed, doubt, now_s):
            return open_
        reason, why = "ProbesPassed", f"{doubt}; {probed.message}"
    who = None
    if step.approval:
        who = _approver(rollout, scene.orders.approvals)
        if who is None:
            message = f"step {rollout.step} of revision {rollout.candidate}"
            return _to(rollout, Phase.AWAITING_APPROVAL, "ApprovalNeeded", message)
    if scene.short and not last:
        return _short(rollout, plan, scene, now_s)
    if who is not None:
        rollout = msgspec.structs.replace(rollout, approved_by=(*rollout.approved_by, who))
    if last:
        return _to(rollout, Phase.PROMOTED, reason, why)
    weight = f"{plan.steps[rollout.step + 1].weight_percent} % of the conversations"
    return msgspec.structs.replace(
        rollout,
        phase=Phase.PROGRESSING,
        reason=reason,
        message=f"{weight}; {why}" if reason == "ProbesPassed" else weight,
        step=rollout.step + 1,
        step_began_s=None,
        short_since_s=None,
        probing_since_s=None,
        earlier=(*rollout.earlier, scene.counted),
    )


def _step(rollout: Rollout, plan: Plan) -> tuple[Step, bool]:
    """The present one, and whether it is the last."""
    last = len(plan.steps) - 1
    return plan.steps[min(rollout.step, last)], rollout.step >= last


def _doubt(rollout: Rollout, plan: Plan, scene: Scene, now_s: float) -> str:
    """What the step still has to see, or what its guardrails are not sure of; empty: nothing."""
    step, last = _step(rollout, plan)
    since_s = now_s - (now_s if rollout.step_began_s is None else rollout.step_began_s)
    seen = scene.counted.candidate.requests
    # What waits for an approval was over; an operator that began since has not counted that.
    over = rollout.phase is Phase.AWAITING_APPROVAL and not last
    if not over and (since_s < step.min_s or seen < step.min_requests):
        # No further than its end: who shows it has news only while it moves on.
        passed_s = min(since_s, step.min_s)
        return f"{seen} of {step.min_requests} requests, {passed_s:.0f} of {step.min_s:.0f} s"
    needed = _needed(rollout, plan)
    if refusals := refusals_of(needed):
        return f"{refusals.guardrail}: {refusals.message}"
    if last and together(needed) is not Verdict.PASS:
        open_ = [one.guardrail for one in needed if one.verdict is not Verdict.PASS]
        return f"not sure of {', '.join(open_) or 'anything'} after {seen} requests"
    return ""


def _needed(rollout: Rollout, plan: Plan) -> list[Finding]:
    """What has to pass for a promotion."""
    return [one for one in rollout.findings if plan.quality_passes or not is_about_quality(one)]


def _is_too_short(rollout: Rollout, step: Step, now_s: float) -> bool:
    """A deadline before the end of its time is no want of requests."""
    since_s = 0.0 if rollout.step_began_s is None else now_s - rollout.step_began_s
    return rollout.reason != "WaitingForProbes" and since_s < step.min_s


def _with_probes(rollout: Rollout, found: Probed, now_s: float) -> Rollout:
    since_s = now_s if rollout.probing_since_s is None else rollout.probing_since_s
    findings = (*rollout.findings, *found.findings)
    return msgspec.structs.replace(rollout, probing_since_s=since_s, findings=findings)


def _unproven(
    rollout: Rollout, plan: Plan, found: Probed, doubt: str, now_s: float
) -> Rollout | None:
    """None where golden prompts have said that it may go on."""
    if found.verdict == "Fail":
        return _to(rollout, Phase.ABORTED, "ProbesFailed", found.message)
    since_s = now_s if rollout.probing_since_s is None else rollout.probing_since_s
    message = f"{doubt}; {found.message}"
    if found.verdict == "Waits" and now_s - since_s < plan.deadline_s:
        return _to(rollout, Phase.PROGRESSING, "WaitingForProbes", message)
    if found.verdict == "Waits":
        message += "; the time is up"
    elif found.verdict == "Pass":
        against = [one.guardrail for one in _needed(rollout, plan) if points_against(one)]
        if not against:
            return None
        message = f"{doubt}; golden prompts pass, but requests look worse: {', '.join(against)}"
    return _to(rollout, Phase.PAUSED, "Inconclusive", message)


def _approver(rollout: Rollout, approvals: Sequence[Approval]) -> str | None:
    for one in approvals:
        if (one.revision, one.step) == (rollout.candidate, rollout.step):
            return one.approver
    return None


def _waits(rollout: Rollout, message: str, *, late: bool) -> Rollout:
    if late:
        return _to(rollout, Phase.PAUSED, "Inconclusive", f"{message}; the time is up")
    return _going(rollout, message)


def _lagging(rollout: Rollout) -> Rollout:
    message = "its routers do not all have the weights of the step yet"
    if rollout.phase is Phase.AWAITING_APPROVAL:
        return _to(rollout, rollout.phase, rollout.reason, message)
    return _going(rollout, message)


def _going(rollout: Rollout, message: str) -> Rollout:
    resumed = rollout.phase is Phase.PAUSED or rollout.reason in WANTS_REPLICAS
    reason: Reason = "Resumed" if resumed else rollout.reason
    return _to(rollout, Phase.PROGRESSING, reason, message)


def _to(rollout: Rollout, phase: Phase, reason: Reason, message: str) -> Rollout:
    return msgspec.structs.replace(rollout, phase=phase, reason=reason, message=message)
