"""What of a suite is drawn from the ledger, as its status says it."""

from dataclasses import dataclass
from typing import Any, Final

from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import CaptureMode, LedgerDraw, RoutingPolicy
from pointsman.api.validation import Invalid
from pointsman.evaluation.suite.content import Drawing
from pointsman.evaluation.suite.drawn import Remembered
from pointsman.operator.plan.evaluating.record import rfc3339
from pointsman.operator.plan.evaluating.telling import Hindrance

KEEPS: Final[frozenset[CaptureMode]] = frozenset(("Sampled", "Full"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A draw that can be run, or why there is none."""

    drawing: Drawing | None = None
    why: Hindrance | None = None
    message: str = ""
    fields: dict[str, Any] | None = None
    """`status.draw`."""


def hindered(reason: Reason, message: str) -> Draw:
    """Nothing is run."""
    return Draw(why=Hindrance(reason, f"spec.ledger: {message}"))


def without_ledger() -> Draw:
    """It is a flag of the operator's."""
    return hindered(Reason.NO_LEDGER, "the operator knows no ledger (--ledger)")


def taken(message: str) -> Draw:
    """The name of its ConfigMap."""
    return hindered(Reason.NAME_CONFLICT, message)


def unreachable(message: str) -> Draw:
    """The ledger, while nothing else is known."""
    return hindered(Reason.LEDGER_UNREACHABLE, message)


def hindrance_of(policy: RoutingPolicy | Invalid | None, name: str) -> Draw | None:
    """Why nothing may be drawn of this policy; None if something may."""
    if not isinstance(policy, RoutingPolicy):
        what = "there is no" if policy is None else "a rule is broken by"
        return hindered(Reason.POLICY_NOT_FOUND, f"{what} RoutingPolicy {name}")
    capture = policy.spec.capture
    if capture is None or capture.mode not in KEEPS:
        mode = "not set" if capture is None else capture.mode
        message = f"RoutingPolicy {name} lets no texts be kept: capture.mode is {mode}"
        return hindered(Reason.TEXTS_NOT_KEPT, message)
    return None


def too_few(spec: LedgerDraw, found: int, candidates: int) -> Draw:
    """For a draw."""
    message = (
        f"{found} requests of RoutingPolicy {spec.policy_ref.name} can be drawn (of {candidates} "
        f"with such feedback and a text), and minimum is {spec.minimum}"
    )
    return hindered(Reason.TOO_FEW_PROMPTS, message)


def drawn(known: Remembered, drawing: Drawing, spec: LedgerDraw, problem: str) -> Draw:
    """In force. `problem`: why it is not known whether more of it has gone."""
    count, left, time = len(known.pins), len(drawing.prompts), rfc3339(known.drawn_ms)
    message = (
        f"of {count} requests of RoutingPolicy {spec.policy_ref.name} that were drawn at {time} "
        f"{left} are left"
    )
    message += f"; {problem}" if problem else ""
    return Draw(
        drawing=drawing, message=message, fields={"time": time, "drawn": count, "left": left}
    )
