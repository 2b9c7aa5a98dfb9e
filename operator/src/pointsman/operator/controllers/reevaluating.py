"""What policies do about drift: weights that are learned, backends in quarantine, and the telling.

It decides in each reconcile of the table, from what was read for it, and writes nothing itself:
what is remembered is stored with the manifest.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pointsman.api.v1alpha1 import RoutingPolicy, RoutingPolicySpec
from pointsman.operator import metrics
from pointsman.operator.cluster.observe import TableView, previous_entries
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.objects import ObservedPolicy
from pointsman.operator.plan.predicting import candidates_of
from pointsman.operator.plan.reevaluating.evidence import Facts, facts_of
from pointsman.operator.plan.reevaluating.quarantining import in_quarantine, quarantined
from pointsman.operator.plan.reevaluating.record import Memory
from pointsman.operator.plan.reevaluating.steering import Judge, Known, relearn, routes_of
from pointsman.operator.plan.reevaluating.telling import (
    Told,
    annotations_of_revision,
    drift_detected,
    effects_of_moves,
    learned_fields,
    news_of_drift,
    news_of_memory,
)
from pointsman.operator.plan.revisions import Revision, last_accepted
from pointsman.operator.plan.rollout.telling import News
from pointsman.operator.plan.table import TablePlan, Verdict, compile_table, spec_of_revision
from pointsman.operator.plan.vetting import left_out

_KINDS: Final = ("Worse", "IdentityChanged", "Better", "Suspected", "Steady", "NoBaseline")


@dataclass(frozen=True, slots=True)
class _Look:
    """One reconcile's."""

    declared: Mapping[str, ObservedPolicy] = field(default_factory=dict)
    now: Mapping[str, ObservedPolicy] = field(default_factory=dict)
    """With what was learned."""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    memories: Mapping[str, Memory] = field(default_factory=dict)
    before: Mapping[str, Memory] = field(default_factory=dict)
    revisions: Mapping[str, Sequence[Revision]] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of quarantine, by policy and backend."""
    in_force: Mapping[str, tuple[RoutingPolicySpec, ...]] = field(default_factory=dict)
    """By policy: the revision that answers, and its candidate. What only is declared is not."""


class Reevaluator:
    """Follows the reconciles of the table, in the order of its methods."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._look = _Look()

    def steer(self, view: TableView, backends: Backends, *, namespace: str) -> TableView:
        """The same view, with what was learned in the place of specs."""
        now_s = self._clock()
        policies = [policy for _, policy in view.policies]
        asked = any(_asks(policy, view.revisions.get(policy.name, ())) for policy in policies)
        facts = facts_of(view.backends, backends, namespace=namespace, now_s=now_s) if asked else {}
        found = relearn(
            policies,
            Known(
                memories=view.stored.learned,
                entries=previous_entries(view),
                rollouts=view.stored.rollouts,
                facts=facts,
                left_out={
                    policy.name: frozenset(left_out(spec, backends, backends, now_s=now_s))
                    for policy in policies
                    if (spec := _spec(policy)) is not None
                },
            ),
            _judge(view, backends, namespace),
            now_s=now_s,
        )
        self._look = _Look(
            declared={policy.name: policy for policy in policies},
            now={policy.name: policy for policy in found.policies},
            facts=facts,
            memories=found.memories,
            before=view.stored.learned,
            revisions=view.revisions,
        )
        items = [item for item, _ in view.policies]
        return replace(view, policies=list(zip(items, found.policies, strict=True)))

    def quarantine(self, plan: TablePlan) -> TablePlan:
        """The table without whom its policies have in quarantine."""
        out: dict[str, frozenset[str]] = {}
        of_trials: dict[str, frozenset[str]] = {}
        in_force: dict[str, tuple[RoutingPolicySpec, ...]] = {}
        for name, verdict in plan.verdicts.items():
            entry = verdict.entry
            trial = entry.candidate if entry else None
            stable = self._of_revision(verdict, entry.revision) if entry else None
            candidate = self._of_revision(verdict, trial.revision) if trial else None
            in_force[name] = tuple(one for one in (stable, candidate) if one is not None)
            out[name], of_trials[name] = self._out(stable), self._out(candidate)
        found = quarantined(plan, out, of_trials, now_s=self._clock())
        self._look = replace(self._look, effects=found.effects, in_force=in_force)
        return found.plan

    def _out(self, spec: RoutingPolicySpec | None) -> frozenset[str]:
        if spec is None or spec.drift is None or spec.drift.on_detected != "Quarantine":
            return frozenset()
        return in_quarantine(_used(spec), self._look.facts, spec.drift.quarantine_on)

    def _of_revision(self, verdict: Verdict, revision: str) -> RoutingPolicySpec | None:
        """Not what is declared: an edit that is refused, or not yet in force, ends nothing."""
        name, parsed = verdict.policy.name, verdict.policy.parsed
        if revision == verdict.revision and isinstance(parsed, RoutingPolicy):
            return parsed.spec
        known = self._look.revisions.get(name, ())
        found = next((one for one in known if one.name == revision), None)
        if found is None or not found.spec.get("drift"):
            return None
        return spec_of_revision(name, found.spec)

    def annotations(self, view: TableView, verdict: Verdict) -> dict[str, str]:
        """Of the verdict's revision, which is about to be stored."""
        policy = verdict.policy
        entry = previous_entries(view).get(policy.name)
        known = {one.name: one.spec for one in view.revisions.get(policy.name, ())}
        in_force = entry.revision if entry else ""
        parent = (in_force, known[in_force]) if in_force in known else None
        memory = self._look.memories.get(policy.name)
        return annotations_of_revision(memory, verdict.revision, parent, policy.spec)

    def memories(
        self, failed: Mapping[str, object], before: Mapping[str, Memory]
    ) -> dict[str, Memory]:
        """What is to be stored with the table."""
        kept = {name: one for name, one in self._look.memories.items() if name not in failed}
        return kept | {name: one for name, one in before.items() if name in failed}

    def published(self, view: TableView, stored: Mapping[str, Memory]) -> dict[str, list[News]]:
        """This is stored now; what is to be told of it, by policy."""
        news: dict[str, list[News]] = {}
        reasons: Counter[str] = Counter()
        for item, policy in view.policies:
            name, condition = policy.name, self.told(policy.name).condition
            if condition is not None:
                reasons[condition.reason] += 1
            memory = news_of_memory(self._look.before.get(name), stored.get(name))
            drift = news_of_drift(item.get("status") or {}, condition)
            news[name] = [one for one in (drift, memory) if one is not None]
            if memory is not None:
                cause = "Refused" if memory.warning else stored[name].cause
                metrics.REEVALUATIONS.labels(cause).inc()
        for reason in _KINDS:
            metrics.DRIFTED_POLICIES.labels(reason).set(reasons[reason])
        return {name: found for name, found in news.items() if found}

    def told(self, name: str) -> Told:
        """What the policy's status says."""
        look = self._look
        policy = look.declared.get(name)
        specs = [one for one in look.in_force.get(name, ()) if one.drift is not None]
        if policy is None or not specs:
            return Told()
        memory = look.memories.get(name)
        used = tuple(dict.fromkeys(one for spec in specs for one in _used(spec)))
        effects: dict[str, str] = dict(look.effects.get(name, {}))
        if memory is not None:
            effects |= effects_of_moves(memory, {n: look.facts[n] for n in used if n in look.facts})
        condition = drift_detected(used, look.facts, effects)
        if memory is None or _spec(policy) is None:
            return Told(condition)
        return Told(condition, learned_fields(memory, policy.spec, look.now[name].spec))


def _judge(view: TableView, backends: Backends, namespace: str) -> Judge:
    """What the plan would say of it, alone."""

    def judge(policy: ObservedPolicy) -> str:
        last: Revision | None = last_accepted(view.revisions.get(policy.name, ()))
        plan = compile_table(
            namespace=namespace,
            backends=backends,
            policies=[policy],
            accepted={policy.name: last} if last else {},
        )
        accepted = plan.verdicts[policy.name].accepted
        return "" if accepted.status else accepted.message

    return judge


def _spec(policy: ObservedPolicy) -> RoutingPolicySpec | None:
    return policy.parsed.spec if isinstance(policy.parsed, RoutingPolicy) else None


def _asks(policy: ObservedPolicy, revisions: Sequence[Revision]) -> bool:
    """What it says, or said in any revision that may be in force still."""
    spec = _spec(policy)
    declared = spec is not None and spec.drift is not None
    return declared or any(one.spec.get("drift") for one in revisions)


def _used(spec: RoutingPolicySpec) -> tuple[str, ...]:
    """Every backend that may answer."""
    named = [name for one in routes_of(spec) for name in (*one.weights, *one.chain)]
    return tuple(dict.fromkeys((*named, *candidates_of(spec))))
