"""PURE: policies and backends, as the API server has them, as one page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pointsman.api import names
from pointsman.cli.listing.page import Column, Page, Table, age

Json = Mapping[str, Any]
Pending = Mapping[str, int]
_ORDER: Final = (names.ROUTING_POLICY, names.MODEL_BACKEND, names.EVALUATION_SUITE)
_GOOD: Final = {
    "Drifted": "False", "DriftDetected": "False", "Vetted": "True", "Degraded": "False",
}  # fmt: skip
"""Conditions beside Ready that are told when they are otherwise, by what they should be."""


def page(items: Sequence[Json], pending: Pending, now_s: float, *, all_namespaces: bool) -> Page:
    """`pending`: requests that wait for a reviewer, by namespace; empty if nobody can tell."""
    ordered = sorted(items, key=lambda one: (_ORDER.index(one["kind"]), *_id(one)))
    policies = [one for one in ordered if one["kind"] == names.ROUTING_POLICY]
    backends = [one for one in ordered if one["kind"] == names.MODEL_BACKEND]
    below = [*_rollouts(policies), *_pending(pending), *_troubles(ordered)]
    namespace = (Column("NAMESPACE"),) if all_namespaces else ()

    def where(item: Json) -> tuple[str, ...]:
        return (str(item["metadata"].get("namespace", "")),) if all_namespaces else ()

    head = (
        *namespace, Column("POLICY"), Column("READY"), Column("MODELS"), Column("REVISION"),
        Column("ROUTERS"), Column("ROLLOUT"), Column("CANDIDATE", wide=True), Column("AGE"),
    )  # fmt: skip
    rows = tuple((*where(one), *_policy(one, now_s)) for one in policies)
    second = (
        *namespace, Column("BACKEND"), Column("READY"), Column("REPLICAS"), Column("QUEUE"),
        Column("MODEL"), Column("REASON"), Column("VETTED", wide=True),
        Column("DRIFTED", wide=True), Column("ENDPOINT", wide=True), Column("AGE"),
    )  # fmt: skip
    more = tuple((*where(one), *_backend(one, now_s)) for one in backends)
    return Page(
        tables=(Table(head, rows), Table(second, more)),
        below=tuple(below),
        items=tuple(ordered),
        names=tuple(f"{one['kind'].lower()}.{names.GROUP}/{_id(one)[1]}" for one in ordered),
        empty="No ModelBackend, RoutingPolicy or EvaluationSuite found.",
    )


def is_ready(items: Sequence[Json]) -> bool:
    """All of them, as their operator saw them last."""
    return all(_condition(one, "Ready").get("status") == "True" for one in items)


def _policy(item: Json, now_s: float) -> tuple[str, ...]:
    status = item.get("status") or {}
    return (
        _id(item)[1],
        str(_condition(item, "Ready").get("status", "Unknown")),
        ",".join(item["spec"].get("modelNames", ())),
        str(status.get("activeRevision", "")),
        str((status.get("routers") or {}).get("summary", "")),
        _phase(status.get("rollout")),
        str(status.get("candidateRevision", "")),
        _age(item, now_s),
    )


def _phase(rollout: Json | None) -> str:
    if not rollout:
        return ""
    weights = rollout.get("weights") or {}
    percent = f" {weights['verified']}%" if "verified" in weights else ""
    return f"{rollout.get('phase', '')}{percent}"


def _backend(item: Json, now_s: float) -> tuple[str, ...]:
    status = item.get("status") or {}
    ready, wanted = status.get("readyReplicas"), status.get("replicas")
    replicas = f"{ready or 0}/{wanted or 0}" if "deployment" in item["spec"] else ""
    found = _condition(item, "Ready")
    return (
        _id(item)[1],
        str(found.get("status", "Unknown")),
        replicas,
        str(status.get("queueDepth", "")),
        str(item["spec"].get("model", "")),
        str(found.get("reason", "")),
        str(_condition(item, "Vetted").get("status", "")),
        str(_condition(item, "Drifted").get("status", "")),
        str(status.get("endpoint", "")),
        _age(item, now_s),
    )


def _rollouts(policies: Sequence[Json]) -> Iterator[str]:
    """Those that are not over, and what they wait for."""
    for item in policies:
        rollout = (item.get("status") or {}).get("rollout")
        if rollout and rollout.get("phase") not in {"Promoted", "Aborted"}:
            yield f"rollout of {_id(item)[1]}: {rollout.get('phase')}, {rollout.get('message', '')}"
            if _condition(item, "AwaitingApproval").get("status") == "True":
                yield f"  it waits for a person: pointsman approve {_id(item)[1]}"


def _pending(pending: Pending) -> Iterator[str]:
    for namespace, count in sorted(pending.items()):
        if count:
            held = "1 request waits" if count == 1 else f"{count} requests wait"
            yield f"reviews in {namespace}: {held} for a reviewer: pointsman reviews list"


def _troubles(items: Sequence[Json]) -> Iterator[str]:
    """Why something is not ready, or not what it should be."""
    for item in items:
        for condition in (item.get("status") or {}).get("conditions") or ():
            kind, status = condition["type"], condition["status"]
            keyless = condition.get("reason") == "KeyMissing"
            if status == ("True" if kind == "Ready" else _GOOD.get(kind, status)) and not keyless:
                continue
            said = f"{condition.get('reason', '')}: {condition.get('message', '')}"
            yield f"{item['kind']}/{_id(item)[1]}: {kind}={status}, {said}"
        if not _condition(item, "Ready"):
            yield f"{item['kind']}/{_id(item)[1]}: no operator has seen it yet"


def _condition(item: Json, kind: str) -> Json:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})


def _id(item: Json) -> tuple[str, str]:
    about = item["metadata"]
    return str(about.get("namespace", "")), str(about["name"])


def _age(item: Json, now_s: float) -> str:
    created = item["metadata"].get("creationTimestamp")
    return age(now_s - datetime.fromisoformat(created).timestamp()) if created else ""
