"""PURE: what people say of a rollout, as annotations on its policy: written here, obeyed by the
operator.

| annotation (pointsman.dev/…) | value                                                       |
|------------------------------|-------------------------------------------------------------|
| rollout-paused               | "true"; it holds while it stands there                      |
| rollout-abort, -promote,     | the candidate's revision; anything behind a space says it   |
| -retry                       | once more                                                   |
| rollout-approve              | {"revision": …, "step": 0, "approver": …, "at": RFC 3339}   |
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from pointsman.api import names

PAUSED: Final = f"{names.GROUP}/rollout-paused"
ABORT: Final = f"{names.GROUP}/rollout-abort"
PROMOTE: Final = f"{names.GROUP}/rollout-promote"
RETRY: Final = f"{names.GROUP}/rollout-retry"
APPROVE: Final = f"{names.GROUP}/rollout-approve"
ENDED: Final = frozenset({"Promoted", "Aborted"})
Json = Mapping[str, Any]
Order = tuple[str, str | None]
"""An annotation and its value; None takes it away."""


class Action(StrEnum):
    """What can be ordered."""

    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"


class Refused(Exception):
    """Why an order is not given."""


def order(
    action: Action,
    policy: Json,
    *,
    now: str,
    approver: str = "",
    revision: str | None = None,
    step: int | None = None,
) -> Order:
    """
    The annotation that gives this order to the policy's rollout, as the policy is now.

    `now`: RFC 3339. `revision` and `step` are what the person looked at; None: whatever is there.
    Raises Refused where there is nothing to order, or it is about something else by now.
    """
    name, found = policy["metadata"]["name"], rollout_of(policy)
    if found is None or is_behind(policy):
        raise Refused(f"{name} has no rollout: {in_force(policy)}")
    phase, candidate, at_step = found.get("phase"), candidate_of(policy), found.get("step", 0)
    if revision not in {None, candidate}:
        raise Refused(f"stale: the candidate is {candidate}, not {revision}")
    if action is Action.RETRY:
        if phase != "Aborted":
            raise Refused(f"only what was rolled back can be tried again; it is {phase}")
        return RETRY, f"{candidate} {now}"
    if phase in ENDED:
        raise Refused(f"it has ended: {found.get('message', phase)}")
    if step not in {None, at_step}:
        raise Refused(f"stale: the rollout is in step {at_step}, not {step}")
    if action is Action.APPROVE:
        said = {"revision": candidate, "step": at_step, "approver": approver, "at": now}
        return APPROVE, msgspec.json.encode(said).decode()
    if action in {Action.PAUSE, Action.RESUME}:
        return PAUSED, "true" if action is Action.PAUSE else None
    return (PROMOTE if action is Action.PROMOTE else ABORT), f"{candidate} {now}"


def rollout_of(policy: Json) -> Json | None:
    """`status.rollout`."""
    found: Json | None = (policy.get("status") or {}).get("rollout")
    return found


def candidate_of(policy: Json) -> str:
    """The revision that its rollout is about, also when that was rolled back."""
    return str((rollout_of(policy) or {}).get("revision", ""))


def is_behind(policy: Json) -> bool:
    """The operator has not seen the last edit yet."""
    seen = (policy.get("status") or {}).get("observedGeneration")
    return bool(seen != policy["metadata"].get("generation"))


def in_force(policy: Json) -> str:
    """In words."""
    status = policy.get("status") or {}
    return f"revision {status.get('activeRevision', 'none')} is in force"
