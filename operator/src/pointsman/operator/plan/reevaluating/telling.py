"""What is told of drift and of what was learned: reasons, a condition, status, Events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.api import names
from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.objects import Json
from pointsman.operator.plan.reevaluating.choosing import Route, gain
from pointsman.operator.plan.reevaluating.differing import changes, weight_changes
from pointsman.operator.plan.reevaluating.evidence import Facts
from pointsman.operator.plan.reevaluating.moving import Move, Moves
from pointsman.operator.plan.reevaluating.record import MOST_REASONS, Memory
from pointsman.operator.plan.rollout.telling import News

PARENT: Final = f"{names.GROUP}/revision-parent"
CAUSE: Final = f"{names.GROUP}/revision-cause"
DIFF: Final = f"{names.GROUP}/revision-diff"
REASONS: Final = f"{names.GROUP}/revision-reasons"
EDITED: Final = "Edited"
MOST_CHARS: Final = 512
_ORDER: Final = (Reason.WORSE, Reason.IDENTITY_CHANGED, Reason.BETTER)


@dataclass(frozen=True, slots=True)
class Told:
    """What a policy's status says of drift."""

    condition: Condition | None = None
    """None where the policy does not ask for it."""
    learned: Mapping[str, Any] | None = None


def reasons_of(
    routes: Sequence[Route], before: Moves, now: Moves, facts: Mapping[str, Facts]
) -> tuple[str, ...]:
    """One line for each move that is made or taken back, with the figures of this moment."""
    found = []
    for route in routes:
        old, new = before.get(route.name, ()), now.get(route.name, ())
        found += [_made(route, one, facts) for one in new if one not in old]
        kept = {(one.donor, one.receiver) for one in new}
        found += [
            _taken_back(route, one, facts) for one in old if (one.donor, one.receiver) not in kept
        ]
    return tuple(line[:MOST_CHARS] for line in found[:MOST_REASONS])


def _made(route: Route, move: Move, facts: Mapping[str, Facts]) -> str:
    donor, receiver = facts[move.donor], facts[move.receiver]
    why = {
        "Worse": _drift_of(donor, "Worse", route),
        "Better": _drift_of(receiver, "Better", route),
        "NoDearer": f"{move.receiver} costs no more",
    }[move.ground]
    return f"{route.name}: {move.donor} to {move.receiver}: {why}; {_compared(route, move, facts)}"


def _taken_back(route: Route, move: Move, facts: Mapping[str, Facts]) -> str:
    return (
        f"{route.name}: back to {move.donor} from {move.receiver}; {_compared(route, move, facts)}"
    )


def _compared(route: Route, move: Move, facts: Mapping[str, Facts]) -> str:
    donor, receiver = facts.get(move.donor), facts.get(move.receiver)
    more = gain(receiver, donor, route.tasks) if donor and receiver else None
    if more is None:
        return "they cannot be compared now"
    tasks = ", ".join(route.tasks)
    least = more.least(move.ground)
    said = f"{move.receiver} is {more.points:+.1f} points in {tasks}, at least {least:+.1f}"
    figures = [f"{one.name} {_figures(one, route)}" for one in (donor, receiver) if one]
    return f"{said} ({', '.join(figures)})"


def _figures(one: Facts, route: Route) -> str:
    found = [one.quality[task] for task in route.tasks if task in one.quality]
    found = found or [one.quality[task] for task in ("all",) if task in one.quality]
    return ", ".join(f"{q.score:.2f} [{q.low:.2f}, {q.high:.2f}]" for q in found)


def _drift_of(one: Facts, direction: str, route: Route | None = None) -> str:
    lines = [d for d in one.drift if d.direction == direction and not d.suspected]
    if route is not None and "all" not in route.tasks:
        lines = [d for d in lines if d.task in (*route.tasks, "all")] or lines
    if not lines:
        return f"{one.name} is {direction.lower()}"
    said = [
        f"in {d.task} by {d.points.lstrip('+-') or '?'} points"
        + (f" ({d.low} to {d.high})" if d.low and d.high else "")
        + (f" since {d.since}" if d.since else "")
        for d in lines[:4]
    ]
    return f"{one.name} is {direction.lower()} {', '.join(said)}"


def drift_detected(
    used: Sequence[str], facts: Mapping[str, Facts], effect: Mapping[str, str]
) -> Condition:
    """
    Of the backends that a policy names.

    `effect` says by backend what is done about it; under the empty name, what else there is to say.
    """
    kind = ConditionType.DRIFT_DETECTED
    known = [facts[name] for name in used if name in facts]
    for reason in _ORDER:
        if any(one.is_drifted and one.reason == reason for one in known):
            lines = [_said(one, effect) for one in known if one.is_drifted]
            return Condition(type=kind, status=True, reason=reason, message=_joined(lines, effect))
    measured = [one.name for one in known if one.drifted == "False"]
    if any(one.drifted == "False" and one.reason == "Suspected" for one in known):
        names_of = ", ".join(one.name for one in known if one.reason == "Suspected")
        message = _joined([f"{names_of} may have drifted"], effect)
        return Condition(type=kind, status=False, reason=Reason.SUSPECTED, message=message)
    if measured:
        message = _joined([f"steady: {', '.join(measured)}"], effect)
        return Condition(type=kind, status=False, reason=Reason.STEADY, message=message)
    message = _joined(["of no backend it is known whether it drifted"], effect)
    return Condition(type=kind, status=None, reason=Reason.NO_BASELINE, message=message)


def _said(one: Facts, effect: Mapping[str, str]) -> str:
    if one.reason == Reason.IDENTITY_CHANGED:
        said = f"{one.name} says that it is another model"
    else:
        said = _drift_of(one, one.reason)
    return f"{said}: {effect[one.name]}" if one.name in effect else said


def _joined(lines: Sequence[str], effect: Mapping[str, str]) -> str:
    more = [effect[""]] if effect.get("") else []
    return "; ".join((*lines, *more))[:4096]


def effects_of_moves(memory: Memory, facts: Mapping[str, Facts]) -> dict[str, str]:
    """What re-evaluation does about each drifted backend."""
    given: dict[str, list[str]] = {}
    for rule, moves in memory.moves.items():
        for one in moves:
            given.setdefault(one.donor, []).append(f"{rule} to {one.receiver}")
            if one.ground == "Better":
                given.setdefault(one.receiver, []).append(f"{rule} from {one.donor}")
    found = {
        name: f"{', '.join(given[name])} by {memory.revision}"
        if name in given
        else "nothing else is better for sure within the bounds"
        for name, one in facts.items()
        if one.is_drifted
    }
    if memory.refused:
        found[""] = _refused(memory)
    return found


def _refused(memory: Memory) -> str:
    assert memory.refused is not None, "asked only where there is one"
    said = memory.refused
    return f"{said.revision} was refused by {said.why}; it is not tried again on the same evidence"


def learned_fields(memory: Memory, declared: Json, effective: Json) -> dict[str, Any] | None:
    """`status.learned`; None where nothing ever came of it."""
    found: dict[str, Any] = {}
    if memory.revision:
        found["revision"] = memory.revision
        found["diff"] = weight_changes(declared, effective)
    if memory.cause:
        at = datetime.fromtimestamp(memory.decided_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found |= {"cause": memory.cause, "time": at}
    if memory.reasons:
        found["reasons"] = list(memory.reasons)
    if memory.refused:
        found["message"] = _refused(memory)
    return found or None


def annotations_of_revision(
    memory: Memory | None, revision: str, parent: tuple[str, Json] | None, spec: Json
) -> dict[str, str]:
    """What a revision tells of itself; `parent` is the one that was in force, with its spec."""
    wanted = (memory.revision or memory.declared) if memory and memory.cause else ""
    learned = memory if wanted == revision else None
    found = {CAUSE: learned.cause if learned else EDITED}
    if parent is not None and parent[0] != revision:
        found[PARENT] = parent[0]
        differ = weight_changes if learned else changes
        found[DIFF] = "\n".join(differ(parent[1], spec))
    if learned and learned.reasons:
        found[REASONS] = "\n".join(learned.reasons)
    return found


def news_of_memory(before: Memory | None, now: Memory | None) -> News | None:
    """What happened between two looks."""
    if now is None:
        return None
    old = before if before is not None and before.declared == now.declared else None
    if now.cause and (old is None or (now.decided_s, now.cause) != (old.decided_s, old.cause)):
        said = "; ".join(now.reasons)
        what = now.revision or now.declared
        return News(False, "Reevaluated", f"{now.cause}: {what}: {said}"[:1000])
    if now.refused and (old is None or old.refused != now.refused):
        return News(True, "LearnedRevisionRefused", _refused(now)[:1000])
    return None


def news_of_drift(stored: Json, now: Condition | None) -> News | None:
    """When DriftDetected changes; what is stored in the policy's status is what was told."""
    if now is None:
        return None
    kind = str(ConditionType.DRIFT_DETECTED)
    conditions = stored.get("conditions") or ()
    old: Json = next((one for one in conditions if one.get("type") == kind), {})
    was, is_ = old.get("status") == "True", now.status is True
    if was == is_ and (not is_ or old.get("reason") == now.reason):
        return None
    if is_:
        return News(now.reason is not Reason.BETTER, "DriftDetected", now.message)
    return News(False, "DriftOver", now.message)
