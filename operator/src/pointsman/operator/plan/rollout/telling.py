"""What status says of a rollout: conditions, how far, and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.rollout.deciding import is_replayed_first
from pointsman.operator.plan.rollout.guarding import Finding, Verdict
from pointsman.operator.plan.rollout.record import MOST_KEPT
from pointsman.operator.plan.rollout.replaying import Replayed
from pointsman.operator.plan.rollout.shadowing import Shadowed
from pointsman.operator.plan.rollout.state import Phase, Plan, Rollout

_REASONS: Final[Mapping[Phase, Reason]] = {
    Phase.WAITING: Reason.ROLLOUT_IN_PROGRESS,
    Phase.PROGRESSING: Reason.ROLLOUT_IN_PROGRESS,
    Phase.PAUSED: Reason.ROLLOUT_PAUSED,
    Phase.AWAITING_APPROVAL: Reason.AWAITING_APPROVAL,
    Phase.ABORTED: Reason.ROLLED_BACK,
}
_OF_REASONS: Final[Mapping[str, Reason]] = {
    "Inconclusive": Reason.INCONCLUSIVE,
    "WaitingForCapacity": Reason.WAITING_FOR_CAPACITY,
    "DeadlineExceeded": Reason.DEADLINE_EXCEEDED,
    "WaitingForProbes": Reason.WAITING_FOR_PROBES,
}
"""They say more than the phase."""
_NEEDS_SOMEBODY: Final = frozenset({Reason.INCONCLUSIVE, Reason.DEADLINE_EXCEEDED})
_ENDED: Final[Mapping[str, Reason]] = {
    "AnalysisPassed": Reason.ANALYSIS_PASSED,
    "AnalysisSkipped": Reason.ANALYSIS_SKIPPED,
    "GuardrailFailed": Reason.GUARDRAIL_FAILED,
    "ProbesPassed": Reason.PROBES_PASSED,
    "ProbesFailed": Reason.PROBES_FAILED,
    "ReplayFailed": Reason.REPLAY_FAILED,
    "ReplayInconclusive": Reason.REPLAY_INCONCLUSIVE,
    "AbortRequested": Reason.ABORT_REQUESTED,
}
"""Others leave no rollout behind."""
MOST_NAMES: Final = 16
"""Approvers, and findings, that a status shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """A policy's rollout; `rollout` None: it waits for its turn."""

    candidate: str
    rollout: Rollout | None
    plan: Plan | None
    desired: int = 0
    """Percent of the conversations that routers are told to send to the candidate."""
    verified: int = 0
    """The least that any router said it sends."""
    problems: tuple[str, ...] = ()

    @property
    def trying(self) -> str:
        """The revision that is being rolled out, or waits to be; empty: none."""
        return self.rollout.candidate if self.rollout and not self.rollout.ended else ""

    @property
    def promoted(self) -> bool:
        """The candidate is what is in force."""
        return self.rollout is not None and self.rollout.phase is Phase.PROMOTED

    def progressing(self) -> Condition | None:
        """None where it is promoted: then its weights say how it goes on."""
        rollout, kind = self.rollout, ConditionType.PROGRESSING
        if self.promoted:
            return None
        if rollout is None:
            message = f"{self.candidate} waits: {MOST_KEPT} other rollouts come first"
            reason = Reason.ROLLOUT_IN_PROGRESS
            return Condition(type=kind, status=True, reason=reason, message=message)
        reason = _OF_REASONS.get(rollout.reason, _REASONS[rollout.phase])
        going = not rollout.ended and reason not in _NEEDS_SOMEBODY
        return Condition(type=kind, status=going, reason=reason, message=self._message(rollout))

    def outcome(self) -> list[Condition]:
        """AwaitingApproval, Promoted and RolledBack."""
        rollout = self.rollout
        if rollout is None:
            return []
        message = self._message(rollout)
        awaits = rollout.phase is Phase.AWAITING_APPROVAL
        aborted = rollout.phase is Phase.ABORTED
        ended = _ENDED[rollout.reason] if rollout.ended else Reason.ROLLOUT_IN_PROGRESS
        asked = Reason.AWAITING_APPROVAL if awaits else ended
        return [
            Condition(type=kind, status=status, reason=reason, message=message)
            for kind, status, reason in (
                (ConditionType.AWAITING_APPROVAL, awaits, asked),
                (ConditionType.PROMOTED, self.promoted, ended),
                (ConditionType.ROLLED_BACK, aborted, ended),
            )
        ]

    def fields(self) -> dict[str, Any]:
        """`status.rollout`."""
        rollout = self.rollout
        if rollout is None:
            return {"phase": "Waiting"}
        found: dict[str, Any] = {
            "phase": str(rollout.phase),
            "reason": rollout.reason,
            "revision": rollout.candidate,
            "stable": rollout.stable,
            "step": rollout.step,
            "steps": len(self.plan.steps) if self.plan else rollout.step + 1,
            "weights": {"desired": self.desired, "verified": self.verified},
            "message": self._message(rollout),
            "startTime": _time(rollout.began_s),
        }
        if rollout.replayed:
            found["replay"] = replay_fields(rollout.replayed)
        if rollout.findings:
            found["findings"] = [_finding(one) for one in rollout.findings[:MOST_NAMES]]
        if rollout.shadowed is not None:
            found["shadow"] = _shadow(rollout, rollout.shadowed)
        if rollout.approved_by:
            found["approvedBy"] = list(rollout.approved_by[-MOST_NAMES:])
        return found

    def _message(self, rollout: Rollout) -> str:
        if rollout.phase is Phase.PROMOTED:
            said = f"{rollout.candidate} took over from {rollout.stable}: {rollout.reason}"
        elif rollout.phase is Phase.ABORTED:
            said = f"{rollout.candidate} is rolled back to {rollout.stable}: {rollout.reason}"
        elif self.plan and is_replayed_first(rollout, self.plan):
            said = f"recent requests are replayed, none go to {rollout.candidate} yet"
        elif rollout.in_shadow and self.plan is not None and self.plan.shadow is not None:
            part = self.plan.shadow.percent
            said = f"shadow: {rollout.candidate} answers {part} % unseen"
        else:
            of = f" of {len(self.plan.steps)}" if self.plan else ""
            said = f"step {rollout.step + 1}{of}: {self.desired} % go to {rollout.candidate}"
        return "; ".join((f"{said}, {rollout.message}" if rollout.message else said,
                          *self.problems))[:4096]  # fmt: skip


def _shadow(rollout: Rollout, seen: Shadowed) -> dict[str, Any]:
    verdict: str = seen.verdict
    if rollout.in_shadow and rollout.reason == "GuardrailFailed":
        verdict = "Failed"
    elif rollout.in_shadow and rollout.reason == "Inconclusive":
        verdict = "Inconclusive"
    found: dict[str, Any] = {"pairs": seen.pairs, "equal": seen.equal, "verdict": verdict}
    if seen.unjudged:
        found["unjudged"] = seen.unjudged
    if seen.currency:
        found["spent"] = seen.spent
    return found


def _finding(one: Finding) -> dict[str, Any]:
    """Rounded to a tenth: a status is not for machines that reckon."""
    found = {"guardrail": one.guardrail, "verdict": str(one.verdict), "message": one.message}
    numbers = {"value": one.value, "low": one.low, "high": one.high, "limit": one.limit}
    return {**found, **{name: f"{number:.1f}" for name, number in numbers.items()}}


def replay_fields(one: Replayed) -> dict[str, Any]:
    """`status.rollout.replay`, and what is written on the revision."""
    found: dict[str, Any] = {
        "verdict": str(one.verdict),
        "requests": one.requests,
        "unknown": one.unknown,
        "movedPercent": f"{one.moved_percent:.1f}",
        "unroutable": one.unroutable,
        "message": one.message,
        "time": _time(one.at_s),
    }
    if one.cost_percent is not None:
        found["costPercent"] = f"{one.cost_percent:.1f}"
    for name, shares in (("byBackend", one.backends), ("byRule", one.rules)):
        if shares:
            found[name] = [{"name": s.name, "before": s.before, "after": s.after} for s in shares]
    return found


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compared(rollout: Rollout) -> str:
    seen = rollout.shadowed or Shadowed()
    return f"{seen.pairs} pairs, {seen.spent} spent"


class News(NamedTuple):
    """An Event."""

    warning: bool
    reason: str
    note: str


def news_of(before: Rollout | None, now: Rollout | None) -> News | None:
    """What happened between two records; None if nothing did, or nothing to tell."""
    if now is None:
        if before is None or before.ended:
            return None
        return News(False, "RolloutEnded", f"{before.candidate} is not rolled out any further")
    if before is None or (before.began_s, before.candidate) != (now.began_s, now.candidate):
        return _begun(now)
    if before.replayed is None and now.replayed is not None and not now.ended:
        return _of_replay(now, now.replayed)
    return _of_step(before, now)


def _of_replay(now: Rollout, replayed: Replayed) -> News:
    note = f"{now.candidate}: {now.reason} {replayed.message}"
    return News(replayed.verdict is not Verdict.PASS, "RolloutReplayed", note)


def _of_step(before: Rollout, now: Rollout) -> News | None:
    passed = before.in_shadow and not now.in_shadow and not now.ended
    if not passed and (before.phase, before.step) == (now.phase, now.step):
        return _of_probes(before, now)
    if passed:
        said = f"{now.candidate} begins its steps after {_compared(now)}"
        return News(False, "RolloutShadowPassed", said)
    if now.phase is Phase.PROGRESSING and before.step != now.step:
        why = f": {now.reason} {now.message}" if now.reason == "ProbesPassed" else ""
        return News(False, "RolloutStep", f"{now.candidate} is in step {now.step + 1}{why}")
    if asked := _of_probes(before, now):
        return asked
    if now.phase is not Phase.PROGRESSING or before.phase is not Phase.WAITING:
        return _turned(now)
    return None if now.replayed else _begun(now)  # it was told before the replay


def _of_probes(before: Rollout, now: Rollout) -> News | None:
    if now.reason != "WaitingForProbes" or before.reason == now.reason:
        return None
    return News(False, "RolloutProbing", f"{now.candidate}: {now.message}")


def _turned(now: Rollout) -> News:
    bad = now.phase is Phase.ABORTED or now.reason in {"Inconclusive", "DeadlineExceeded"}
    text = f"{now.candidate}: {now.phase} ({now.reason}) {now.message}".strip()
    return News(bad, f"Rollout{now.phase}", text)


def _begun(now: Rollout) -> News:
    if now.phase is Phase.WAITING:
        return News(False, "RolloutWaiting", f"{now.candidate}: {now.message}")
    return News(False, "RolloutBegun", f"{now.candidate} begins beside {now.stable}")
