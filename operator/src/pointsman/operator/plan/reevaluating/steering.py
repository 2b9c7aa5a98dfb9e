"""Policies with what was learned in place of their specs, for the plan that goes on with them.

The rest of the operator sees a spec like any other: it is judged, tested, stored as a revision and
rolled out as an edit would be. What the user wrote is never changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from pointsman.api import table
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import RoutingPolicy, RoutingPolicySpec
from pointsman.api.v1alpha1.match import Match
from pointsman.api.validation import Invalid, parse
from pointsman.operator.plan.objects import ObservedPolicy
from pointsman.operator.plan.reevaluating.choosing import Bounds, Route
from pointsman.operator.plan.reevaluating.deciding import Choice, Look, look
from pointsman.operator.plan.reevaluating.evidence import ALL, Facts
from pointsman.operator.plan.reevaluating.moving import Moves, effective
from pointsman.operator.plan.reevaluating.record import Memory, Refused, fitting
from pointsman.operator.plan.reevaluating.telling import reasons_of
from pointsman.operator.plan.revisions import revision_name
from pointsman.operator.plan.rollout.record import Record
from pointsman.operator.plan.rollout.state import Phase

Judge = Callable[[ObservedPolicy], str]
"""Why a policy like this would be refused; empty if it would be accepted."""
TESTS: Final = "its tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored, by policy, and what is known of the backends."""

    memories: Mapping[str, Memory]
    entries: Mapping[str, table.PolicyEntry]
    rollouts: Mapping[str, Record]
    facts: Mapping[str, Facts]
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By policy, whom its governance leaves out at this moment."""


@dataclass(frozen=True, slots=True)
class Relearned:
    """Policies in their order, and what is to be stored with the table."""

    policies: Sequence[ObservedPolicy]
    memories: Mapping[str, Memory]


def relearn(
    policies: Sequence[ObservedPolicy], known: Known, judge: Judge, *, now_s: float
) -> Relearned:
    """Look at each policy that asks for it."""
    memories = {
        policy.name: memory
        for policy in policies
        if (memory := _Policy(policy, known, judge, now_s).memory()) is not None
    }
    memories = fitting(memories)
    return Relearned([with_moves(one, memories.get(one.name)) for one in policies], memories)


def with_moves(policy: ObservedPolicy, memory: Memory | None) -> ObservedPolicy:
    """The policy as its memory has it; as it is if that is of another spec."""
    if memory is None or not memory.moves or memory.declared != _declared(policy):
        return policy
    return _with(policy, memory.moves) or policy


def routes_of(spec: RoutingPolicySpec) -> tuple[Route, ...]:
    """Every rule and the default."""
    names = (*(rule.name for rule in spec.rules_), "default")
    return tuple(
        Route(
            name=name,
            tasks=_tasks(ways),
            weights={one.backend_ref.name: one.weight for one in route.targets},
            chain=tuple(ref.name for ref in route.fallback.chain) if route.fallback else (),
        )
        for name, (_, ways, route) in zip(names, spec.routes(), strict=True)
    )


def bounds_of(spec: RoutingPolicySpec) -> Bounds:
    """What the owner allows; `spec.drift` has to be there."""
    assert spec.drift is not None, "asked only of policies that have it"
    return Bounds(
        percent=spec.drift.max_weight_change_percent,
        gain_points=float(spec.drift.min_gain_points),
        targets_only=spec.drift.within == "Targets",
        cost_percent=spec.drift.max_cost_increase_percent,
    )


def _tasks(ways: Sequence[Match]) -> tuple[str, ...]:
    if not ways or not all(way.task for way in ways):
        return (ALL,)
    return tuple(dict.fromkeys(str(task) for way in ways for task in way.task))


def _declared(policy: ObservedPolicy) -> str:
    return revision_name(policy.name, policy.spec)


def _with(policy: ObservedPolicy, moves: Moves) -> ObservedPolicy | None:
    """None if it would be no valid spec."""
    if isinstance(policy.parsed, Invalid):
        return None
    spec = effective(policy.spec, moves, bounds_of(policy.parsed.spec).percent)
    whole: dict[str, Any] = {"metadata": {"name": policy.name}, "spec": spec}
    try:
        found = parse(RoutingPolicy, whole, unknown="drop")
    except Invalid:
        return None
    return replace(policy, spec=spec, parsed=found)


@dataclass(slots=True)
class _Policy:
    """One policy's look."""

    policy: ObservedPolicy
    known: Known
    judge: Judge
    now_s: float

    def memory(self) -> Memory | None:
        """What is remembered from now on; None: nothing is."""
        policy, before = self.policy, self.known.memories.get(self.policy.name)
        if before is not None and before.uid != policy.uid:
            before = None
        if isinstance(policy.parsed, Invalid):
            return before  # what is in force stays, and the edit may be taken back
        drift = policy.parsed.spec.drift
        if drift is None or drift.on_detected != "Reevaluate":
            return None
        declared = _declared(policy)
        if before is None or before.declared != declared:
            return Memory(uid=policy.uid, declared=declared)
        before = self._unless_rolled_back(before)
        out = self.known.left_out.get(policy.name, frozenset())
        scene = Look(
            routes=routes_of(policy.parsed.spec),
            bounds=bounds_of(policy.parsed.spec),
            interval_s=parse_duration(drift.interval),
            settled=self._is_settled(before),
            left_out=out,
        )
        facts = {name: one for name, one in self.known.facts.items() if name not in out}
        choice = look(before, scene, facts, now_s=self.now_s)
        return self._admitted(choice, scene) if choice.cause else choice.memory

    def _unless_rolled_back(self, memory: Memory) -> Memory:
        """Of a candidate that was rolled back nothing is left but why."""
        record, wanted = self.known.rollouts.get(self.policy.name), memory.revision
        wanted = wanted or memory.declared
        if (
            record is None
            or record.uid != self.policy.uid
            or record.rollout.phase is not Phase.ABORTED
            or record.rollout.candidate != wanted
            or memory.moves == memory.before
        ):
            return memory
        why = f"{record.rollout.reason}: {record.rollout.message}"[:512]
        refused = self._refusal(memory.moves, memory.before, wanted, why)
        return self._back(memory, refused)

    def _back(self, memory: Memory, refused: Refused) -> Memory:
        revision = self._revision(memory.before)
        kept = msgspec.structs.replace(
            memory, moves=memory.before, refused=refused, cause="", reasons=(), revision=revision
        )
        return kept if kept.moves else _bare(kept)

    def _admitted(self, choice: Choice, scene: Look) -> Memory:
        """The choice, unless it was refused on the same evidence or does not pass the tests."""
        memory, moves = choice.memory, dict(choice.moves)
        changed = _with(self.policy, moves)
        if changed is None:
            return memory
        revision = revision_name(changed.name, changed.spec)
        if memory.refused and memory.refused.revision == revision and self._is_same(memory.refused):
            return memory
        if why := self.judge(changed):
            refused = self._refusal(moves, memory.moves, revision, f"{TESTS}: {why}"[:512])
            return msgspec.structs.replace(memory, refused=refused)
        # While a rollout goes on, what stays in force is what was before its candidate.
        before = dict(memory.moves if scene.settled else memory.before)
        parent = self.known.entries[self.policy.name].revision if scene.settled else memory.parent
        found = msgspec.structs.replace(
            memory,
            moves=moves,
            before=before,
            revision=revision,
            cause=choice.cause,
            decided_s=self.now_s,
            reasons=reasons_of(scene.routes, memory.moves, moves, self.known.facts),
            parent=parent,
        )
        return found if moves else _bare(found)

    def _is_settled(self, memory: Memory) -> bool:
        entry = self.known.entries.get(self.policy.name)
        record = self.known.rollouts.get(self.policy.name)
        rolls = record is not None and not record.rollout.ended
        wanted = memory.revision or memory.declared
        return entry is not None and entry.revision == wanted and not rolls

    def _revision(self, moves: Moves) -> str:
        found = _with(self.policy, moves)
        return revision_name(found.name, found.spec) if found else ""

    def _refusal(self, moves: Moves, others: Moves, revision: str, why: str) -> Refused:
        named = _named(moves) | _named(others)
        facts = {name: self.known.facts[name] for name in sorted(named & self.known.facts.keys())}
        return Refused(
            revision=revision,
            why=why,
            hard={name: f"{one.hard()} {one.priced()}" for name, one in facts.items()},
            quality={
                name: {task: (q.low, q.high) for task, q in sorted(one.quality.items())}
                for name, one in facts.items()
            },
        )

    def _is_same(self, refused: Refused) -> bool:
        """Whether the evidence is what it was: other figures within their intervals are no news."""
        for name, hard in refused.hard.items():
            one = self.known.facts.get(name)
            if one is None or f"{one.hard()} {one.priced()}" != hard:
                return False
            before = refused.quality.get(name, {})
            if one.quality.keys() != before.keys():
                return False
            if any(
                not low <= one.quality[task].score <= high for task, (low, high) in before.items()
            ):
                return False
        return True


def _named(moves: Moves) -> set[str]:
    return {name for found in moves.values() for one in found for name in (one.donor, one.receiver)}


def _bare(memory: Memory) -> Memory:
    """The spec is what is wanted again; what is refused stays remembered."""
    return msgspec.structs.replace(memory, revision="")
