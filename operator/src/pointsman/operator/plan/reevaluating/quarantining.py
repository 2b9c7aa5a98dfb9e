"""A compiled table without the backends that a policy has in quarantine.

It is done to what routers get, not to revisions: it takes effect at once, is no news for a rollout,
and is over when the drift is. A backend stays in the table, so that probes which name it reach it.
A rule that would have nobody left for what it has now keeps whom it has, and that is told: nobody
at all, or nobody who may take data of that class with an approval that holds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from pointsman.api import table
from pointsman.api.dataclass import CLASSES, RANKS
from pointsman.api.predicting import Chooser
from pointsman.operator.plan.reevaluating.evidence import Facts
from pointsman.operator.plan.table import TablePlan, Verdict, replanned

_NOBODY: Final = "nobody else is left there"
_Kept = Mapping[str, Mapping[str, Sequence[str]]]
"""By backend and why it stays, where."""


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
    *,
    now_s: float | None = None,
) -> Quarantined:
    """
    Without `wanted` backends, by policy; candidates without those `of_trials`.

    Without `now_s` whatever approval there is holds.
    """
    effects: dict[str, Mapping[str, str]] = {}
    verdicts = dict(plan.verdicts)
    for name, verdict in plan.verdicts.items():
        out = frozenset(wanted.get(name, ()))
        trial = frozenset((of_trials or {}).get(name, ()))
        if out or trial:
            verdicts[name], effects[name] = _without(verdict, out, trial, now_s)
    if not effects:
        return Quarantined(plan, {})
    return Quarantined(replanned(verdicts), effects)


def _without(
    verdict: Verdict, out: frozenset[str], of_trial: frozenset[str], now_s: float | None
) -> tuple[Verdict, dict[str, str]]:
    entry, said = verdict.entry, dict[str, str]()
    if entry is None:
        return verdict, {}
    candidate, blob = verdict.candidate, verdict.blob
    if of_trial and candidate is not None and entry.candidate is not None:
        candidate, kept = _stripped(candidate, of_trial, now_s)
        trial = msgspec.structs.replace(entry.candidate, blob=table.digest(candidate))
        entry = msgspec.structs.replace(entry, candidate=trial)
        said |= {name: f"{word} in the candidate" for name, word in _effects(of_trial, kept)}
    if out and blob is None:
        said |= dict.fromkeys(out, "stays: the revision cannot be compiled any more")
    elif out and blob is not None:
        blob, kept = _stripped(blob, out, now_s)
        entry = msgspec.structs.replace(entry, blob=table.digest(blob))
        said |= dict(_effects(out, kept))
    return replace(verdict, entry=entry, blob=blob, candidate=candidate), said


def _effects(out: frozenset[str], kept: _Kept) -> list[tuple[str, str]]:
    return [(name, _stays(kept[name]) if name in kept else "in quarantine") for name in sorted(out)]


def _stays(why: Mapping[str, Sequence[str]]) -> str:
    said = [f"in {', '.join(dict.fromkeys(routes))}: {word}" for word, routes in why.items()]
    return f"stays {'; '.join(said)}"


def _stripped(data: bytes, out: frozenset[str], now_s: float | None) -> tuple[bytes, _Kept]:
    blob = table.decode_blob(data)
    strip = _Strip(blob, out, now_s)
    routes = tuple(map(strip.route, blob.routes))
    predictor = blob.predictor and strip.predictor(blob.predictor, routes)
    blob = msgspec.structs.replace(blob, routes=routes, predictor=predictor)
    return table.encode(blob), strip.kept


@dataclass(slots=True)
class _Strip:
    """One blob."""

    blob: table.PolicyBlob
    out: frozenset[str]
    now_s: float | None
    kept: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def route(self, route: table.Route) -> table.Route:
        """Without them, as far as somebody is left for each request."""
        fallback = route.fallback
        chain = fallback.chain if fallback else ()
        out = self._replaceable(_ways(route), route.name)
        live = tuple(one for one in route.targets if one.backend not in out)
        left = tuple(name for name in chain if name not in out)
        if not any(one.weight for one in live):
            if not left:  # it never becomes empty
                # Targets of weight 0 are nobody's choice, and so no way out.
                for one in route.targets:
                    if one.weight and one.backend in out:
                        self._keep(one.backend, route.name, _NOBODY)
                return route
            live, left = (table.Target(backend=left[0], weight=1),), left[1:]
        if fallback is not None:
            fallback = msgspec.structs.replace(fallback, chain=left) if left else None
        return msgspec.structs.replace(route, targets=live, fallback=fallback)

    def predictor(self, predictor: Chooser, routes: Sequence[table.Route]) -> Chooser:
        """Where it chooses among none, the targets answer, as far as they may."""
        chosen = [route for route in routes if route.name in predictor.routes]
        targets = min((self._rank(_ways(route)) for route in chosen), default=len(CLASSES))
        out = self._replaceable(predictor.candidates, "the predictor", targets)
        if not out & set(predictor.candidates):
            return predictor
        left = tuple(name for name in predictor.candidates if name not in out)
        return msgspec.structs.replace(
            predictor,
            candidates=left or predictor.candidates,
            routes=predictor.routes if left else (),
        )

    def _replaceable(self, ways: Sequence[str], place: str, others: int = -1) -> frozenset[str]:
        """Those without whom nobody's request is refused that was answered before."""
        out = self.out.intersection(ways)
        most = max(others, self._rank([name for name in ways if name not in out]))
        if out.issuperset(ways) and others < 0:
            return self.out
        kept = set()
        for name in sorted(out, key=lambda one: (-self._rank([one]), ways.index(one))):
            rank = self._rank([name])
            if rank > most:
                most = rank
                kept.add(name)
                self._keep(name, place, f"nobody else there may take {CLASSES[rank]} data now")
        return self.out - kept

    def _rank(self, names: Collection[str]) -> int:
        """Of the strictest class that they may take at this moment; -1: none, not even public."""
        known = self.blob.backends
        found = [known[name] for name in names if name in known]
        return max(
            (
                RANKS.get(one.max_data_class, 0)
                for one in found
                if one.approval is None or self.now_s is None or one.approval.holds(self.now_s)
            ),
            default=-1,
        )

    def _keep(self, name: str, place: str, why: str) -> None:
        self.kept.setdefault(name, {}).setdefault(why, []).append(place)


def _ways(route: table.Route) -> tuple[str, ...]:
    """Who may answer, but for the predictor's choice."""
    chain = route.fallback.chain if route.fallback else ()
    return tuple(dict.fromkeys((*(t.backend for t in route.targets if t.weight), *chain)))
