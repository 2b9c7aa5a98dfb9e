"""What the owner of a policy allows, as the decisions want it."""

from decimal import Decimal

from pointsman.api import table
from pointsman.api import v1alpha1 as api
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import Replay
from pointsman.api.v1alpha1 import Rollout as Spec
from pointsman.operator.plan.rollout.guarding import Limits
from pointsman.operator.plan.rollout.probing import ProbeLimits
from pointsman.operator.plan.rollout.replaying import ReplayPlan
from pointsman.operator.plan.rollout.shadowing import NANO, RUBRIC, Judge, Shadow
from pointsman.operator.plan.rollout.state import Plan, Step

NOT_LOOKED_AT = 100
"""Points of errors or of quality: everything may fail."""


def plan_of(spec: Spec, stable: table.PolicyBlob, candidate: table.PolicyBlob) -> Plan:
    """Steps and limits; costs are compared where there are any, in one currency."""
    last = len(spec.steps) - 1
    allowed = spec.guardrails
    errors = allowed.max_error_points
    cost_percent = float(allowed.max_cost_percent) if _comparable(stable, candidate) else None
    return Plan(
        steps=tuple(
            Step(
                weight_percent=step.weight_percent,
                min_requests=step.min_requests,
                min_s=parse_duration(step.min_duration),
                approval=step.approval or (number == last and spec.approval == "Manual"),
            )
            for number, step in enumerate(spec.steps)
        ),
        limits=Limits(
            errors_points=None if errors >= NOT_LOOKED_AT else float(errors),
            latency_percent=float(allowed.max_latency_percent),
            cost_percent=cost_percent,
            quality_points=_quality(spec),
        ),
        shadow=_shadow(spec.shadow) if spec.shadow else None,
        probes=ProbeLimits(quality_points=_points(spec), cost_percent=cost_percent),
        quality_passes=False,
        deadline_s=parse_duration(spec.step_deadline),
        replay=_replay(spec.replay, cost_percent) if spec.replay else None,
    )


def _replay(spec: Replay, usual: float | None) -> ReplayPlan:
    """`usual`: how much dearer guardrails let it be; None where costs are not compared."""
    own, moved = spec.max_cost_percent, spec.max_moved_percent
    return ReplayPlan(
        requests=spec.requests,
        window_s=parse_duration(spec.window),
        min_requests=spec.min_requests,
        unknown_percent=float(spec.max_unknown_percent),
        unroutable_percent=float(spec.max_unroutable_percent),
        cost_percent=usual if usual is None or own is None else float(own),
        moved_percent=None if moved is None else float(moved),
        needed=spec.on_inconclusive == "Abort",
    )


def _quality(spec: Spec) -> float | None:
    return _points(spec) if spec.shadow is not None else None


def _points(spec: Spec) -> float | None:
    points = spec.guardrails.max_quality_points
    return float(points) if points < NOT_LOOKED_AT else None


def _shadow(spec: api.Shadow) -> Shadow:
    judge = spec.judge
    return Shadow(
        percent=spec.percent,
        min_pairs=spec.min_pairs,
        deadline_s=parse_duration(spec.deadline),
        max_spend_nano=int(Decimal(spec.max_spend) * NANO),
        currency=spec.currency,
        judge=None if judge is None else Judge(
            backend=judge.backend_ref.name,
            rubric=judge.rubric or RUBRIC,
            max_tokens=judge.max_tokens,
        ),
    )  # fmt: skip


def _comparable(stable: table.PolicyBlob, candidate: table.PolicyBlob) -> bool:
    priced = [one for one in candidate.backends.values() if one.prices]
    every = {
        one.currency for blob in (stable, candidate) for one in blob.backends.values() if one.prices
    }
    return bool(priced) and len(every) == 1
