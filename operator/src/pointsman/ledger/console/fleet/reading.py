"""PURE: from the objects of an API server to what the console shows of them.

Guarantees an answer for any JSON: what is missing or of another shape is left out, since an older
or newer operator may have written it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pointsman.api import names
from pointsman.api.orders import PAUSED, is_behind
from pointsman.ledger.console.fleet.seen import (
    Backend,
    Drift,
    Finding,
    Json,
    Policy,
    Revision,
    Rollout,
    Seen,
    Step,
)

_KINDS = ("deployment", "external", "service")


def seen_of(backends: Iterable[Json], policies: Iterable[Json], revisions: Iterable[Json]) -> Seen:
    """All of it, by name; revisions from the oldest on."""
    return Seen(
        backends=tuple(sorted(map(backend_of, backends), key=lambda one: one.name)),
        policies=tuple(sorted(map(policy_of, policies), key=lambda one: one.name)),
        revisions=tuple(
            sorted(map(revision_of, revisions), key=lambda one: (one.policy, one.created, one.name))
        ),
    )


def backend_of(item: Json) -> Backend:
    """A ModelBackend."""
    spec, status = _map(item, "spec"), _map(item, "status")
    ready, drifted = _condition(status, "Ready"), _condition(status, "Drifted")
    return Backend(
        name=_name(item),
        model=_text(spec, "model"),
        kind=next((kind for kind in _KINDS if spec.get(kind)), ""),
        ready=_text(ready, "status"),
        reason=_text(ready, "reason"),
        message=_text(ready, "message"),
        replicas=_count(status, "replicas"),
        ready_replicas=_count(status, "readyReplicas"),
        queue=_count(status, "queueDepth"),
        scaled=_scaled(_map(status, "lastScale")),
        drifted=_text(drifted, "status"),
        drift_reason=_text(drifted, "reason"),
        drift_message=_text(drifted, "message"),
        drift=tuple(map(_drift, _maps(status, "drift"))),
    )


def policy_of(item: Json) -> Policy:
    """A RoutingPolicy."""
    spec, status = _map(item, "spec"), _map(item, "status")
    ready, rollout = _condition(status, "Ready"), _map(spec, "rollout")
    found = _map(status, "rollout")
    annotations = _map(_map(item, "metadata"), "annotations")
    return Policy(
        name=_name(item),
        model_names=tuple(map(str, _list(spec, "modelNames"))),
        backends=tuple(dict.fromkeys(_backends(spec))),
        active=_text(status, "activeRevision"),
        ready=_text(ready, "status"),
        reason=_text(ready, "reason"),
        message=_text(ready, "message"),
        behind=is_behind({"metadata": _map(item, "metadata"), "status": status}),
        paused=annotations.get(PAUSED) == "true",
        replayed_first=bool(rollout.get("replay")),
        shadowed_first=bool(rollout.get("shadow")),
        steps=_steps(rollout),
        rollout=_rollout(found) if found else None,
    )


def revision_of(item: Json) -> Revision:
    """A ControllerRevision, of which the metadata is enough."""
    about = _map(item, "metadata")
    return Revision(
        name=_name(item),
        policy=_text(_map(about, "labels"), names.LABEL_POLICY),
        created=_text(about, "creationTimestamp"),
        replay=_replayed(_text(_map(about, "annotations"), names.ANNOTATION_REPLAY)),
    )


def _steps(rollout: Json) -> tuple[Step, ...]:
    """With the defaults of the kind."""
    if not rollout:
        return ()
    asked = _maps(rollout, "steps") or [{"weightPercent": percent} for percent in (5, 25, 50)]
    manual = _text(rollout, "approval") == "Manual"
    return tuple(
        Step(
            weight=_count(one, "weightPercent") or 0,
            min_requests=100 if (least := _count(one, "minRequests")) is None else least,
            min_duration=_text(one, "minDuration") or "1m",
            approval=one.get("approval") is True or (manual and number == len(asked)),
        )
        for number, one in enumerate(asked, start=1)
    )


def _rollout(found: Json) -> Rollout:
    weights, replay, shadow = (_map(found, name) for name in ("weights", "replay", "shadow"))
    parts = [f"{shadow.get('pairs', 0)} pairs"] if shadow else []
    if shadow.get("unjudged"):
        parts.append(f"{shadow['unjudged']} not judged")
    if shadow.get("spent"):
        parts.append(f"{shadow['spent']} spent")
    return Rollout(
        phase=_text(found, "phase"),
        reason=_text(found, "reason"),
        revision=_text(found, "revision"),
        stable=_text(found, "stable"),
        step=_count(found, "step") or 0,
        steps=_count(found, "steps") or 0,
        desired=_count(weights, "desired"),
        verified=_count(weights, "verified"),
        message=_text(found, "message"),
        started=_text(found, "startTime"),
        replay=_text(replay, "verdict"),
        replay_message=_text(replay, "message"),
        shadow=_text(shadow, "verdict"),
        shadow_message=", ".join(parts),
        findings=tuple(map(_finding, _maps(found, "findings"))),
        approved_by=tuple(map(str, _list(found, "approvedBy"))),
    )


def _finding(one: Json) -> Finding:
    return Finding(
        guardrail=_text(one, "guardrail"),
        verdict=_text(one, "verdict"),
        message=_text(one, "message"),
        value=_number(one, "value"),
        low=_number(one, "low"),
        high=_number(one, "high"),
        limit=_number(one, "limit"),
    )


def _drift(one: Json) -> Drift:
    return Drift(
        task=_text(one, "task"),
        direction=_text(one, "direction"),
        suspected=bool(one.get("suspected")),
        points=_text(one, "points"),
        low=_text(one, "low"),
        high=_text(one, "high"),
        since=_text(one, "sinceTime"),
        evidence=_text(one, "evidence"),
        probes=_count(one, "probes") or 0,
    )


def _replayed(text: str) -> str:
    """What the operator wrote as JSON, in words."""
    try:
        found = msgspec.json.decode(text) if text else {}
    except (msgspec.MsgspecError, RecursionError):
        return ""
    if not isinstance(found, Mapping) or not found:
        return ""
    return f"{_text(found, 'verdict')}, {_text(found, 'message')}"


def _scaled(last: Json) -> str:
    if not last:
        return ""
    return f"{last.get('previous', '?')} to {last.get('desired', '?')}, {_text(last, 'reason')}"


def _backends(spec: Any) -> Iterable[str]:
    """Names that stand in a `backendRef` of a rule or of the default, in order."""
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            if key == "backendRef" and isinstance(value, Mapping):
                yield str(value.get("name", ""))
            elif key in {"rules", "default", "targets", "fallback", "candidates"}:
                yield from _backends(value)
    elif isinstance(spec, list):
        for one in spec:
            yield from _backends(one)


def _condition(status: Json, kind: str) -> Json:
    return next((one for one in _maps(status, "conditions") if one.get("type") == kind), {})


def _name(item: Json) -> str:
    return _text(_map(item, "metadata"), "name")


def _map(of: Json, name: str) -> Json:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _list(of: Json, name: str) -> list[Any]:
    found = of.get(name)
    return found if isinstance(found, list) else []


def _maps(of: Json, name: str) -> list[Json]:
    return [one for one in _list(of, name) if isinstance(one, Mapping)]


def _text(of: Json, name: str) -> str:
    found = of.get(name)
    return "" if found is None or isinstance(found, Mapping | list) else str(found)


def _count(of: Json, name: str) -> int | None:
    found = of.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _number(of: Json, name: str) -> float | None:
    try:
        return float(_text(of, name))
    except ValueError:
        return None
