"""What is seen of a fleet, and the Protocol of who shows it.

Guarantees that looking costs nothing: it is what was read last, and says how old that is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pointsman.api.orders import Order

Json = Mapping[str, Any]
_NOWHERE = "this ledger was not told where its fleet is (--console-fleet)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One task of a backend whose answers are not what they were; figures as the operator says."""

    task: str
    direction: str
    suspected: bool
    points: str
    low: str
    high: str
    since: str
    evidence: str
    probes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A ModelBackend; None where nobody counts."""

    name: str
    model: str
    kind: str
    """`deployment`, `external` or `service`."""
    ready: str
    """Of its condition Ready: True, False, Unknown; "" while nobody has said."""
    reason: str
    message: str
    replicas: int | None
    ready_replicas: int | None
    queue: int | None
    scaled: str
    """The last change of its replicas, in words."""
    drifted: str
    drift_reason: str
    drift_message: str
    drift: tuple[Drift, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Of a rollout, as the policy's spec says."""

    weight: int
    min_requests: int
    min_duration: str
    approval: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a guardrail says."""

    guardrail: str
    verdict: str
    message: str
    value: float | None
    low: float | None
    high: float | None
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """`status.rollout` of a policy; `verified` None: no router has said it."""

    phase: str
    reason: str
    revision: str
    stable: str
    step: int
    steps: int
    desired: int | None
    verified: int | None
    message: str
    started: str
    replay: str
    """Its verdict; empty without one."""
    replay_message: str
    shadow: str
    shadow_message: str
    findings: tuple[Finding, ...]
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A RoutingPolicy."""

    name: str
    model_names: tuple[str, ...]
    backends: tuple[str, ...]
    """Its spec names, in order."""
    active: str
    ready: str
    reason: str
    message: str
    behind: bool
    """The operator has not seen the last edit yet."""
    paused: bool
    replayed_first: bool
    shadowed_first: bool
    steps: tuple[Step, ...]
    rollout: Rollout | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A policy's spec at some time."""

    name: str
    policy: str
    created: str
    replay: str
    """What the replay of recent requests said; empty without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of it. `problem`: why this may be old, in words; empty if it is of now."""

    backends: tuple[Backend, ...] = ()
    policies: tuple[Policy, ...] = ()
    revisions: tuple[Revision, ...] = ()
    problem: str = ""

    def policy(self, name: str) -> Policy | None:
        """By name."""
        return next((one for one in self.policies if one.name == name), None)


class Away(Exception):
    """Whoever shows the fleet does not answer, or does not let us; the text says which."""


class Fleet(Protocol):
    """`seen` is from memory; `annotate` goes to the source."""

    writable: bool
    """Whether orders may be given here at all."""

    def seen(self) -> Seen:
        """What was read last."""

    def away(self) -> str:
        """Why no order can be given now; "" if one can, or if there is no fleet."""

    async def annotate(self, policy: str, decide: Callable[[Json], Order]) -> None:
        """
        Write what `decide` says of the policy as it is at that moment, and of no other.

        Raises Away, and what `decide` raises.
        """

    async def run(self) -> None:
        """Read again and again, until cancelled."""


class NoFleet:
    """A ledger that was not told where its fleet is."""

    writable = False

    def seen(self) -> Seen:
        """Nothing."""
        return Seen(problem=_NOWHERE)

    def away(self) -> str:
        """Nothing is away that is not there."""
        return ""

    async def annotate(self, policy: str, decide: Callable[[Json], Order]) -> None:  # noqa: ARG002
        """Raises Away."""
        raise Away(_NOWHERE)

    async def run(self) -> None:
        """Nothing to read."""
