"""What a backend with scaling mode QueueDepth shows, and how seldom that is written.

| field           | from                                           | written                      |
|-----------------|------------------------------------------------|------------------------------|
| lastScale,      | the record that was applied to the Deployment  | when replicas change         |
| scalingHistory  | in one write with its replicas                 |                              |
| queueDepth,     | the last decision; without data for 15 s there | at most each 15 s; a settled |
| ScalingActive   | is no queueDepth, and ScalingActive is False   | backend without load: never  |
| scalingMemory   | the same                                       | with those; else each minute |
|                 |                                                | under load                   |
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pointsman.api import names
from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.objects import Json, annotations_of
from pointsman.operator.plan.scaling import (
    Bounds,
    Clamp,
    Decision,
    Memory,
    dump_memory,
    load_memory,
)

ANNOTATION_SCALED: Final = f"{names.GROUP}/last-scale"
"""On the Deployment: the record of the change that gave it its replicas."""
EVERY_S: Final = 15.0
"""At most one status write in so long for load alone."""
SILENCE_S: Final = 15.0
MEMORY_S: Final = 60.0
HISTORY: Final = 5
_FIELDS: Final = ("time", "reason", "observed", "previous", "desired", "clampedBy", "message")


def scaled_record(decision: Decision, *, previous: int, now: str) -> dict[str, Any]:
    """One entry of `status.scalingHistory`; `now` is RFC 3339."""
    record = {
        "time": now,
        "reason": str(decision.reason),
        "observed": decision.observed,
        "previous": previous,
        "desired": decision.desired,
        "clampedBy": str(decision.clamped_by) if decision.clamped_by else None,
        "message": decision.message,
    }
    return {key: value for key, value in record.items() if value is not None}


def with_scale(child: Json, replicas: int, record: Json | None) -> dict[str, Any]:
    """The Deployment with so many replicas, and why in an annotation."""
    about = child["metadata"]
    notes = {**about["annotations"]}
    if record:
        notes[ANNOTATION_SCALED] = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return {
        **child,
        "metadata": {**about, "annotations": notes},
        "spec": {**child["spec"], "replicas": replicas},
    }


def record_on(deployment: Json | None) -> dict[str, Any] | None:
    """The record on a Deployment; None if there is none that can be read."""
    try:
        found = json.loads(annotations_of(deployment or {}).get(ANNOTATION_SCALED, ""))
        wanted = {key: found[key] for key in _FIELDS if key in found}
        counts = [wanted.get(key, 0) for key in ("observed", "previous", "desired")]
        texts = [wanted.get(key, "") for key in ("time", "reason", "clampedBy", "message")]
    except (ValueError, TypeError, RecursionError):
        return None
    sound = all(type(one) is int and 0 <= one < 2**31 for one in counts)
    return wanted if sound and all(isinstance(one, str) for one in texts) else None


def rounded(load: int) -> int:
    """Down to 0, 1, 2, 5, 10, 20, 50, ...: a number that seldom changes."""
    step = 1
    while load >= step * 10:
        step *= 10
    return next((step * n for n in (5, 2, 1) if load >= step * n), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What status says of the load, or would say now."""

    queue_depth: int | None = None
    memory: Memory | None = None
    active: Condition | None = None


def told_in(stored: Json) -> Told:
    """What a stored status says; what cannot be read counts as not there."""
    depth, text = stored.get("queueDepth"), stored.get("scalingMemory")
    return Told(
        queue_depth=depth if isinstance(depth, int) else None,
        memory=load_memory(text if isinstance(text, str) else None),
        active=_active_in(stored),
    )


def _active_in(stored: Json) -> Condition | None:
    words = {"True": True, "False": False}
    for one in stored.get("conditions") or ():
        if one.get("type") == ConditionType.SCALING_ACTIVE and one.get("status") in words:
            try:
                reason = Reason(str(one.get("reason")))
            except ValueError:
                return None
            return _active(words[one["status"]], reason, str(one.get("message", "")))
    return None


def _active(status: bool, reason: Reason, message: str) -> Condition:
    kind = ConditionType.SCALING_ACTIVE
    return Condition(type=kind, status=status, reason=reason, message=message)


def told_of(
    decision: Decision,
    memory: Memory,
    bounds: Bounds,
    *,
    before: Told,
    silent_s: float,
    silent: Sequence[str],
) -> Told:
    """
    What status should say now; `before` is what it says.

    Without data for less than 15 s it stays as it is: an operator that has just begun, or a router
    that was just replaced, has not been heard yet. `silent` names those that are waited for.
    """
    if decision.observed is None and silent_s < SILENCE_S:
        return Told(queue_depth=before.queue_depth, memory=memory, active=before.active)
    if decision.observed is None:
        who = f"no data from {', '.join(silent[:8])}" if silent else "no router is there"
        active = _active(False, Reason.NO_DATA, f"{who}: replicas stay as they are")
        return Told(memory=memory, active=active)
    said = (
        f"{bounds.min_replicas} to {bounds.max_replicas} replicas by the requests that wait and "
        f"run, {bounds.target_requests:g} for each"
    )
    reason = Reason.FOLLOWS_LOAD
    if decision.clamped_by in {Clamp.MAX, Clamp.SCHEDULE} and decision.desired < decision.wanted:
        reason, said = Reason.MAXIMUM_REACHED, f"{said}; the load asks for more"
    return Told(
        queue_depth=rounded(decision.observed), memory=memory, active=_active(True, reason, said)
    )


def is_news(told: Told, before: Told, *, since_s: float) -> bool:
    """Whether it is worth a write of its own, `since_s` after the last one."""
    if since_s < EVERY_S:
        return False
    if (told.queue_depth, told.active) != (before.queue_depth, before.active):
        return True
    new, old = told.memory, before.memory
    if new is None or old is None:
        return new is not None
    return new.busy_s > old.busy_s and new.at_s - old.at_s >= MEMORY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingStatus:
    """
    The part of a status that is about scaling, and what Ready means there.

    `least`: replicas that have to answer. `pods_since`: the Deployment's generation that changed
    more than its replicas, last; the later ones were changes of scale.
    """

    fields: dict[str, Any]
    condition: Condition | None
    least: int
    pods_since: int


def scaling_status(
    told: Told,
    *,
    stored: Json,
    deployment: Json | None,
    cold_start_s: float | None,
    least: int,
    pods_since: int,
) -> ScalingStatus:
    """`stored` is the present status, `deployment` as it is now."""
    record, history = record_on(deployment), list(stored.get("scalingHistory") or ())
    if record and record not in history[:1]:
        history.insert(0, record)
    fields = {
        "queueDepth": told.queue_depth,
        "lastScale": record or (history[0] if history else None),
        "scalingHistory": history[:HISTORY] or None,
        "scalingMemory": dump_memory(told.memory) if told.memory else None,
        "coldStartSeconds": None if cold_start_s is None else round(cold_start_s),
    }
    kept = {key: value for key, value in fields.items() if value is not None}
    return ScalingStatus(fields=kept, condition=told.active, least=least, pods_since=pods_since)
