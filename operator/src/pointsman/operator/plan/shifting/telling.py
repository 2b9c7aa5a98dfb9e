"""What status says of a shift: how far, since when, and what it waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.shifting.deciding import DEADLINE_S, Targets
from pointsman.operator.plan.shifting.record import Shift
from pointsman.operator.plan.shifting.weights import between, fractions

MOST: Final = 64
"""Weights that a status shows."""
HELP: Final = (
    f"nothing moved for {DEADLINE_S / 60:g} min: mend what keeps its servers from starting (its "
    "ModelBackend says it), lower its maxReplicas to what can run, or take the edit back"
)


@dataclass(frozen=True, slots=True)
class Moving:
    """A policy whose weights are on their way. `waits`: (backend, its ready replicas)."""

    shift: Shift
    wanted: Targets
    waits: Sequence[tuple[str, int]]
    silent: bool
    overdue: bool

    def condition(self) -> Condition:
        """Progressing while it may go on by itself; False where a person is needed."""
        shift, waits = self.shift, "waits to be told every router's load"
        if not self.silent:
            found = [
                f"{name} has {ready} of {max(ready + 1, shift.floors.get(name, 0))} replicas ready"
                for name, ready in self.waits
            ]
            waits = "; ".join(found) or "the next step is on its way"
        said = f"{shift.share} % of the way to the weights of {shift.revision}: {waits}"
        if self.overdue:
            said, reason = f"{said}; {HELP}", Reason.DEADLINE_EXCEEDED
        else:
            reason = Reason.WAITING_FOR_CAPACITY
        kind = ConditionType.PROGRESSING
        return Condition(type=kind, status=not self.overdue, reason=reason, message=said)

    def fields(self) -> dict[str, Any]:
        """`status.shift`; percentages are rounded."""
        shift = self.shift
        since = datetime.fromtimestamp(shift.since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        weights = _weights(shift, self.wanted)[:MOST]
        return {"percent": shift.share, "startTime": since, "weights": weights}


def settled(revision: str) -> Condition:
    """Progressing of a policy whose weights do not move."""
    said = f"the weights of {revision} are in force"
    kind = ConditionType.PROGRESSING
    return Condition(type=kind, status=False, reason=Reason.WEIGHTS_IN_FORCE, message=said)


def _weights(shift: Shift, wanted: Targets) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for rule, targets in shift.before.items():
        before, after = fractions(targets), fractions(wanted.get(rule, ()))
        for backend, part in between(before, after, shift.share).items():
            desired = round(100 * after.get(backend, 0.0))
            in_force = round(100 * part)
            weight = {"rule": rule, "backend": backend, "desired": desired, "inForce": in_force}
            found.append(weight)
    return found
