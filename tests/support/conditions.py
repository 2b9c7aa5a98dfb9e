"""Flux's condition checker (FAIL0001-0009 for finished reconciles), over any stored status.

Neutral conditions may be true beside Ready; what is negative and true excludes Ready.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pointsman.api.meanings import MEANINGS

NEGATIVE = frozenset({"Reconciling", "Stalled"})
FIELDS = frozenset(
    {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}
)


def _form(condition: Mapping[str, Any]) -> list[str]:
    """What metav1.Condition demands of one condition."""
    kind, problems = condition.get("type"), []
    if set(condition) != FIELDS:
        problems.append(f"{kind}: has fields {sorted(condition)}")
    if condition.get("status") not in {"True", "False", "Unknown"}:
        problems.append(f"{kind}: status is {condition.get('status')!r}")
    reason = str(condition.get("reason", ""))
    if not (reason[:1].isupper() and reason.isalnum()):
        problems.append(f"{kind}: reason {reason!r} is not CamelCase")
    if not condition.get("message"):
        problems.append(f"{kind}: says nothing")
    try:
        datetime.fromisoformat(str(condition.get("lastTransitionTime")))
    except ValueError:
        problems.append(f"{kind}: lastTransitionTime is no time")
    return problems


def broken_rules(status: Mapping[str, Any], *, generation: int) -> list[str]:
    """Every rule that this status breaks; empty for a good one."""
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    root = status.get("observedGeneration", 0)
    problems = [problem for c in conditions.values() for problem in _form(c)]
    if len(conditions) != len(status.get("conditions", [])):
        problems.append("a condition is there twice")
    true = {kind for kind, c in conditions.items() if c["status"] == "True"}
    ready = conditions.get("Ready", {}).get("status")
    behind = any(c["observedGeneration"] < generation for c in conditions.values())
    checks = {
        "FAIL0001: negative and Ready both True": "Ready" in true and bool(NEGATIVE & true),
        "FAIL0002: no Ready": ready is None,
        "FAIL0003: Reconciling but Ready is not False": "Reconciling" in true and ready != "False",
        "FAIL0004: Stalled but Ready is not False": "Stalled" in true and ready != "False",
        "FAIL0005: Reconciling and Stalled": true >= NEGATIVE,
        "FAIL0006: observedGeneration in the future": root > generation
        or any(c["observedGeneration"] > generation for c in conditions.values()),
        "FAIL0007: old and yet Ready": root < generation and ready != "False",
        "FAIL0008: an old condition and yet Ready": behind and ready != "False",
        "FAIL0009: Ready with differing generations": ready == "True"
        and any(c["observedGeneration"] != root for c in conditions.values()),
        "kstatus: abnormal conditions exist only while true": any(
            kind in conditions and kind not in true for kind in NEGATIVE
        ),
        "kstatus: not Ready is in progress or failed": ready != "True" and not NEGATIVE & true,
    }
    return problems + [rule for rule, broken in checks.items() if broken]


def unexplained(kind: str, status: Mapping[str, Any]) -> list[str]:
    """Condition types and reasons that the page about this kind does not explain."""
    known = MEANINGS[kind]
    conditions = status.get("conditions", [])
    types = {c["type"] for c in conditions} - {str(one) for one in known.conditions}
    reasons = {c["reason"] for c in conditions} - {str(one) for one in known.reasons}
    return sorted(types | reasons)


def assert_well_formed(status: Mapping[str, Any], *, generation: int) -> None:
    """Fails with every broken rule."""
    assert broken_rules(status, generation=generation) == []
