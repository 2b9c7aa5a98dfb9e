"""What a rollout is, what its policy's owner allows, and what is seen of it in one look."""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from pointsman.operator.plan.rollout.guarding import Finding, Limits, Stretch
from pointsman.operator.plan.rollout.probing import Probed, ProbeLimits
from pointsman.operator.plan.rollout.replaying import Replayed, ReplayPlan
from pointsman.operator.plan.rollout.shadowing import Shadow, Shadowed


class Phase(StrEnum):
    """Where a rollout stands."""

    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    AWAITING_APPROVAL = "AwaitingApproval"
    PROMOTED = "Promoted"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"


ENDED: Final = frozenset({Phase.PROMOTED, Phase.ABORTED, Phase.SUPERSEDED})
WANTS_REPLICAS: Final = frozenset({"WaitingForCapacity", "DeadlineExceeded"})
Reason = Literal[
    "Begun", "StepTaken", "AnalysisPassed", "AnalysisSkipped", "Approved", "Withdrawn",
    "AbortRequested", "GuardrailFailed", "PauseRequested", "Resumed", "Inconclusive", "NewRevision",
    "ApprovalNeeded", "WaitingForTurn", "WaitingForCapacity", "DeadlineExceeded", "ReplayPassed",
    "ReplayFailed", "ReplayInconclusive", "ShadowPassed", "WaitingForProbes", "ProbesPassed",
    "ProbesFailed",
]  # fmt: skip


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a rollout."""

    weight_percent: int
    """Of the conversations go to the candidate."""
    min_requests: int = 100
    """That the candidate has to have answered in it."""
    min_s: float = 60.0
    """It lasts so long at least, once all routers have its weights."""
    approval: bool = False
    """It ends only when somebody approves."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner of a policy allows."""

    steps: tuple[Step, ...]
    replay: ReplayPlan | None = None
    """Of recent requests, before the first step."""
    limits: Limits = Limits()
    deadline_s: float = 3600.0
    """Of one step; then it pauses for a person."""
    shadow: Shadow | None = None
    """What happens before the first step; None: nothing."""
    probes: ProbeLimits = ProbeLimits()
    """What golden prompts have to say of a step without traffic."""
    quality_passes: bool = True
    """Whether quality has to pass for a promotion, or only must not fail."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's yes to one step of one revision."""

    revision: str
    step: int
    approver: str
    at_s: float


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What people said, as it stands now; saying it twice changes nothing."""

    paused: bool = False
    abort: str = ""
    """The revision that shall not be rolled out any further."""
    promote: str = ""
    """The revision that needs no more analysis."""
    approvals: tuple[Approval, ...] = ()


class Rollout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that has to be kept of one rollout."""

    stable: str
    candidate: str
    began_s: float
    phase: Phase = Phase.PROGRESSING
    reason: Reason = "Begun"
    message: str = ""
    replayed: Replayed | None = None
    """What the replay said."""
    step: int = 0
    step_began_s: float | None = None
    """When all routers had the weights of the step; None: not yet."""
    earlier: tuple[Stretch, ...] = ()
    """What was counted in the steps before."""
    approved_by: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    shadowed: Shadowed | None = None
    """What its shadow has found; None: it began without one."""
    held: bool = False
    """Nothing goes to the candidate yet."""
    short_since_s: float | None = None
    """Since when replicas for the next weight are waited for."""
    probing_since_s: float | None = None
    """Since when golden prompts have to say what too few requests do not."""

    @property
    def in_shadow(self) -> bool:
        """It answers unseen, or will: its steps have not begun."""
        return self.shadowed is not None and self.shadowed.verdict == "Comparing"

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.phase in ENDED


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is so now."""

    wanted: str
    """The revision that the spec is."""
    verified: bool
    """Whether every router that is there has the weights of the step."""
    counted: Stretch = Stretch()
    """In this step."""
    shadowed: Shadowed = Shadowed()
    orders: Orders = Orders()
    replayed: Replayed | None = None
    """What its replay said, if it is done."""
    bounds_s: tuple[float, ...]
    turn: str = ""
    """Why others come first; empty: it is its turn."""
    probed: Probed | None = None
    """What golden prompts say; None: nobody has asked them."""
    short: str = ""
    """What replicas are missing for the next weight; empty: none."""


def begin(stable: str, candidate: str, *, now_s: float, shadow: bool = False) -> Rollout:
    """The first step of a new revision, or what its plan has before that."""
    shadowed = Shadowed() if shadow else None
    return Rollout(stable=stable, candidate=candidate, began_s=now_s, shadowed=shadowed)


def queued(stable: str, candidate: str, *, now_s: float, shadow: bool = False) -> Rollout:
    """A new revision that gets nothing until it is its turn, and its replicas are ready."""
    rollout = begin(stable, candidate, now_s=now_s, shadow=shadow)
    return msgspec.structs.replace(
        rollout, held=True, phase=Phase.WAITING, reason="WaitingForTurn", message=""
    )
