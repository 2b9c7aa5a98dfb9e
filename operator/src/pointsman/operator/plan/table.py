"""All policies of a namespace, judged together: which revision each one runs, and why.

A refused spec never takes traffic away: the policy's last accepted revision is compiled anew with
today's backends and stays in force; if even that cannot be done, the routers keep what they have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.api import table
from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.api.v1alpha1 import RoutingPolicy, RoutingPolicySpec
from pointsman.api.v1alpha1.shadowing import never_matching
from pointsman.api.validation import Invalid, Problem, parse
from pointsman.operator.plan import vetting
from pointsman.operator.plan.blobs import (
    Backends,
    compile_blob,
    references,
    unresolved,
)
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.objects import Json, ObservedPolicy
from pointsman.operator.plan.policytests import failing
from pointsman.operator.plan.predicting import Learned
from pointsman.operator.plan.revisions import Revision, revision_name
from pointsman.operator.plan.verdict import TablePlan as TablePlan  # noqa: PLC0414 - found here
from pointsman.operator.plan.verdict import Verdict as Verdict  # noqa: PLC0414

SHOWN_PROBLEMS = 8
"""Problems named in one message; the rest is counted."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What a policy is compiled against."""

    namespace: str
    backends: Backends
    taken: Mapping[str, str]
    """Model names of older policies -> their owner."""
    learned: Mapping[str, Learned]
    """By policy."""
    run_tests: bool
    now_s: float | None
    """Unix time, for what is told of approvals."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    entry: table.PolicyEntry
    blob: bytes


def describe(problems: Sequence[Problem]) -> str:
    """Problems as one message that begins with the first field's path."""
    shown = "; ".join(str(problem) for problem in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    return f"{shown}; and {more} more" if more > 0 else shown


def _compile(world: _World, policy: str, revision: str, spec: RoutingPolicySpec) -> _Compiled:
    names = tuple(name for name in spec.model_names if name not in world.taken)
    blob = compile_blob(
        namespace=world.namespace,
        policy=policy,
        revision=revision,
        spec=spec,
        backends=world.backends,
        model_names=names,
        learned=world.learned.get(policy),
    )
    entry = table.PolicyEntry(
        name=policy, revision=revision, blob=table.digest(blob), model_names=names
    )
    return _Compiled(entry, blob)


def spec_of_revision(policy: str, spec: Json) -> RoutingPolicySpec | None:
    """An accepted spec, or None if today's rules no longer allow it."""
    whole = {"metadata": {"name": policy}, "spec": dict(spec)}
    try:
        return parse(RoutingPolicy, whole, unknown="drop").spec
    except Invalid:
        return None


def compile_revision(
    revision: Revision,
    *,
    namespace: str,
    backends: Backends,
    model_names: tuple[str, ...] | None = None,
    learned: Learned | None = None,
) -> bytes | None:
    """
    An accepted spec's blob with today's backends; None if it cannot be compiled any more.

    `model_names`: those of its own that are left to it; None: all.
    """
    spec = spec_of_revision(revision.policy, revision.spec)
    if spec is None:
        return None
    try:
        return compile_blob(
            namespace=namespace,
            policy=revision.policy,
            revision=revision.name,
            spec=spec,
            backends=backends,
            model_names=tuple(spec.model_names) if model_names is None else model_names,
            learned=learned,
        )
    except table.TableError:
        return None


_InForce = tuple[table.PolicyEntry | None, bytes | None]


def _keep(
    world: _World, policy: str, last: Revision | None, previous: table.PolicyEntry | None
) -> _InForce:
    """What stays in force when the present spec is refused."""
    if last is None:
        return None, None
    spec = spec_of_revision(policy, last.spec)
    if spec is not None:
        try:
            kept = _compile(world, policy, last.name, spec)
        except table.TableError:
            pass  # too large with today's backends: the routers keep what they run
        else:
            return (kept.entry, kept.blob) if kept.entry.model_names else (None, None)
    if previous is None or any(name in world.taken for name in previous.model_names):
        return None, None
    return previous, None


def _conflict(spec: RoutingPolicySpec, taken: Mapping[str, str]) -> _Refusal | None:
    for index, name in enumerate(spec.model_names):
        if name in taken:
            message = f'spec.modelNames[{index}]: "{name}" belongs to the older RoutingPolicy '
            return _Refusal(Reason.MODEL_NAME_CONFLICT, f'{message}"{taken[name]}"')
    return None


def _resolved(missing: Sequence[Problem]) -> Condition:
    if missing:
        return Condition(
            type=ConditionType.RESOLVED_REFS,
            status=False,
            reason=missing[0].reason,
            message=describe(missing),
        )
    return Condition(
        type=ConditionType.RESOLVED_REFS,
        status=True,
        reason=Reason.RESOLVED_REFS,
        message="all references resolve",
    )


_UNRESOLVED: Final = Condition(
    type=ConditionType.RESOLVED_REFS,
    status=None,
    reason=Reason.NOT_ACCEPTED,
    message="the spec is refused before its references are looked up",
)


def _accepted(revision: str, warnings: Sequence[Problem]) -> Condition:
    message = describe(warnings) if warnings else f"revision {revision}"
    return Condition(
        type=ConditionType.ACCEPTED, status=True, reason=Reason.ACCEPTED, message=message
    )


def _refused(refusal: _Refusal, entry: table.PolicyEntry | None) -> Condition:
    in_force = f"; revision {entry.revision} stays in force" if entry else ""
    return Condition(
        type=ConditionType.ACCEPTED,
        status=False,
        reason=refusal.reason,
        message=f"{refusal.message}{in_force}",
    )


def _attempt(
    policy: str, revision: str, spec: RoutingPolicySpec, world: _World, last: Revision | None
) -> _Refusal | _Compiled:
    """The compiled spec, or the first reason why it may not become the one in force."""
    if conflict := _conflict(spec, world.taken):
        return conflict
    missing = unresolved(spec, world.backends)
    if missing and (last is None or last.name != revision):
        return _Refusal(missing[0].reason, describe(missing))
    try:
        return _compile(world, policy, revision, spec)
    except table.TableError as error:
        return _Refusal(Reason.TOO_LARGE, f"spec: {error}")


def _tested(
    spec: RoutingPolicySpec, outcome: _Refusal | _Compiled, *, in_force: bool
) -> tuple[_Refusal | _Compiled, Condition]:
    """The outcome after its tests, and TestsPassed; what is in force already stays so."""
    kind = ConditionType.TESTS_PASSED
    if isinstance(outcome, _Refusal):
        message = "the spec is refused before its tests are run"
        return outcome, Condition(
            type=kind, status=None, reason=Reason.NOT_ACCEPTED, message=message
        )
    try:
        failed = failing(outcome.entry.blob, outcome.blob, spec.tests)
    except table.TableError as error:  # what routers would refuse, too
        failed = (Problem("spec.tests", f"cannot be run: {error}", Reason.TESTS_FAILED),)
    total = len(spec.tests)
    if not failed:
        message = f"{total} of {total} tests pass"
        return outcome, Condition(
            type=kind, status=True, reason=Reason.TESTS_PASSED, message=message
        )
    message = f"{len(failed)} of {total} tests fail: {describe(failed)}"
    condition = Condition(type=kind, status=False, reason=Reason.TESTS_FAILED, message=message)
    return (outcome if in_force else _Refusal(Reason.TESTS_FAILED, message)), condition


def _judge(
    policy: ObservedPolicy,
    world: _World,
    last: Revision | None,
    previous: table.PolicyEntry | None,
) -> Verdict:
    revision = revision_name(policy.name, policy.spec)
    resolved: Condition = _UNRESOLVED
    tests: Condition | None = None
    vetted: Condition | None = None
    warnings: tuple[Problem, ...] = ()
    outcome: _Refusal | _Compiled
    if isinstance(policy.parsed, Invalid):
        problems = policy.parsed.problems
        outcome = _Refusal(problems[0].reason, describe(problems))
    else:
        spec = policy.parsed.spec
        resolved = _resolved(unresolved(spec, world.backends))
        warnings = never_matching(spec)
        vetted = vetting.judged(spec, references(spec), world.backends, now_s=world.now_s)
        outcome = _attempt(policy.name, revision, spec, world, last)
        if spec.tests and world.run_tests:
            accepted_before = last is not None and last.name == revision
            outcome, tests = _tested(spec, outcome, in_force=accepted_before)
    if isinstance(outcome, _Compiled):
        in_force: _InForce = (outcome.entry, outcome.blob)
        accepted = _accepted(revision, warnings)
    else:
        in_force = _keep(world, policy.name, last, previous)
        accepted = _refused(outcome, in_force[0])
    return Verdict(
        policy=policy,
        revision=revision,
        accepted=accepted,
        resolved_refs=resolved,
        tests=tests,
        vetted=vetted,
        warnings=warnings,
        entry=in_force[0],
        blob=in_force[1],
    )


def _held(verdict: Verdict, previous: table.PolicyEntry | None) -> tuple[str, ...]:
    """Model names that stay its own while the revision before it may be in force."""
    policy, entry = verdict.policy.parsed, verdict.entry
    rolls = isinstance(policy, Invalid) or policy.spec.rollout is not None
    if previous is None or entry is None or previous.revision == entry.revision or not rolls:
        return ()
    return previous.model_names


def _made_of(
    policy: ObservedPolicy, world: _World, last: Revision | None
) -> tuple[object, ...] | None:
    """All that an accepted verdict follows from; None if it follows from the time as well."""
    if isinstance(policy.parsed, Invalid) or policy.parsed.spec.governance is not None:
        return None
    spec = policy.parsed.spec
    used = tuple(map(world.backends.get, policy.named))
    taken = [world.taken.get(name) for name in spec.model_names]
    learned, before = world.learned.get(policy.name), last.name if last else ""
    return (policy, before, *used, *taken, learned, world.run_tests)


def _judge_kept(
    policy: ObservedPolicy,
    world: _World,
    last: Revision | None,
    previous: table.PolicyEntry | None,
    kept: Kept[Verdict],
) -> Verdict:
    """The verdict of before if it was an acceptance that follows from the same."""
    made_of = _made_of(policy, world, last)

    def judge() -> Verdict:
        return _judge(policy, world, last, previous)

    verdict = judge() if made_of is None else kept.get(policy.name, made_of, judge)
    if not verdict.accepted.status:  # it follows from what is in force as well
        kept.forget(policy.name)
    return verdict


def compile_table(
    *,
    namespace: str,
    backends: Backends,
    policies: Sequence[ObservedPolicy],
    accepted: Mapping[str, Revision],
    previous: Mapping[str, table.PolicyEntry] | None = None,
    learned: Mapping[str, Learned] | None = None,
    run_tests: bool = True,
    now_s: float | None = None,
    kept: Kept[Verdict] | None = None,
) -> TablePlan:
    """
    Judge every policy, oldest first, and compile the table.

    Without `run_tests` a spec is accepted whatever its tests say. `now_s` is Unix time: approvals
    that are over are told by it; what is compiled is the same at any time.

    `accepted` holds the last accepted revision by policy name, `previous` the entries of the
    manifest in force, `learned` what predictors have learned. Equal arguments give equal bytes,
    whatever the order of the policies. `kept` is a memory: what did not change is not made anew.
    """
    kept = Kept() if kept is None else kept
    taken: dict[str, str] = {}
    world = _World(
        namespace=namespace,
        backends=backends,
        taken=taken,
        learned=learned or {},
        run_tests=run_tests,
        now_s=now_s,
    )
    verdicts: dict[str, Verdict] = {}
    for policy in sorted(policies, key=lambda p: (p.created, p.name)):
        before = (previous or {}).get(policy.name)
        verdict = _judge_kept(policy, world, accepted.get(policy.name), before, kept)
        verdicts[policy.name] = verdict
        if verdict.entry:
            taken.update(dict.fromkeys(verdict.entry.model_names, policy.name))
            for name in _held(verdict, before):
                taken.setdefault(name, policy.name)
    kept.only(verdicts)
    return replanned(verdicts)


def replanned(verdicts: Mapping[str, Verdict]) -> TablePlan:
    """The table that follows from these verdicts."""
    in_force = {name: verdict for name, verdict in sorted(verdicts.items()) if verdict.entry}
    return TablePlan(
        verdicts=verdicts,
        entries=tuple(v.entry for v in in_force.values() if v.entry),
        blobs=dict(pair for verdict in in_force.values() for pair in verdict.blobs()),
    )


def next_manifest(
    *,
    namespace: str,
    entries: Sequence[table.PolicyEntry],
    epoch: int,
    previous: table.Manifest | None,
    newest: tuple[int, int] = (0, 0),
    pins: str = "",
) -> table.Manifest:
    """
    The wanted manifest; its serial grows only when the entries change, its epoch never falls.

    `newest` is the latest (epoch, serial) that is known to have been in force: the manifest may
    have been deleted or restored from a backup, and routers refuse what is older than theirs.
    """
    ordered = tuple(sorted(entries, key=lambda entry: entry.name))
    before = (previous.epoch, previous.serial) if previous else (0, 0)
    epoch = max(epoch, before[0], newest[0])
    same = previous is not None and (ordered, pins) == (previous.policies, previous.pins)
    serial = before[1] + (not same)
    if before < newest and newest[0] == epoch:
        serial = max(serial, newest[1] + 1)
    return table.Manifest(
        namespace=namespace, epoch=epoch, serial=serial, policies=ordered, pins=pins
    )
