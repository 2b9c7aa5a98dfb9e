"""One look at a policy: keep what is learned, take it back, or choose anew.

| seen, the first that holds                                    | decided                         |
|---------------------------------------------------------------|---------------------------------|
| the spec was edited                                           | what was learned is void        |
| it was refused by its tests, or rolled back                   | the one before; remembered      |
| the reason of a move is over (recovered)                      | without that move, at once      |
| a rollout goes on, or the spec is not in force yet            | nothing new                     |
| nothing has drifted, and there is no news before the interval | nothing new                     |
| what is learned is worse than the spec, for sure              | without it                      |
| other targets are better by the margin, for sure, and a       | those                           |
| backend drifted or two runs in a row say so                   |                                 |
| they would be what was refused, on the same evidence          | nothing new                     |

Equal arguments give an equal answer, and looking again at the same changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from pointsman.operator.plan.reevaluating.choosing import Bounds, Route, choose, gain, holds
from pointsman.operator.plan.reevaluating.evidence import Facts
from pointsman.operator.plan.reevaluating.moving import Move, Moves, moved, shares
from pointsman.operator.plan.reevaluating.record import Memory, Pending

Cause = Literal["Drifted", "Recovered", "BackendAdded", "PriceChanged", "Scheduled"]
_LOSES_NOTHING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a policy is, and how it stands."""

    routes: Sequence[Route]
    bounds: Bounds
    interval_s: float
    settled: bool
    """What is wanted is in force, and no rollout goes on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The moves that are wanted; `cause` empty: as before."""

    memory: Memory
    moves: Moves
    cause: Cause | Literal[""] = ""


def look(memory: Memory, scene: Look, facts: Mapping[str, Facts], *, now_s: float) -> Choice:
    """The table above, but for edits and refusals, which others see."""
    kept = _kept(memory.moves, scene, facts)
    names = {name for route in scene.routes for name in route.pool(scene.bounds)}
    seen = {n: (facts[n].hard(), facts[n].priced()) for n in sorted(names & facts.keys())}
    drifted = any(facts[name].is_drifted for name in seen)
    due = now_s - memory.looked_s >= scene.interval_s or now_s < memory.looked_s
    news = seen != memory.seen
    moves, looked = kept, memory
    if scene.settled and (drifted or due or news):
        base = msgspec.structs.replace(memory, moves=kept)
        moves, pending = _reconsidered(base, scene, facts)
        if due or news or pending != memory.pending:
            looked = msgspec.structs.replace(memory, looked_s=now_s, seen=seen, pending=pending)
    if _all_alike(moves, memory.moves):
        # Another reason for the same: it is over when that is.
        return Choice(msgspec.structs.replace(looked, moves=moves), moves)
    same = _all_alike(moves, kept)
    return Choice(looked, moves, _over(memory.moves, kept) if same else _cause(memory, moves, seen))


def _kept(moves: Moves, scene: Look, facts: Mapping[str, Facts]) -> dict[str, tuple[Move, ...]]:
    """Those whose reason is still there."""
    routes = {route.name: route for route in scene.routes}
    found = {
        name: tuple(one for one in wanted if holds(one, routes[name], facts))
        for name, wanted in moves.items()
        if name in routes
    }
    return {name: wanted for name, wanted in found.items() if wanted}


def _reconsidered(
    memory: Memory, scene: Look, facts: Mapping[str, Facts]
) -> tuple[dict[str, tuple[Move, ...]], dict[str, Pending]]:
    moves: dict[str, tuple[Move, ...]] = {}
    pending: dict[str, Pending] = {}
    for route in scene.routes:
        now = memory.moves.get(route.name, ())
        wanted, waits = _of_route(route, now, memory.pending.get(route.name), scene, facts)
        if wanted:
            moves[route.name] = wanted
        if waits is not None:
            pending[route.name] = waits
    return moves, pending


def _of_route(
    route: Route,
    now: tuple[Move, ...],
    pending: Pending | None,
    scene: Look,
    facts: Mapping[str, Facts],
) -> tuple[tuple[Move, ...], Pending | None]:
    """The moves of one rule, and what waits for another run."""
    bounds = scene.bounds
    best = choose(route, facts, bounds)
    if _alike(best, now):
        return _by_drift(now, best), None
    surplus = _surplus(route, now, best, facts, bounds)
    if surplus is None or surplus.points < (bounds.gain_points if best else _LOSES_NOTHING):
        return now, None
    if not surplus.urgent:
        times = {name: _latest(facts.get(name)) for name in surplus.names}
        known = pending is not None and _alike(pending.moves, best)
        if not known or pending is None:
            return now, Pending(best, times)
        if any(pending.times.get(name) == time for name, time in times.items()):
            return now, pending
    return best, None


@dataclass(frozen=True, slots=True)
class _Surplus:
    """Of the requests that would go elsewhere: by how much they are better answered, for sure."""

    points: float
    names: tuple[str, ...]
    urgent: bool
    """Each of them leaves a backend that got worse, or goes to one that got better."""


def _surplus(
    route: Route,
    now: Sequence[Move],
    wanted: Sequence[Move],
    facts: Mapping[str, Facts],
    bounds: Bounds,
) -> _Surplus | None:
    """None if nothing moves, or it cannot be told."""
    old = shares(moved(route.weights, now, bounds.percent))
    new = shares(moved(route.weights, wanted, bounds.percent))
    change = {n: new.get(n, 0.0) - old.get(n, 0.0) for n in {**old, **new}}
    losing = {n: -part for n, part in change.items() if part < -_LOSES_NOTHING}
    gaining = {n: part for n, part in change.items() if part > _LOSES_NOTHING}
    total = sum(gaining.values())
    if not losing or not gaining or not losing.keys() | gaining.keys() <= facts.keys():
        return None
    urgent = all(facts[n].found("Worse", route.tasks) for n in losing) or all(
        facts[n].found("Better", route.tasks) for n in gaining
    )
    points = 0.0
    for loser, lost in losing.items():
        for gainer, gained in gaining.items():
            found = gain(facts[gainer], facts[loser], route.tasks)
            if found is None:
                return None
            least = found.low if urgent else found.sure
            points += least * lost * gained / total / total
    return _Surplus(points, tuple(sorted(losing.keys() | gaining.keys())), urgent)


def _by_drift(now: tuple[Move, ...], best: tuple[Move, ...]) -> tuple[Move, ...]:
    """The same moves; where a detector has found the reason by now, by that."""
    found = {(one.donor, one.receiver): one for one in best if one.ground != "NoDearer"}
    return tuple(found.get((one.donor, one.receiver), one) for one in now)


def _all_alike(one: Moves, other: Moves) -> bool:
    return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)


def _alike(one: Sequence[Move], other: Sequence[Move]) -> bool:
    """Whether they move the same, whatever for and in whatever order."""
    return {(m.donor, m.receiver) for m in one} == {(m.donor, m.receiver) for m in other}


def _latest(facts: Facts | None) -> str:
    """When a backend was measured last; empty: never."""
    return max((one.time for one in facts.quality.values()), default="") if facts else ""


def _over(before: Moves, kept: Moves) -> Cause:
    """Why moves are taken back."""
    gone = [one for name, found in before.items() for one in found if one not in kept.get(name, ())]
    drifted = any(one.ground != "NoDearer" for one in gone)
    return "Recovered" if drifted else "PriceChanged"


def _cause(memory: Memory, moves: Moves, seen: Mapping[str, tuple[str, str]]) -> Cause:
    before = memory.moves
    new = [one for name, found in moves.items() for one in found if one not in before.get(name, ())]
    if any(one.ground != "NoDearer" for one in new):
        return "Drifted"
    if not memory.seen:
        return "Scheduled"
    if seen.keys() - memory.seen.keys():
        return "BackendAdded"
    if any(price != memory.seen[name][1] for name, (_, price) in seen.items()):
        return "PriceChanged"
    return "Scheduled"
