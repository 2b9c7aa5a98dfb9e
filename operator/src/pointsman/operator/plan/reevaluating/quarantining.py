"""A compiled table without the backends that a policy has in quarantine.

It is done to what routers get, not to revisions: it takes effect at once, is no news for a rollout,
and is over when the drift is. A backend stays in the table, so that probes which name it reach it.
A rule that would have nobody left keeps whom it has, and that is told.
"""

from collections.abc import Collection, Mapping, Sequence
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


def quarantined(
    plan: TablePlan,
    wanted: Mapping[str, Collection[str]],
    of_trials: Mapping[str, Collection[str]] | None = None,
) -> Quarantined:
    """Without `wanted` backends, by policy; candidates without those `of_trials`."""
    effects: dict[str, Mapping[str, str]] = {}
    verdicts = dict(plan.verdicts)
    for name, verdict in plan.verdicts.items():
        out = frozenset(wanted.get(name, ()))
        trial = frozenset((of_trials or {}).get(name, ()))
        if out or trial:
            verdicts[name], effects[name] = _without(verdict, out, trial)
    if not effects:
        return Quarantined(plan, {})
    return Quarantined(replanned(verdicts), effects)


def _without(
    verdict: Verdict, out: frozenset[str], of_trial: frozenset[str]
) -> tuple[Verdict, dict[str, str]]:
    entry, said = verdict.entry, dict[str, str]()
    if entry is None:
        return verdict, {}
    candidate, blob = verdict.candidate, verdict.blob
    if of_trial and candidate is not None and entry.candidate is not None:
        candidate, kept = _stripped(candidate, of_trial)
        trial = msgspec.structs.replace(entry.candidate, blob=table.digest(candidate))
        entry = msgspec.structs.replace(entry, candidate=trial)
        said |= {name: f"{word} in the candidate" for name, word in _effects(of_trial, kept)}
    if out and blob is None:
        said |= dict.fromkeys(out, "stays: the revision cannot be compiled any more")
    elif out and blob is not None:
        blob, kept = _stripped(blob, out)
        entry = msgspec.structs.replace(entry, blob=table.digest(blob))
        said |= dict(_effects(out, kept))
    return replace(verdict, entry=entry, blob=blob, candidate=candidate), said


def _effects(out: frozenset[str], kept: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return [
        (
            name,
            f"stays in {', '.join(dict.fromkeys(kept[name]))}: nobody else is left there"
            if name in kept
            else "in quarantine",
        )
        for name in sorted(out)
    ]


def _stripped(data: bytes, out: frozenset[str]) -> tuple[bytes, Mapping[str, Sequence[str]]]:
    """And by backend, the routes that keep it."""
    blob, kept = table.decode_blob(data), dict[str, list[str]]()
    routes = tuple(_route(route, out, kept) for route in blob.routes)
    predictor = blob.predictor
    if predictor is not None and out & set(predictor.candidates):
        left = tuple(name for name in predictor.candidates if name not in out)
        predictor = msgspec.structs.replace(
            predictor,
            candidates=left or predictor.candidates,
            routes=predictor.routes if left else (),  # the targets answer, as far as they may
        )
    return table.encode(msgspec.structs.replace(blob, routes=routes, predictor=predictor)), kept


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
