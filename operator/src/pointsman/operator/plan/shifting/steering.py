"""A compiled table, with the weights that may be in force now in place of those that are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from pointsman.api import table
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.blobs import Backends, checked, compile_backend
from pointsman.operator.plan.revisions import Revision
from pointsman.operator.plan.shifting.deciding import Advance, Scene, Targets, advance, moved
from pointsman.operator.plan.shifting.record import Shift, fitting
from pointsman.operator.plan.shifting.weights import blended
from pointsman.operator.plan.table import TablePlan, Verdict, compile_revision, replanned


@dataclass(frozen=True, slots=True)
class Before:
    """What is stored: entries and shifts of the manifest, and the revisions, by policy."""

    entries: Mapping[str, table.PolicyEntry]
    shifts: Mapping[str, Shift]
    revisions: Mapping[str, Sequence[Revision]]


@dataclass(frozen=True, slots=True)
class Steered:
    """The table that may be in force now; by policy what is on its way, and its wanted targets."""

    plan: TablePlan
    advances: Mapping[str, Advance]
    wanted: Mapping[str, Targets]

    @property
    def shifts(self) -> dict[str, Shift]:
        """To be stored with the table."""
        return {name: one.shift for name, one in self.advances.items() if one.shift}


def steer(
    plan: TablePlan,
    before: Before,
    *,
    namespace: str,
    backends: Backends,
    scene: Scene,
    now_s: float,
) -> Steered:
    """
    Go on with the shifts that are stored, and begin one where a revision moves weights.

    A policy that was not in force before has nothing to wait for, nor has a rule that is new in it.
    """
    advances: dict[str, Advance] = {}
    wanted: dict[str, Targets] = {}
    for name, verdict in plan.verdicts.items():
        shift = _shift(verdict, before, namespace, backends, now_s)
        if shift is None:
            continue
        if verdict.blob is None:  # in force unchanged, and not to be compiled: so it stays
            advances[name] = Advance(shift, shift.floors)
            continue
        wanted[name] = targets_of(verdict.blob)
        advances[name] = advance(shift, wanted[name], scene, now_s=now_s, policy=name)
    room = fitting({name: one.shift for name, one in advances.items() if one.shift})
    verdicts = dict(plan.verdicts)
    for name, one in list(advances.items()):
        if name not in wanted:
            continue
        held = name in room and one.shift is not None and one.shift.share < 100
        steered = _held(verdicts[name], one.shift, namespace, backends) if held else None
        if steered is not None:
            verdicts[name] = steered
        elif one.shift is not None and (name not in room or held):
            del advances[name]  # cannot be stored, or not be compiled: nobody waits
    return Steered(replanned(verdicts), advances, wanted)


def targets_of(blob: bytes) -> Targets:
    """The targets of a compiled policy, by route."""
    return {route.name: route.targets for route in table.decode_blob(blob).routes}


def _shift(
    verdict: Verdict, before: Before, namespace: str, backends: Backends, now_s: float
) -> Shift | None:
    """The shift to the verdict's revision: the one that is stored, or one that begins now."""
    entry, name, uid = verdict.entry, verdict.policy.name, verdict.policy.uid
    published, stored = before.entries.get(name), before.shifts.get(name)
    if entry is None or published is None:
        return None
    if stored is not None and stored.uid != uid:
        stored = None
    if published.revision == entry.revision:
        return stored if stored and stored.revision == entry.revision else None
    if verdict.blob is None:
        return None
    found = next((r for r in before.revisions.get(name, ()) if r.name == published.revision), None)
    blob = compile_revision(found, namespace=namespace, backends=backends) if found else None
    if blob is None:
        return None
    old = dict(targets_of(blob))
    unsure = unsure_routes(table.decode_blob(blob), table.decode_blob(verdict.blob))
    if stored is not None and stored.revision == published.revision and stored.share < 100:
        unsure |= set(stored.unsure)
        for route, targets in stored.before.items():
            if route in old:
                old[route] = blended(_usable(targets, backends), old[route], stored.share)
    left = moved(old, targets_of(verdict.blob))
    if not left:
        return None
    return Shift(
        uid=uid,
        revision=entry.revision,
        since_s=now_s,
        stepped_s=now_s,
        before=left,
        unsure=tuple(sorted(unsure & left.keys())),
    )


def unsure_routes(old: table.PolicyBlob, new: table.PolicyBlob) -> set[str]:
    """Routes whose requests may be others: they, one before them, or the model names changed."""
    same = set(old.model_names) == set(new.model_names)
    before = [(route.name, route.ways) for route in old.routes]
    found = set()
    for number, route in enumerate(new.routes):
        same = same and before[number : number + 1] == [(route.name, route.ways)]
        if not same:
            found.add(route.name)
    return found


def _usable(targets: Sequence[table.Target], backends: Backends) -> tuple[table.Target, ...]:
    return tuple(one for one in targets if isinstance(backends.get(one.backend), ModelBackend))


def _held(
    verdict: Verdict, shift: Shift | None, namespace: str, backends: Backends
) -> Verdict | None:
    """The verdict with weights in between; None if such a policy is too large for a router."""
    assert shift is not None, "only what is on its way is held"
    assert verdict.blob is not None, "what is not compiled has no shift that moves"
    assert verdict.entry is not None, "what is not in force has no shift"
    whole = table.decode_blob(verdict.blob)
    before = {name: _usable(targets, backends) for name, targets in shift.before.items()}
    routes = tuple(
        msgspec.structs.replace(
            route, targets=blended(before[route.name], route.targets, shift.share)
        )
        if route.name in before
        else route
        for route in whole.routes
    )
    named = {one.backend for targets in before.values() for one in targets} - whole.backends.keys()
    added = {
        name: compile_backend(namespace, backend)
        for name in sorted(named)
        if isinstance(backend := backends.get(name), ModelBackend)
    }
    mixed = msgspec.structs.replace(whole, routes=routes, backends={**whole.backends, **added})
    try:
        blob = checked(table.encode(mixed))
    except table.TableError:
        return None
    entry = msgspec.structs.replace(verdict.entry, blob=table.digest(blob))
    return replace(verdict, entry=entry, blob=blob)
