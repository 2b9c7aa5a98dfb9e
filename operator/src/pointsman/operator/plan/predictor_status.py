"""PURE: what a policy's predictor has learned, for its status.

Guarantees few writes: it changes with a fit or a problem, never with a rating.
"""

from datetime import UTC, datetime
from typing import Any, Final

from pointsman.analysis import Task
from pointsman.analysis.predictor import published
from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.operator.plan.learning import Learning
from pointsman.operator.plan.objects import Json, ObservedPolicy

MOST_BACKENDS: Final = 16


def predictor_of(
    learning: Learning | None, policy: ObservedPolicy, stored: Json
) -> dict[str, Any] | None:
    """`status.predictor`; None where there is none."""
    if learning is None:
        return None
    parsed = policy.parsed
    spec = parsed.spec.predictor if isinstance(parsed, RoutingPolicy) else None
    before = stored.get("predictor") or {}
    known = {str(one.get("name")): one for one in before.get("backends") or ()}
    backends = []
    for name, (family, model) in list(learning.wish.models.items())[:MOST_BACKENDS]:
        samples = learning.samples.get(name, known.get(name, {}).get("samples", 0))
        source = published(family, model, Task.CHAT).source
        backends.append({"name": name, "samples": samples, "prior": source})
    found: dict[str, Any] = {"mode": spec.mode if spec else before.get("mode", "Observe")}
    found["samples"] = sum(one["samples"] for one in backends)
    if learning.learned is not None:
        if learning.fitted_s:
            fitted = datetime.fromtimestamp(learning.fitted_s, UTC)
            found["lastFitTime"] = fitted.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif "lastFitTime" in before:
            found["lastFitTime"] = before["lastFitTime"]
    found["backends"] = backends
    if learning.problem:
        found["message"] = learning.problem
    return found
