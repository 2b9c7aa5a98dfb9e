"""Replicas that a candidate's backends need before its next weight is in force.

Those that get more by it than by the stable revision, and that the operator scales. The load is
what policies have now; of a route whose requests may be others all of it is taken for that route's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.api import table
from pointsman.operator.plan.shifting import (
    Move,
    Scene,
    fractions,
    needed,
    targets_of,
    unsure_routes,
)

SILENT: Final = "waits to be told every router's load"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a candidate does with requests: `pool` are all backends that they may be at."""

    moves: tuple[Move, ...] = ()
    pool: frozenset[str] = frozenset()

    @property
    def gaining(self) -> frozenset[str]:
        """Backends that get more by it."""
        return frozenset(name for move in self.moves for name in move.wanted if move.gains(name))


NOTHING: Final = Changes()


@dataclass(frozen=True, slots=True)
class Needs:
    """Replicas by backend, for the weight in force and for the next; `short`: what is missing."""

    now: Mapping[str, int]
    ahead: Mapping[str, int]
    short: str = ""


def changes_of(policy: str, stable: bytes, candidate: bytes) -> Changes:
    """Between two compiled revisions."""
    before, wanted = targets_of(stable), targets_of(candidate)
    unsure = unsure_routes(table.decode_blob(stable), table.decode_blob(candidate))
    moves = []
    for route, targets in wanted.items():
        sure = route not in unsure
        old, new = fractions(before.get(route, ())) if sure else {}, fractions(targets)
        if new and old != new:
            moves.append(Move(policy, route, old, new, sure))
    named = {one.backend for found in (before, wanted) for all_ in found.values() for one in all_}
    return Changes(tuple(moves), frozenset(named))


def needs(
    changes: Changes, scene: Scene, *, percent: int, ahead: int | None, last: Needs | None = None
) -> Needs:
    """
    For the candidate's weight of `percent` and the next one, `ahead`; None: there is none.

    While a router is silent, what was needed `last` is.
    """
    scaled = sorted(changes.gaining & scene.scaled.keys())
    if not scaled:
        return Needs({}, {})
    if scene.loads is None:
        first = dict.fromkeys(scaled, 1)
        now = last.now if last else first if percent else {}
        return Needs(now, last.ahead if last else first, SILENT)
    now = _counts(changes, scene, scaled, percent, percent)
    coming = {} if ahead is None else _counts(changes, scene, scaled, ahead, percent)
    missing = [
        _missing(name, count, scene)
        for name, count in coming.items()
        if (scene.ready(name) or 0) < count
    ]
    return Needs(now, coming, "; ".join(missing))


def _counts(
    changes: Changes, scene: Scene, scaled: list[str], percent: int, share: int
) -> dict[str, int]:
    """At least one each: the start of a server says nothing about a revision."""
    if not percent:
        return {}
    found = {}
    for name in scaled:
        moves = [move for move in changes.moves if move.gains(name)]
        count = needed(name, moves, scene, percent=percent, share=share, pool=changes.pool)
        found[name] = min(max(1, count), scene.scaled[name].most)
    return found


def _missing(name: str, count: int, scene: Scene) -> str:
    why = scene.failures.get(name, "")
    said = f"{name} has {scene.ready(name) or 0} of {count} replicas ready"
    return f"{said} ({why})" if why else said
