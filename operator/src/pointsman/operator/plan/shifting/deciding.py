"""One step of a shift: never back, never beyond what is ready, and done when all of it is.

| seen                                               | decided                                |
|----------------------------------------------------|----------------------------------------|
| a giving backend cannot answer                     | that route has its new weights at once |
| no receiving backend is scaled by the operator     | all at once: its capacity is not ours  |
| the load is not known                              | stay; replicas as they were wanted     |
| what is ready is enough for more of the way        | as many steps of 10 % as it is for     |
| otherwise                                          | stay, and want replicas for all of it  |

The load of one route is a part of the load of all backends that it names: by what routers counted
of each rule, or all of it where that is not known. That sum stays the same as the shift goes on.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pointsman.api.table import Target
from pointsman.operator.plan.scaling.demand import with_headroom
from pointsman.operator.plan.scaling.memory import STABLE_S
from pointsman.operator.plan.shifting.measuring import Ended, part_of
from pointsman.operator.plan.shifting.record import Shift
from pointsman.operator.plan.shifting.weights import Fractions, between, fractions

GRAIN: Final = 10
"""Percent of the way in one step: ten tables at most, however many replicas come one by one."""
DEADLINE_S: Final = 600.0
"""Without a step: the progressDeadlineSeconds that a Deployment has if nobody says otherwise."""
GROWN: Final = 1.5
"""So much more than what is stored is worth a write of its own."""

Targets = Mapping[str, Sequence[Target]]
"""By route."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """A backend that the operator scales. `ready` None: not looked at yet."""

    ready: int | None
    target_requests: float
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Load:
    """Requests held and in flight: the mean of the stable and of the panic window."""

    stable: float
    recent: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What is so now. `scaled` has those with mode QueueDepth; `loads` None: a router is silent."""

    scaled: Mapping[str, Capacity]
    gone: frozenset[str]
    """Backends that are missing, or that answer nobody."""
    loads: Mapping[str, Load] | None
    unreached: frozenset[str] = frozenset()
    """Backends that some router knows no endpoint of."""
    ended: Ended = field(default_factory=dict)
    """What routers counted, by rule, in the stable window."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why servers of a backend do not start."""

    def ready(self, backend: str) -> int | None:
        """Replicas that can be sent to; None: not known."""
        return 0 if backend in self.unreached else self.scaled[backend].ready


@dataclass(frozen=True, slots=True)
class Advance:
    """`shift` None: there is nothing to keep. `floors`: replicas wanted now, by backend."""

    shift: Shift | None
    floors: Mapping[str, int]
    waits: tuple[str, ...] = ()
    """Backends whose replicas are waited for, by name; empty with a shift that waits: no data."""


@dataclass(frozen=True, slots=True)
class Move:
    """The requests of one route, which go elsewhere."""

    policy: str
    rule: str
    before: Fractions
    wanted: Fractions
    sure: bool
    """Its requests are those that came by it before."""

    def gains(self, backend: str) -> bool:
        """Whether it gets more by it."""
        return self.wanted.get(backend, 0.0) > self.before.get(backend, 0.0)

    def part(self, backend: str, percent: int) -> float:
        """Of the requests that this backend has, so far on the way."""
        return between(self.before, self.wanted, percent).get(backend, 0.0)

    def gives(self, backend: str) -> bool:
        """Whether it gets less by it."""
        return self.before.get(backend, 0.0) > self.wanted.get(backend, 0.0)


def advance(
    shift: Shift, wanted: Targets, scene: Scene, *, now_s: float, policy: str = ""
) -> Advance:
    """The next state of a policy's `shift` to the wanted targets; `now_s`: Unix seconds."""
    if shift.share >= 100:
        lasts = abs(now_s - shift.stepped_s) < STABLE_S  # abs: a clock that went back
        return Advance(shift, shift.floors) if lasts else Advance(None, {})
    moves = _moves(shift.before, wanted, policy, shift.unsure)
    floors = _floors(moves, shift.share, scene)
    left = {route: move for route, move in moves.items() if not is_dead(move, scene)}
    share = _permitted(left, shift.share, scene)
    waits = () if scene.loads is None else _short(left, shift.share, scene)
    kept = _recorded(shift, {route: shift.before[route] for route in left}, share, floors, now_s)
    if share < 100:
        floors = {
            name: max(floors.get(name, 0), shift.floors.get(name, 0))
            for name in {*floors, *shift.floors}
        }
        return Advance(kept, floors, waits)
    return Advance(kept, kept.floors) if kept.floors else Advance(None, {})


def is_overdue(shift: Shift, *, now_s: float) -> bool:
    """Whether it has not gone on for so long that a person should look."""
    return shift.share < 100 and now_s - shift.stepped_s >= DEADLINE_S


def _recorded(
    shift: Shift,
    before: dict[str, tuple[Target, ...]],
    share: int,
    floors: Mapping[str, int],
    now_s: float,
) -> Shift:
    """The shift as it is now; the very same one if nothing is worth a write."""
    stepped = share != shift.share
    grown = any(n > GROWN * shift.floors.get(name, 0) for name, n in floors.items())
    if not stepped and not grown and before.keys() == shift.before.keys():
        return shift
    kept = dict(shift.floors)
    if stepped or grown:
        kept = {name: max(n, kept.get(name, 0)) for name, n in floors.items()} or kept
    return msgspec.structs.replace(
        shift,
        before=before if share < 100 else {},
        share=share,
        floors=kept,
        stepped_s=now_s if stepped else shift.stepped_s,
    )


def _moves(
    before: Targets, wanted: Targets, policy: str = "", unsure: Collection[str] = ()
) -> dict[str, Move]:
    """The routes that lead elsewhere than before; one that led nowhere has nobody to wait for."""
    found = {}
    for route, targets in before.items():
        old, new = fractions(targets), fractions(wanted.get(route, ()))
        if old and new and old != new:
            found[route] = Move(policy, route, old, new, route not in unsure)
    return found


def moved(before: Targets, wanted: Targets) -> dict[str, tuple[Target, ...]]:
    """Of `before`, the routes that `wanted` has with other shares."""
    return {route: tuple(before[route]) for route in _moves(before, wanted)}


def is_dead(move: Move, scene: Scene) -> bool:
    """Whether to wait would leave requests with somebody who answers none."""
    return any(
        name in scene.gone or (name in scene.scaled and scene.scaled[name].ready == 0)
        for name in move.before
        if move.gives(name)
    )


def _gaining(moves: Mapping[str, Move], scene: Scene) -> dict[str, list[Move]]:
    """Receiving backends that the operator scales, with the moves that each gains by."""
    found: dict[str, list[Move]] = {}
    for move in moves.values():
        for name in move.wanted:
            if name in scene.scaled and move.gains(name):
                found.setdefault(name, []).append(move)
    return found


def _floors(moves: Mapping[str, Move], share: int, scene: Scene) -> dict[str, int]:
    if scene.loads is None:
        return {}
    found = {
        name: needed(name, gained, scene, percent=100, share=share)
        for name, gained in _gaining(moves, scene).items()
    }
    return {name: count for name, count in found.items() if count}


def needed(
    name: str, moves: Sequence[Move], scene: Scene, *, percent: int, share: int,
    pool: Collection[str] = (),
) -> int:  # fmt: skip
    """
    Replicas of a receiving backend for `percent` of the way, of which `share` is in force.

    `pool`: backends whose load may come by these moves, beside those that they name.
    """
    assert scene.loads is not None, "asked only where the load is known"
    capacity, loads = scene.scaled[name], scene.loads
    pool = {*pool, *(one for move in moves for one in (*move.before, *move.wanted))}
    found = [loads[one] for one in pool if one in loads]
    total = max(sum(one.stable for one in found), sum(one.recent for one in found))
    parts = [
        part_of(scene.ended, policy=move.policy, rule=move.rule, backends=pool)
        if move.sure
        else 1.0
        for move in moves
    ]

    def sent(at: int) -> float:
        """What of the total comes by these moves, so far on their way: at most, in any case."""
        shares = [move.part(name, at) for move in moves]
        known = sum(part * one for part, one in zip(parts, shares, strict=True))
        return total * min(max(shares), known)

    # What it serves beside these routes is in its own load; just after a step that load is old.
    own = max(loads[name].stable, loads[name].recent) if name in loads else 0.0
    load = max(sent(percent), min(total, own + max(0.0, sent(percent) - sent(share))))
    count = math.ceil(with_headroom(load) / capacity.target_requests - 1e-9)
    return min(max(count, min(1, capacity.least)), capacity.most)


def _permitted(moves: Mapping[str, Move], share: int, scene: Scene) -> int:
    """The percentage of the way that what is ready is enough for; never less than `share`."""
    gaining = _gaining(moves, scene)
    if not gaining:
        return 100
    if scene.loads is None:
        return share
    for percent in (*range(share + GRAIN - share % GRAIN, 100, GRAIN), 100):
        for name, gained in gaining.items():
            ready = scene.ready(name)
            if ready is None or needed(name, gained, scene, percent=percent, share=share) > ready:
                return share
        share = percent
    return share


def _short(moves: Mapping[str, Move], share: int, scene: Scene) -> tuple[str, ...]:
    """Receiving backends with less ready than all of the way needs."""
    return tuple(
        sorted(
            name
            for name, gained in _gaining(moves, scene).items()
            if (ready := scene.ready(name)) is None
            or ready < needed(name, gained, scene, percent=100, share=share)
        )
    )
