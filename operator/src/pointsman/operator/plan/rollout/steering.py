"""A compiled table with the stable revisions that stay in force, and their candidates' parts.

| the spec is                        | in force                                                  |
|------------------------------------|-----------------------------------------------------------|
| what is in force already           | it                                                        |
| another, and says no `rollout`     | it, at once                                               |
| another that routes the same       | it, at once                                               |
| a candidate                        | the stable one, and the candidate's part of conversations |
| a candidate whose turn is to come  | the stable one                                            |
| a candidate that was rolled back   | the stable one, until the spec is edited or a retry       |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from pointsman.api import table
from pointsman.api.v1alpha1 import RoutingPolicy, RoutingPolicySpec
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.predicting import Learned
from pointsman.operator.plan.revisions import Revision
from pointsman.operator.plan.rollout.deciding import (
    advance,
    is_replayed_first,
    load_percent,
    next_percent,
    shadow_of,
    weight_percent,
)
from pointsman.operator.plan.rollout.ordering import hear, said_once
from pointsman.operator.plan.rollout.planning import plan_of
from pointsman.operator.plan.rollout.prescaling import NOTHING, Changes, changes_of
from pointsman.operator.plan.rollout.probing import NO_QUESTION, Question, question_of
from pointsman.operator.plan.rollout.record import MOST, MOST_KEPT, Record
from pointsman.operator.plan.rollout.shadowing import table_shadow
from pointsman.operator.plan.rollout.state import Phase, Plan, Rollout, Scene, queued
from pointsman.operator.plan.rollout.turning import Claim, turns
from pointsman.operator.plan.table import (
    TablePlan,
    Verdict,
    compile_revision,
    replanned,
    spec_of_revision,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored, by policy."""

    namespace: str
    backends: Backends
    entries: Mapping[str, table.PolicyEntry]
    records: Mapping[str, Record]
    """With what is remembered of the step that goes on."""
    revisions: Mapping[str, Sequence[Revision]]
    annotations: Mapping[str, Mapping[str, str]]
    learned: Mapping[str, Learned]
    most_each: int = 1
    """Rollouts at once that send more to one backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """How a policy's rollout stands; `record` None: it has no number in the queue yet."""

    record: Record | None
    plan: Plan | None = None
    """None where it has ended."""
    changes: Changes = NOTHING
    question: Question = NO_QUESTION
    """What golden prompts can tell of it."""
    turn: str = ""
    """Why others come first."""
    problems: tuple[str, ...] = ()
    """Orders that cannot be obeyed."""
    pair: tuple[bytes, bytes] | None = None
    """The compiled stable revision and candidate, whose routing is to be replayed."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """The table, and the rollouts to be stored with it."""

    plan: TablePlan
    going: Mapping[str, Going]

    @property
    def records(self) -> dict[str, Record]:
        """By policy."""
        return {name: one.record for name, one in self.going.items() if one.record}


@dataclass(frozen=True, slots=True)
class Aim:
    """What a rollout changes, with its weight of now and its next one."""

    plan: Plan
    changes: Changes
    question: Question
    percent: int
    ahead: int | None


def aim_of(rollout: Rollout, plan: Plan, changes: Changes, question: Question) -> Aim:
    """Of a rollout, as it stands now."""
    percent, ahead = load_percent(rollout, plan), next_percent(rollout, plan)
    return Aim(plan, changes, question, percent, ahead)


Look = Callable[[Rollout, table.PolicyEntry, Scene, Aim], Scene]
"""Fills in what was counted, whether every router has the weights of this entry, and whether
replicas for the next one are ready, and asks golden prompts about a step without traffic."""


def roll(plan: TablePlan, known: Known, look: Look, *, now_s: float) -> Rolled:
    """Go on with the rollouts that are stored, and begin one where a spec asks for it."""
    going: dict[str, Going] = {}
    verdicts, opened = dict(plan.verdicts), dict[str, tuple[_Policy, _Open]]()
    for name, verdict in plan.verdicts.items():
        policy = _Policy(plan, verdict, known, look, now_s)
        found = policy.found()
        if isinstance(found, _Open):
            opened[name] = policy, found
            continue
        verdicts[name], one = found
        if one is not None:
            going[name] = one
    kept = sum(not each.new for _, each in opened.values())
    for name, (_, each) in list(opened.items()):
        kept += each.new
        if each.new and kept > MOST_KEPT:
            verdicts[name], going[name] = each.held, Going(record=None)
            del opened[name]
    waits = turns(
        (each.claim(name) for name, (_, each) in opened.items()),
        most=MOST,
        most_each=known.most_each,
    )
    for name, (policy, each) in opened.items():
        verdicts[name], going[name] = policy.advanced(each, waits.get(name, ""))
    return Rolled(replanned(verdicts), going)


@dataclass(frozen=True, slots=True)
class _Open:
    """A rollout that has not ended; `held` is what stays in force beside it."""

    record: Record
    held: Verdict
    plan: Plan
    changes: Changes
    question: Question
    new: bool = False

    def claim(self, name: str) -> Claim:
        rollout = self.record.rollout
        return Claim(
            policy=name,
            began_s=rollout.began_s,
            backends=self.changes.gaining,
            goes=not rollout.held
            or (rollout.phase is Phase.PROGRESSING and not is_replayed_first(rollout, self.plan)),
            paused=rollout.phase is Phase.PAUSED,
        )


_Decided = tuple[Verdict, Going | None]


@dataclass(slots=True)
class _Policy:
    """One policy's decision."""

    whole: TablePlan
    verdict: Verdict
    known: Known
    look: Look
    now_s: float

    @property
    def name(self) -> str:
        return self.verdict.policy.name

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.known.annotations.get(self.name, {})

    def found(self) -> "_Decided | _Open":
        """A rollout that goes on; else the verdict that may be in force, and how one ended."""
        entry, published = self.verdict.entry, self.known.entries.get(self.name)
        if entry is None or published is None:
            return self.verdict, None
        record = self.known.records.get(self.name)
        if record is not None and record.uid != self.verdict.policy.uid:
            record = None
        if self.verdict.blob is None:  # in force unchanged, and not to be compiled: so it stays
            return self.verdict, Going(record=record) if record else None
        if record is None:
            if entry.revision == published.revision:
                return self.verdict, None
            return self._begun(published.revision)
        if record.rollout.ended:
            return self._after(record, entry.revision)
        return self._on(record, entry.revision)

    def _on(self, record: Record, wanted: str) -> "_Decided | _Open":
        rollout = record.rollout
        if wanted == rollout.stable:
            return self.verdict, None
        if wanted != rollout.candidate:
            return self._begun(rollout.stable)
        held, plan = self._held(rollout.stable), self._plan(rollout.stable)
        if held is None or plan is None:
            return self.verdict, None  # there is nothing to go back to
        return _Open(record, held, plan, self._changes(held), self._question(held))

    def advanced(self, one: _Open, turn: str) -> tuple[Verdict, Going]:
        """One look at what goes on; `turn`: why others come first."""
        record, rollout, entry = one.record, one.record.rollout, self.verdict.entry
        assert entry is not None, "seen to before"
        heard = hear(self.annotations, record.heard, rollout)
        scene = Scene(
            wanted=entry.revision, verified=False, orders=heard.orders, bounds_s=(), turn=turn
        )
        aim = aim_of(rollout, one.plan, one.changes, one.question)
        scene = self.look(rollout, self.known.entries[self.name], scene, aim)
        rollout = advance(rollout, one.plan, scene, now_s=self.now_s)
        going = Going(
            record=msgspec.structs.replace(record, rollout=rollout),
            plan=one.plan,
            changes=one.changes,
            question=one.question,
            turn=turn,
            problems=heard.problems,
        )
        if rollout.phase is Phase.PROMOTED:
            return self.verdict, going
        percent, shadow = weight_percent(rollout, one.plan), shadow_of(rollout, one.plan)
        if percent or shadow:
            spent = rollout.shadowed is not None and rollout.shadowed.answers_up
            asked = table_shadow(shadow, began_s=rollout.began_s, spent=spent) if shadow else None
            return self._with_candidate(one.held, percent, asked), going
        if is_replayed_first(rollout, one.plan):
            going = replace(going, pair=self._pair(one.held))
        return one.held, going

    def _after(self, record: Record, wanted: str) -> "_Decided | _Open":
        """The last rollout has ended; what is so now?"""
        rollout = record.rollout
        promoted = rollout.phase is Phase.PROMOTED
        in_force = rollout.candidate if promoted else rollout.stable
        heard = hear(self.annotations, record.heard, rollout)
        if wanted == in_force:
            return self.verdict, Going(record=record) if promoted else None
        if wanted != rollout.candidate or heard.retry == wanted:
            return self._begun(in_force)
        held = self._held(in_force)
        if held is None:
            return self.verdict, None
        return held, Going(record=record, plan=self._plan(in_force), problems=heard.problems)

    def _begun(self, stable: str) -> "_Decided | _Open":
        entry, spec = self.verdict.entry, self._spec()
        assert entry is not None, "there is none without a spec that was accepted"
        if spec is None or spec.rollout is None or stable == entry.revision:
            return self.verdict, None
        held, plan = self._held(stable), self._plan(stable)
        if held is None or plan is None or self._routes_the_same(held):
            return self.verdict, None
        record = Record(
            uid=self.verdict.policy.uid,
            rollout=queued(
                stable, entry.revision, now_s=self.now_s, shadow=plan.shadow is not None
            ),
            heard=said_once(self.annotations),
        )
        return _Open(record, held, plan, self._changes(held), self._question(held), new=True)

    def _changes(self, held: Verdict) -> Changes:
        assert self.verdict.blob is not None, "seen to before"
        return changes_of(self.name, held.blob, self.verdict.blob) if held.blob else NOTHING

    def _question(self, held: Verdict) -> Question:
        assert self.verdict.blob is not None, "seen to before"
        if held.blob is None:
            return NO_QUESTION
        return question_of(table.decode_blob(held.blob), table.decode_blob(self.verdict.blob))

    def _spec(self) -> RoutingPolicySpec | None:
        """Of the revision that is wanted: the present spec, or the last one that was accepted."""
        assert self.verdict.entry is not None, "there is none without"
        parsed, wanted = self.verdict.policy.parsed, self.verdict.entry.revision
        if self.verdict.accepted.status and isinstance(parsed, RoutingPolicy):
            return parsed.spec
        found = self._revision(wanted)
        return spec_of_revision(found.policy, found.spec) if found else None

    def _revision(self, name: str) -> Revision | None:
        found = self.known.revisions.get(self.name, ())
        return next((one for one in found if one.name == name), None)

    def _held(self, stable: str) -> Verdict | None:
        """The verdict with the stable revision, of today's backends; None if there is none."""
        published, revision = self.known.entries[self.name], self._revision(stable)
        if published.revision == stable:
            published = msgspec.structs.replace(published, candidate=None)
        names = self._names(published)
        if revision is None or not names:
            return None
        blob = compile_revision(
            revision,
            namespace=self.known.namespace,
            backends=self.known.backends,
            model_names=names,
            learned=self.known.learned.get(self.name),
        )
        if blob is None:
            kept = published.revision == stable and names == published.model_names
            return replace(self.verdict, entry=published, blob=None) if kept else None
        entry = table.PolicyEntry(
            name=self.name, revision=stable, blob=table.digest(blob), model_names=names
        )
        return replace(self.verdict, entry=entry, blob=blob)

    def _names(self, published: table.PolicyEntry) -> tuple[str, ...]:
        """Model names that are still its own: an older policy may have come for one."""
        others = {
            name
            for other in self.whole.verdicts.values()
            if other.entry is not None and other.policy.name != self.name
            for name in other.entry.model_names
        }
        return tuple(name for name in published.model_names if name not in others)

    def _pair(self, held: Verdict) -> tuple[bytes, bytes] | None:
        """None where the stable revision cannot be compiled any more."""
        assert self.verdict.blob is not None, "seen to before"
        return (held.blob, self.verdict.blob) if held.blob is not None else None

    def _plan(self, stable: str) -> Plan | None:
        spec, revision = self._spec(), self._revision(stable)
        if spec is None or spec.rollout is None or revision is None or self.verdict.blob is None:
            return None
        blob = compile_revision(
            revision, namespace=self.known.namespace, backends=self.known.backends
        )
        candidate = table.decode_blob(self.verdict.blob)
        return plan_of(spec.rollout, table.decode_blob(blob) if blob else candidate, candidate)

    def _routes_the_same(self, held: Verdict) -> bool:
        assert self.verdict.blob is not None, "seen to before"
        if held.blob is None:
            return False
        one, other = table.decode_blob(held.blob), table.decode_blob(self.verdict.blob)
        return msgspec.structs.replace(one, revision=other.revision) == other

    def _with_candidate(self, held: Verdict, percent: int, shadow: table.Shadow | None) -> Verdict:
        entry = self.verdict.entry
        assert entry is not None, "seen to before"
        assert held.entry is not None, "it is what stays in force"
        candidate = table.Candidate(
            revision=entry.revision, blob=entry.blob, weight_percent=percent, shadow=shadow
        )
        told = msgspec.structs.replace(held.entry, candidate=candidate)
        return replace(held, entry=told, candidate=self.verdict.blob)
