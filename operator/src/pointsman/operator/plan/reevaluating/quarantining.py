"""A compiled table without the backends that a policy has in quarantine.

It is done to what routers get, not to revisions: it takes effect at once, is no news for a rollout,
and is over when the drift is. A backend stays in the table, so that probes which name it reach it.
A rule that would have nobody left keeps whom it has, and that is told.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec

from pointsman.api import table
from pointsman.operator.plan.reevaluating.evidence import Facts
from pointsman.operator.plan.table import TablePlan, Verdict, replanned


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The table, and by policy and backend what came of it."""

    plan: TablePlan
    effects: Mapping[str, Mapping[str, str]]


def in_quarantine(
    names: Collection[str], facts: Mapping[str, Facts], reasons: Collection[str]
) -> frozenset[str]:
    """Those of them that have drifted, for one of these reasons."""
    return frozenset(
        name
        for name in names
        if name in facts and facts[name].is_drifted and facts[name].reason in reasons
    )


def quarantined(plan: TablePlan, wanted: Mapping[str, Collection[str]]) -> Quarantined:
    """Without `wanted` backends, by policy."""
    effects: dict[str, Mapping[str, str]] = {}
    verdicts = dict(plan.verdicts)
    for name, out in wanted.items():
        verdict = verdicts.get(name)
        if verdict is None or not out:
            continue
        verdicts[name], effects[name] = _without(verdict, frozenset(out))
    if not effects:
        return Quarantined(plan, {})
    return Quarantined(replanned(verdicts), effects)


def _without(verdict: Verdict, out: frozenset[str]) -> tuple[Verdict, dict[str, str]]:
    entry, kept = verdict.entry, dict[str, list[str]]()
    if entry is None:
        return verdict, {}
    if verdict.blob is None:
        return verdict, dict.fromkeys(out, "stays: the revision cannot be compiled any more")
    blob = _stripped(verdict.blob, out, kept)
    entry = msgspec.structs.replace(entry, blob=table.digest(blob))
    candidate = verdict.candidate
    if candidate is not None and entry.candidate is not None:
        candidate = _stripped(candidate, out, kept)
        trial = msgspec.structs.replace(entry.candidate, blob=table.digest(candidate))
        entry = msgspec.structs.replace(entry, candidate=trial)
    said = {
        name: f"stays in {', '.join(dict.fromkeys(kept[name]))}: nobody else is left there"
        if name in kept
        else "in quarantine"
        for name in sorted(out)
    }
    return replace(verdict, entry=entry, blob=blob, candidate=candidate), said


def _stripped(data: bytes, out: frozenset[str], kept: dict[str, list[str]]) -> bytes:
    blob = table.decode_blob(data)
    routes = tuple(_route(route, out, kept) for route in blob.routes)
    predictor = blob.predictor
    if predictor is not None and out & set(predictor.candidates):
        left = tuple(name for name in predictor.candidates if name not in out)
        predictor = msgspec.structs.replace(
            predictor,
            candidates=left or predictor.candidates,
            routes=predictor.routes if left else (),  # the targets answer, as far as they may
        )
    return table.encode(msgspec.structs.replace(blob, routes=routes, predictor=predictor))


def _route(route: table.Route, out: frozenset[str], kept: dict[str, list[str]]) -> table.Route:
    fallback = route.fallback
    chain = fallback.chain if fallback else ()
    live = tuple(one for one in route.targets if one.backend not in out)
    left = tuple(name for name in chain if name not in out)
    if not any(one.weight for one in live):
        if not left:  # it never becomes empty
            # Targets of weight 0 are nobody's choice, and so no way out.
            for one in route.targets:
                if one.weight and one.backend in out:
                    kept.setdefault(one.backend, []).append(route.name)
            return route
        live, left = (table.Target(backend=left[0], weight=1),), left[1:]
    if fallback is not None:
        fallback = msgspec.structs.replace(fallback, chain=left) if left else None
    return msgspec.structs.replace(route, targets=live, fallback=fallback)
