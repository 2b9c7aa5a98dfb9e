"""What a trigger of KEDA's asks for, and the queue depth that answers it.

Only of backends with scaling mode External: in mode QueueDepth the operator writes the replicas
itself. What is not known is an error, never 0: KEDA then holds, or takes the trigger's fallback.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pointsman.api.v1alpha1 import ModelBackend, ScalingMode
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.scaling import RouterReport

MOST_TARGET: Final = 1_000_000
"""As `spec.scaling.targetRequests`."""
Code = Literal["INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNAVAILABLE"]
"""gRPC status codes by name."""


class Unanswered(Exception):
    """There is no answer; `code` says whose turn it is to do something about it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Trigger:
    """Metadata of a trigger: which backend, and requests that one replica serves well."""

    backend: str
    target_requests: float

    @property
    def metric(self) -> str:
        """Name of the metric; KEDA puts the trigger's number before it."""
        return f"queue-depth-{self.backend}"


def trigger_of(
    metadata: Mapping[str, str], *, namespace: str, served: str, backends: Backends | None
) -> Trigger:
    """
    The trigger of a ScaledObject in `namespace`; raises Unanswered.

    `served` is the operator's namespace; `backends` None while nothing was read yet.
    """
    if backends is None:
        raise Unanswered("UNAVAILABLE", "the operator has not read its backends yet")
    name = metadata.get("backend", "")
    if not name:
        raise Unanswered("INVALID_ARGUMENT", "metadata.backend: name of a ModelBackend is needed")
    wanted = metadata.get("namespace") or namespace
    if wanted != served:
        message = f'this operator serves namespace "{served}", not "{wanted}"'
        raise Unanswered("INVALID_ARGUMENT", message)
    backend = backends.get(name)
    if backend is None:
        raise Unanswered("NOT_FOUND", f'ModelBackend "{name}" not found')
    scaling = backend.spec.scaling if isinstance(backend, ModelBackend) else None
    if scaling is None or scaling.mode is not ScalingMode.EXTERNAL:
        message = f'ModelBackend "{name}" has not spec.scaling.mode External'
        raise Unanswered("FAILED_PRECONDITION", message)
    return Trigger(name, _target(metadata.get("targetRequests", "")))


def _target(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_TARGET:
        message = "metadata.targetRequests: requests that one replica serves well, a number over 0"
        raise Unanswered("INVALID_ARGUMENT", message)
    return value


def queue_depth(reports: Sequence[RouterReport | None]) -> int:
    """Requests held and in flight at all routers; raises Unanswered if one of them is silent."""
    if not reports:
        raise Unanswered("UNAVAILABLE", "no router is running")
    known = [one for one in reports if one is not None]
    if len(known) < len(reports):
        silent = len(reports) - len(known)
        raise Unanswered("UNAVAILABLE", f"no data from {silent} of {len(reports)} routers")
    return sum(one.held + one.in_flight for one in known)
