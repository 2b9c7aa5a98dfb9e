"""What people say of a rollout: annotations on its policy (api/orders.py writes them).

An order that was there when a rollout began was meant for an earlier one and has no effect, and a
malformed one has none either: it is told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from pointsman.api.orders import ABORT, APPROVE, PAUSED, PROMOTE, RETRY
from pointsman.operator.plan.rollout.state import Approval, Orders, Rollout

ONCE: Final = (ABORT, PROMOTE, RETRY, APPROVE)
MOST_CHARS: Final = 1024


class _Said(msgspec.Struct, frozen=True):
    revision: str
    step: int
    approver: str
    at: str


class Heard(NamedTuple):
    """Orders, and in words what of them cannot be obeyed."""

    orders: Orders
    retry: str
    """The revision that shall be rolled out once more."""
    problems: tuple[str, ...]


def said_once(annotations: Mapping[str, str]) -> dict[str, str]:
    """Orders that stand there now, as a rollout that begins remembers them."""
    return {name: annotations[name][:MOST_CHARS] for name in ONCE if name in annotations}


def said_of_rollout(annotations: Mapping[str, str]) -> dict[str, str]:
    """All orders that stand there now."""
    paused = {PAUSED: annotations[PAUSED][:MOST_CHARS]} if PAUSED in annotations else {}
    return said_once(annotations) | paused


def hear(
    annotations: Mapping[str, str], before: Mapping[str, str], rollout: Rollout | None
) -> Heard:
    """What is asked of this rollout; `before`: what was there when it began."""
    problems: list[str] = []
    fresh = {k: v for k, v in said_once(annotations).items() if before.get(k) != v}
    paused = annotations.get(PAUSED, "false")
    if paused not in {"true", "false"}:
        problems.append(f'{PAUSED} is "{paused[:64]}", neither "true" nor "false"')
    approvals: tuple[Approval, ...] = ()
    if APPROVE in fresh:
        found = _approval(fresh[APPROVE], rollout)
        if isinstance(found, str):
            problems.append(f"{APPROVE}: {found}")
        else:
            approvals = (found,)
    wanted = {name: _revision(fresh.get(name, "")) for name in (ABORT, PROMOTE, RETRY)}
    candidate = rollout.candidate if rollout else ""
    for name, revision in wanted.items():
        if name in fresh and revision != candidate:
            there = f"the candidate is {candidate}" if candidate else "there is no candidate"
            problems.append(f'{name} names "{revision[:64]}", and {there}')
    orders = Orders(
        paused=paused == "true",
        abort=wanted[ABORT],
        promote=wanted[PROMOTE],
        approvals=approvals,
    )
    return Heard(orders, wanted[RETRY], tuple(problems))


def _revision(value: str) -> str:
    return value.split(maxsplit=1)[0] if value.split() else ""


def _approval(value: str, rollout: Rollout | None) -> Approval | str:
    """What was approved, or why that is nothing."""
    try:
        said = msgspec.json.decode(value, type=_Said)
        at_s = datetime.fromisoformat(said.at).timestamp()
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        return f"it is no approval: {error}"[:256]
    if not said.approver.strip():
        return "it does not say who approves"
    approver = "".join(c if c.isprintable() else "?" for c in said.approver)[:128]
    if rollout is None:
        return "there is no candidate"
    if said.revision != rollout.candidate:
        return f'stale: it is for "{said.revision[:64]}", and the candidate is {rollout.candidate}'
    if said.step != rollout.step and not rollout.ended and said.step > rollout.step:
        return f"it is for step {said.step}, and the rollout is in step {rollout.step}"
    return Approval(revision=said.revision, step=said.step, approver=approver, at_s=at_s)
