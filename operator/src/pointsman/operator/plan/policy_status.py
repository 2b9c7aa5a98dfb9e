"""Status of a RoutingPolicy; `Programmed` follows from what routers acknowledged, nothing else.

Ready needs Accepted, ResolvedRefs, TestsPassed (where there are tests) and Programmed all true and
no weight or rollout on its way, so it is never ahead of the traffic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api import table
from pointsman.api.conditions import Condition, ConditionType, Reason, stamp
from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.operator.plan.budget_status import budgets_of
from pointsman.operator.plan.learning import Learning
from pointsman.operator.plan.objects import Json
from pointsman.operator.plan.predictor_status import predictor_of
from pointsman.operator.plan.reevaluating.telling import Told
from pointsman.operator.plan.rollout.telling import Rolling
from pointsman.operator.plan.shifting import Moving, settled
from pointsman.operator.plan.table import Verdict

MAX_LAGGARDS: Final = 16
WAITING: Final = frozenset(
    {
        Reason.BACKEND_NOT_FOUND,
        Reason.BACKEND_INVALID,
        Reason.PROGRESSING,
        Reason.AWAITING_ROUTERS,
        Reason.NO_ROUTERS,
        Reason.WAITING_FOR_CAPACITY,
        Reason.WAITING_FOR_PROBES,
        Reason.ROLLOUT_IN_PROGRESS,
        Reason.ROLLOUT_PAUSED,
        Reason.AWAITING_APPROVAL,
    }
)
"""Reasons that go away without an edit of the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterView:
    """What is known of one router pod; `silent` means no line of its stream for too long."""

    pod: str
    silent: bool = False
    pending: bool = False
    """Dialed just now: it has neither answered nor failed to."""
    acks: Mapping[str, table.Ack] = field(default_factory=dict)
    position: tuple[int, int] = (0, 0)
    """(epoch, serial) of the manifest that the acks speak of."""
    unreachable: frozenset[str] = frozenset()
    """Backends in its table that it knows no endpoint of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laggard:
    pod: str
    revision: str
    error: str
    refused: bool

    def as_status(self) -> dict[str, str]:
        whole = {"pod": self.pod, "revision": self.revision, "error": self.error[:32768]}
        return {key: value for key, value in whole.items() if value}


def _laggard(
    router: RouterView, entry: table.PolicyEntry, since: tuple[int, int]
) -> _Laggard | None:
    if router.silent:
        return _Laggard(pod=router.pod, revision="", error="no data", refused=False)
    ack = router.acks.get(entry.name)
    if ack is None or router.position < since:
        # An ack of the same blob from before the policy was taken out and put in again is none.
        return _Laggard(pod=router.pod, revision="", error="", refused=False)
    if ack.blob == entry.blob:
        return None
    refused = ack.refused_blob == entry.blob
    return _Laggard(
        pod=router.pod,
        revision=ack.revision,
        error=ack.error if refused else "",
        refused=refused,
    )


def _programmed(
    entry: table.PolicyEntry | None, routers: Sequence[RouterView], laggards: Sequence[_Laggard]
) -> Condition:
    kind = ConditionType.PROGRAMMED
    if entry is None:
        message = "no revision was ever accepted"
        return Condition(type=kind, status=False, reason=Reason.NOT_ACCEPTED, message=message)
    if not routers:
        return Condition(
            type=kind, status=False, reason=Reason.NO_ROUTERS, message="no router is running"
        )
    done = f"{len(routers) - len(laggards)} of {len(routers)} routers run {entry.revision}"
    refused = next((one for one in laggards if one.refused), None)
    if refused:
        message = f"{done}; {refused.pod}: {refused.error}"
        return Condition(type=kind, status=False, reason=Reason.ROUTER_REFUSED, message=message)
    if laggards:
        return Condition(type=kind, status=False, reason=Reason.AWAITING_ROUTERS, message=done)
    warned = next(
        ((r.pod, r.acks[entry.name].error) for r in routers if r.acks[entry.name].error), None
    )
    if warned:
        message = f"{done}; {warned[0]}: {warned[1]}"
        return Condition(type=kind, status=True, reason=Reason.KEY_MISSING, message=message)
    return Condition(type=kind, status=True, reason=Reason.PROGRAMMED, message=done)


def _hindered(hindrance: str) -> Condition:
    return Condition(
        type=ConditionType.PROGRAMMED,
        status=False,
        reason=Reason.PROGRESSING,
        message=f"cannot be stored yet: {hindrance}",
    )


def _ready(
    needed: Sequence[Condition], programmed: Condition, moving: Condition | None
) -> Condition:
    broken = next((c for c in (*needed, programmed) if not c.status), moving)
    if broken is None:
        return Condition(
            type=ConditionType.READY, status=True, reason=Reason.READY, message=programmed.message
        )
    return Condition(
        type=ConditionType.READY, status=False, reason=broken.reason, message=broken.message
    )


def _judged(verdict: Verdict) -> tuple[Condition, ...]:
    found = (verdict.accepted, verdict.resolved_refs, verdict.tests)
    return tuple(condition for condition in found if condition)


def _progressing(
    entry: table.PolicyEntry, moving: Moving | None, rolling: Rolling | None
) -> Condition:
    on = rolling.progressing() if rolling else None
    return on or (moving.condition() if moving else settled(entry.revision))


def _yet_to_say(router: RouterView, entry: table.PolicyEntry, since: tuple[int, int]) -> bool:
    """It was dialed just now, or runs what is wanted and has not seen the new leader's manifest."""
    ack = router.acks.get(entry.name)
    same = ack is not None and ack.blob == entry.blob and not router.silent
    return router.pending or (same and router.position < since)


def _neutral(verdict: Verdict) -> tuple[Condition, ...]:
    return (verdict.vetted,) if verdict.vetted else ()


def premature(
    verdict: Verdict,
    routers: Sequence[RouterView],
    *,
    stored: Json,
    since: tuple[int, int] = (0, 0),
    moving: Moving | None = None,
    rolling: Rolling | None = None,
    drift: Told | None = None,
) -> bool:
    """
    True if a status would only say that we have not been answered yet.

    Otherwise every start of an operator would take Programmed away and give it back. What is
    stored must be about this generation and this revision, and nothing else may be news.
    """
    entry = verdict.entry
    if (
        entry is None
        or stored.get("observedGeneration") != verdict.policy.generation
        or stored.get("activeRevision") != entry.revision
        or not _says(stored, *_judged(verdict), *_neutral(verdict), *_of_drift(drift))
        or not _says(stored, _progressing(entry, moving, rolling), message=rolling is None)
    ):
        return False
    silent = [router for router in routers if _yet_to_say(router, entry, since)]
    others = [router for router in routers if router not in silent]
    return bool(silent) and not any(_laggard(router, entry, since) for router in others)


def _of_drift(drift: Told | None) -> tuple[Condition, ...]:
    return (drift.condition,) if drift and drift.condition else ()


def _says(stored: Json, *conditions: Condition, message: bool = True) -> bool:
    """Counts in the message of a rollout are no news."""
    keys = ("status", "reason", "message") if message else ("status", "reason")
    wanted = {str(c["type"]): c for c in stamp(conditions, (), generation=0, now="")}
    found = {str(c.get("type")): c for c in stored.get("conditions") or ()}
    return all(
        found.get(kind, {}).get(key) == condition[key]
        for kind, condition in wanted.items()
        for key in keys
    )


def policy_status(
    verdict: Verdict,
    routers: Sequence[RouterView],
    *,
    stored: Json,
    now: str,
    since: tuple[int, int] = (0, 0),
    hindrance: str = "",
    moving: Moving | None = None,
    rolling: Rolling | None = None,
    budgets: Sequence[table.BudgetUse] = (),
    learning: Learning | None = None,
    drift: Told | None = None,
) -> dict[str, Any]:
    """
    The whole `status`; `routers` are all router pods that are there, `now` is RFC 3339.

    `hindrance` says why what was decided could not be stored; then the verdict's entry is the one
    that stays in force.

    `since` is the (epoch, serial) of the manifest that first held the verdict's entry; what
    routers said of an earlier one does not count. `moving`: its weights are on their way.
    `rolling`: it has a candidate, or had one.
    `budgets`: what routers said of them. `learning`: how its predictor stands. `drift`: what its
    models are found to be, and what was made of it.
    """
    entry, generation = verdict.entry, verdict.policy.generation
    found = [_laggard(router, entry, since) for router in routers] if entry else []
    laggards = [one for one in found if one]
    programmed = _hindered(hindrance) if hindrance else _programmed(entry, routers, laggards)
    on = rolling.progressing() if rolling else None
    waits = on or (moving.condition() if moving else None)
    judged = _judged(verdict)
    ready = _ready(judged, programmed, waits)
    wanted = [ready, *judged, programmed, *_neutral(verdict)]
    if entry:
        wanted.append(_progressing(entry, moving, rolling))
    if rolling:
        wanted += rolling.outcome()
    wanted += _of_drift(drift)
    if not ready.status:
        resumes = ready.reason in WAITING
        kind = ConditionType.RECONCILING if resumes else ConditionType.STALLED
        wanted.append(Condition(type=kind, status=True, reason=ready.reason, message=ready.message))
    total = len(routers)
    count = total - len(laggards) if entry else 0
    shown = sorted(laggards, key=lambda one: (not one.refused, one.pod))[:MAX_LAGGARDS]
    status: dict[str, Any] = {"observedGeneration": generation}
    if entry:
        status["activeRevision"] = entry.revision
    status["routers"] = {"summary": f"{count}/{total}", "programmed": count, "total": total}
    if shown:
        status["routers"]["laggards"] = [one.as_status() for one in shown]
    if moving:
        status["shift"] = moving.fields()
    if rolling:
        status["rollout"] = rolling.fields()
        trying = entry.candidate.revision if entry and entry.candidate else rolling.trying
        if trying:
            status["candidateRevision"] = trying
    spec = verdict.policy.parsed
    named = spec.spec.budgets if isinstance(spec, RoutingPolicy) else None
    if used := budgets_of(budgets, named, stored):
        status["budgets"] = used
    if predictor := predictor_of(learning, verdict.policy, stored):
        status["predictor"] = predictor
    if drift and drift.learned:
        status["learned"] = dict(drift.learned)
    status["conditions"] = stamp(
        wanted, stored.get("conditions") or (), generation=generation, now=now
    )
    return status
