"""PURE: how a policy's new revision takes over: its stages, its verdicts, and what may be ordered.

| stage's state | means                         |
|---------------|-------------------------------|
| done          | it is over                    |
| now           | it is in it                   |
| waits         | in it, and a person is needed |
| failed        | it ended here                 |
| next          | it comes later                |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pointsman.api.orders import ENDED, Action
from pointsman.ledger.console.fleet.seen import Policy, Revision, Rollout, Seen

State = Literal["done", "now", "waits", "failed", "next"]
_NEEDS_PERSON: Final = {"Paused", "AwaitingApproval"}
_BEFORE_STEPS: Final = {"ReplayFailed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of a rollout; `weight` percent of the conversations go to the candidate."""

    name: str
    state: State
    weight: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """An order that can be given now. `grave`: it is asked for once more."""

    action: Action
    label: str
    hint: str
    grave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One policy. `revision` and `step` are what its buttons are about."""

    policy: Policy
    rollout: Rollout | None
    state: str
    """`ok`, `warn`, `bad` or empty."""
    headline: str
    stages: tuple[Stage, ...]
    buttons: tuple[Button, ...]
    revisions: tuple[Revision, ...]
    """The newest first."""


def courses(seen: Seen) -> tuple[Course, ...]:
    """Those that wait for a person first, then those that go on."""
    found = [course(one, seen.revisions) for one in seen.policies]
    return tuple(sorted(found, key=lambda one: (_rank(one), one.policy.name)))


def course(policy: Policy, revisions: Sequence[Revision]) -> Course:
    """Of one policy."""
    rollout = policy.rollout
    mine = tuple(reversed([one for one in revisions if one.policy == policy.name]))
    return Course(
        policy=policy,
        rollout=rollout,
        state=_state(policy),
        headline=_headline(policy),
        stages=_stages(policy, rollout) if rollout and rollout.revision else (),
        buttons=_buttons(policy),
        revisions=mine,
    )


def _rank(one: Course) -> int:
    phase = one.rollout.phase if one.rollout else ""
    if phase in _NEEDS_PERSON:
        return 0
    return 1 if phase and phase not in ENDED else 2 if phase else 3


def _state(policy: Policy) -> str:
    phase = policy.rollout.phase if policy.rollout else ""
    if phase == "Aborted":
        return "bad"
    if phase in _NEEDS_PERSON or policy.ready != "True":
        return "warn"
    return "ok"


def _headline(policy: Policy) -> str:
    if policy.behind:
        return "the operator has not seen the last edit yet"
    if policy.rollout is None:
        return f"revision {policy.active or 'none'} is in force"
    return policy.rollout.message or policy.rollout.phase


def _stages(policy: Policy, rollout: Rollout) -> tuple[Stage, ...]:
    promoted, aborted = rollout.phase == "Promoted", rollout.phase == "Aborted"
    begun = bool(rollout.shadow or rollout.step or rollout.verified or promoted)
    found: list[tuple[str, int, str, bool]] = []
    if policy.replayed_first or rollout.replay:
        found.append(("Replay", 0, rollout.replay or "recent requests", bool(rollout.replay)))
    if policy.shadowed_first or rollout.shadow:
        found.append(("Shadow", 0, rollout.shadow or "unseen answers", rollout.shadow == "Passed"))
    for number, step in enumerate(policy.steps):
        over = promoted or number < rollout.step
        note = f"{step.min_requests:,} requests, {step.min_duration}"
        found.append(
            (f"{step.weight} %", step.weight, note + (", approval" if step.approval else ""), over)
        )
    found.append(("Promoted", 100, "all traffic", promoted))
    if promoted:
        return tuple(
            Stage(name=name, state="done", weight=weight, note=note)
            for name, weight, note, _ in found
        )
    before = len(found) - 1 - len(policy.steps)
    at = _place(rollout, found, before, begun=begun)
    state: State = "failed" if aborted else "waits" if rollout.phase in _NEEDS_PERSON else "now"
    return tuple(
        Stage(
            name=name,
            state="done" if number < at else state if number == at else "next",
            weight=weight,
            note=note,
        )
        for number, (name, weight, note, _) in enumerate(found)
    )


def _place(
    rollout: Rollout, found: Sequence[tuple[str, int, str, bool]], before: int, *, begun: bool
) -> int:
    """Which stage it is in, or ended in."""
    if rollout.reason in _BEFORE_STEPS:
        return 0
    open_ = next((number for number in range(before) if not found[number][3]), before)
    if open_ < before and not (rollout.step or (rollout.desired or 0) > 0):
        return open_
    return (
        min(before + rollout.step, len(found) - 2 if len(found) > 1 else 0)
        if begun or open_ == before
        else open_
    )


def _buttons(policy: Policy) -> tuple[Button, ...]:
    rollout = policy.rollout
    if rollout is None or policy.behind or not rollout.revision:
        return ()
    if rollout.phase == "Aborted":
        hint = "begin once more with this revision, at the first step"
        return (Button(action=Action.RETRY, label="Try again", hint=hint),)
    if rollout.phase in ENDED:
        return ()
    found = []
    if rollout.phase == "AwaitingApproval":
        hint = f"{rollout.revision}, step {rollout.step + 1}: under your name"
        found.append(Button(action=Action.APPROVE, label="Approve", hint=hint))
    if policy.paused:
        found.append(Button(action=Action.RESUME, label="Resume", hint="go on with this step"))
    else:
        found.append(Button(action=Action.PAUSE, label="Pause", hint="stay in this step"))
    promote = "take over now, whatever the guardrails say"
    found.append(Button(action=Action.PROMOTE, label="Promote", hint=promote, grave=True))
    abort = f"go back to {rollout.stable or 'the stable revision'}"
    found.append(Button(action=Action.ABORT, label="Abort", hint=abort, grave=True))
    return tuple(found)
