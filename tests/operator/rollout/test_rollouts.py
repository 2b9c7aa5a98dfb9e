"""A rollout from the edit to its end, with the API server in memory."""

import itertools
from collections.abc import Coroutine
from typing import Any

import pytest

from pointsman.operator.controllers.rollouts import TOLD_S
from pointsman.operator.errors import Stalled
from pointsman.operator.plan.rollout.record import MOST
from pointsman.operator.plan.rollout.state import Phase
from tests.operator.objects import backend, policy, route
from tests.operator.rollout.world import ROLLOUT, STEPS, World
from tests.operator.test_controllers import manifest
from tests.support.conditions import assert_well_formed

pytestmark = pytest.mark.usefixtures("logged")


@pytest.fixture
async def world() -> World:
    """The first revision is in force: there was nothing before it to compare with."""
    made = World()
    await made.edit("a")
    assert made.weight == 0
    assert made.says("Ready")[0] == "True"
    return made


async def test_a_good_candidate_is_promoted_step_by_step(world: World) -> None:
    """20, 60, then all; status, conditions and Events tell each step."""
    stable = world.entry.revision
    await world.edit("b")
    candidate = world.entry.candidate.revision
    assert (world.entry.revision, world.weight) == (stable, 20)
    assert world.status["activeRevision"] == stable
    assert world.status["candidateRevision"] == candidate
    assert world.status["rollout"]["weights"] == {"desired": 20, "verified": 20}
    assert world.says("Ready")[:2] == ("False", "RolloutInProgress")
    assert world.says("Promoted")[0] == "False"
    await world.serve_and_look()
    assert (world.entry.revision, world.weight) == (stable, 60)
    assert world.status["rollout"]["step"] == 1
    await world.serve_and_look()

    assert (world.entry.revision, world.weight) == (candidate, 0)
    assert world.status["activeRevision"] == candidate
    assert "candidateRevision" not in world.status
    assert world.says("Ready")[0] == "True"
    assert world.says("Promoted")[:2] == ("True", "AnalysisPassed")
    assert world.says("RolledBack")[0] == "False"
    assert world.events() == ["RolloutBegun", "RolloutStep", "RolloutPromoted"]
    writes = len(world.writes)
    await world.look(60)
    await world.reconcile()
    assert len(world.writes) == writes, "what has ended writes nothing any more"


@pytest.mark.parametrize(
    ("kinds", "guardrail"), [({"errors": 120}, "Errors"), ({"slow": 300}, "Latency")]
)
async def test_a_bad_candidate_is_rolled_back(
    world: World, kinds: dict[str, Any], guardrail: str
) -> None:
    """By itself; it is not begun again until the spec is edited or somebody says so."""
    stable = world.entry.revision
    await world.edit("b")
    candidate = world.entry.candidate.revision
    await world.serve_and_look(**kinds)

    assert (world.entry.revision, world.weight) == (stable, 0)
    assert world.says("RolledBack")[:2] == ("True", "GuardrailFailed")
    assert guardrail in world.says("RolledBack")[2]
    assert world.says("Ready")[:2] == ("False", "RolledBack")
    assert world.status["rollout"]["findings"]
    world.begin()
    await world.look(60)
    await world.reconcile()
    assert world.weight == 0
    await world.say(retry=candidate)
    assert world.weight == 20
    await world.serve_and_look(errors=120)
    assert world.weight == 0, "the retry has been heard"
    await world.edit("c")
    assert (world.entry.revision, world.weight) == (stable, 20)


async def test_a_dearer_candidate_is_rolled_back() -> None:
    """Prices are compared where there are any."""
    world = World()
    price = {"inputPerMillion": "1", "outputPerMillion": "2"}
    for name in "ab":
        item = world.api.stored["ModelBackend", name]
        world.api.put({**item, "spec": {**item["spec"], "cost": price}})
    await world.edit("a")
    await world.edit("b")
    await world.serve_and_look(price=2.0)

    assert "Cost" in world.says("RolledBack")[2]


async def test_an_edit_in_the_middle_keeps_the_stable_one(world: World) -> None:
    """The new candidate begins at the first step, beside the old stable revision."""
    stable = world.entry.revision
    await world.edit("b")
    await world.serve_and_look()
    await world.edit("c")

    assert (world.entry.revision, world.weight) == (stable, 20)
    assert world.record is not None
    assert world.record.rollout.stable == stable


async def test_going_back_to_the_stable_spec_ends_it(world: World) -> None:
    """As if nobody had edited it."""
    stable = world.entry.revision
    await world.edit("b")
    await world.edit("a")

    assert (world.entry.revision, world.weight) == (stable, 0)
    assert world.record is None
    assert world.says("Ready")[0] == "True"


async def test_a_spec_without_rollout_takes_over_at_once(world: World) -> None:
    """Also in the middle of another one's."""
    await world.edit("b")
    await world.edit("c", rollout=None)

    assert world.weight == 0
    assert world.status["activeRevision"] == world.entry.revision
    assert world.record is None


async def test_an_edit_that_routes_the_same_takes_over_at_once(world: World) -> None:
    """There is nothing to compare."""
    before = world.entry.revision
    await world.edit("a", rollout={**ROLLOUT, "approval": "Manual"})

    assert world.entry.revision != before
    assert world.weight == 0


async def test_what_is_promoted_gets_its_traffic_as_its_replicas_are_ready() -> None:
    """The rollout has ended, and weights go on as after any change of them."""
    world = World()
    scaling = {"maxReplicas": 8, "targetRequests": 8}
    for name in "ab":
        world.api.put(backend(name, scaling=scaling))
    world.ready = {"a": 1, "b": 0}
    await world.edit("a")
    await world.edit("b")
    candidate = world.status["candidateRevision"]
    await world.say(promote=candidate)
    assert world.says("Promoted")[0] == "True"
    assert world.says("Ready")[:2] == ("False", "WaitingForCapacity")
    assert world.status["shift"]["percent"] == 0
    assert world.shifter.floor("b") == 1
    world.ready["b"] = 1
    await world.look(4)

    assert world.entry.revision == candidate
    assert "shift" not in world.status
    assert world.says("Ready")[0] == "True"


async def test_a_refused_edit_does_not_end_it(world: World) -> None:
    """The last accepted spec is the candidate, and goes on as one."""
    stable = world.entry.revision
    await world.edit("b")
    await world.edit("nobody")

    assert (world.entry.revision, world.weight) == (stable, 20)
    assert world.says("Accepted")[0] == "False"


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["create ConfigMap", "replace ConfigMap", "status RoutingPolicy"])
async def test_no_step_is_taken_twice_whatever_dies(world: World, dies: str) -> None:
    """An operator that ends before or after a write goes on from what is stored."""
    await world.edit("b")
    world.serve(0)
    await world.look()
    world.serve(600)

    def refuse(what: str, kind: Any) -> None:
        if f"{what} {kind.name}" == dies:
            raise Stalled("killed")

    hook, world.api.hook = world.api.hook, refuse
    world.now_s += 12
    world.roller.tick()
    world.now_s += 12
    try:
        await world.controller.reconcile()
    except* Stalled:
        pass
    world.api.hook = hook
    world.begin()
    await world.reconcile()
    assert world.record is not None
    assert world.record.rollout.step <= 1
    assert len(world.record.rollout.earlier) == world.record.rollout.step
    assert world.weight == [20, 60][world.record.rollout.step]
    await world.look(60)
    assert world.record.rollout.phase is Phase.PROGRESSING, "the step counts anew"


class Dead(BaseException):
    """The process has ended."""


async def cycle(world: World, dies_at: int, *, after: bool) -> int:
    """From the edit to the promotion; the process ends at its write number `dies_at`."""
    await world.edit("a")
    count, dead = 0, False
    hook = world.api.hook

    def counting(what: str, kind: Any) -> None:
        nonlocal count, dead
        if dead:
            raise Dead
        if what not in {"get", "list"}:
            count += 1
            dead = count == dies_at
            if dead and not after:
                raise Dead
        hook(what, kind)

    async def alive(step: Coroutine[Any, Any, None]) -> None:
        nonlocal dead
        try:
            await step
        except BaseException as error:
            if not isinstance(error, Dead) and not _all_dead(error):
                raise
        if dead:
            world.api.hook = hook
            world.begin()
            dead = False
            await world.reconcile()
            world.api.hook = counting

    world.api.hook = counting
    await alive(world.edit("b"))
    await alive(world.look(4))
    for _ in range(4):
        if world.weight:
            world.serve(0)
            await alive(world.look())
        if world.weight:
            world.serve(600)
            await alive(world.look(14))
    await alive(world.look(30))
    return count


def _all_dead(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.split(Dead)[1] is None


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
async def test_the_end_is_the_same_wherever_the_operator_dies(after: bool, scaled: bool) -> None:
    """Before and after each write of a cycle: promoted, and each step taken once."""

    def made() -> World:
        world = World()
        if scaled:
            world.scale()
        return world

    usual = made()
    writes = await cycle(usual, 0, after=after)
    assert usual.says("Promoted")[0] == "True"
    assert writes > (14 if scaled else 10)
    for number in range(1, writes + 1):
        world = made()
        await cycle(world, number, after=after)
        weights = [w for w, _ in itertools.groupby(world.weights)]
        assert world.entry == usual.entry, number
        assert world.says("Promoted")[:2] == ("True", "AnalysisPassed"), number
        assert weights == [0, 20, 60, 0], number


async def test_an_approval_is_for_one_revision_and_step(world: World) -> None:
    """A stale one is refused with the reason, and without effect."""
    await world.edit("b", rollout={**ROLLOUT, "approval": "Manual"})
    candidate = world.entry.candidate.revision
    await world.serve_and_look()
    await world.serve_and_look()
    assert world.says("AwaitingApproval")[0] == "True"
    assert world.says("Ready")[:2] == ("False", "AwaitingApproval")
    await world.approve("desk-0000000000", 1)
    assert "stale" in world.says("Progressing")[2]
    await world.approve(candidate, 0)
    assert world.weight == 60
    await world.approve(candidate, 1)

    assert world.entry.revision == candidate
    assert world.status["rollout"]["approvedBy"] == ["ada"]


async def test_who_waits_for_an_approval_waits_on_after_a_restart(world: World) -> None:
    """What was counted is lost, and not needed: the step was over. It is told once."""
    steps = [{**STEPS[0], "approval": True}, STEPS[1]]
    await world.edit("b", rollout={**ROLLOUT, "steps": steps})
    candidate = world.entry.candidate.revision
    await world.serve_and_look()
    assert world.says("AwaitingApproval")[0] == "True"
    world.router.silent = True
    world.begin()
    await world.reconcile()
    await world.look(4)
    assert world.says("AwaitingApproval")[0] == "True"
    world.router.silent = False
    await world.look(4)
    assert world.says("AwaitingApproval")[0] == "True"
    await world.approve(candidate, 0)

    assert world.weight == 60
    assert world.events() == ["RolloutBegun", "RolloutAwaitingApproval", "RolloutStep"]


async def test_pause_promote_and_abort(world: World) -> None:
    """Each is an annotation; the last word counts."""
    await world.edit("b")
    candidate = world.entry.candidate.revision
    await world.say(paused="true")
    assert world.says("Progressing")[1] == "RolloutPaused"
    await world.serve_and_look()
    assert world.weight == 20
    await world.say(paused="perhaps")
    assert 'neither "true" nor "false"' in world.says("Progressing")[2]
    await world.say(paused=None, abort=candidate)
    assert world.says("RolledBack")[:2] == ("True", "AbortRequested")
    await world.say(abort=candidate, retry=candidate)
    assert world.weight == 20, "the abort was for the rollout before"
    await world.say(promote=candidate)
    assert world.entry.revision == candidate
    assert world.says("Promoted")[:2] == ("True", "AnalysisSkipped")


async def test_no_traffic_pauses_for_a_person(world: World) -> None:
    """Inconclusive is neither promoted nor rolled back."""
    await world.edit("b")
    await world.look(620)

    assert world.says("Progressing")[:2] == ("False", "Inconclusive")
    assert world.weight == 20


async def test_a_silent_router_is_not_verified(world: World) -> None:
    """The clock of the step does not begin."""
    world.router.silent = True
    await world.edit("b")
    await world.serve_and_look()

    assert world.weight == 20
    assert world.status["rollout"]["weights"] == {"desired": 20, "verified": 0}
    world.router.silent = False
    await world.look(14)
    assert world.weight == 60


async def test_a_router_that_refuses_the_candidate_is_named(world: World) -> None:
    """Nobody would know why it does not go on."""
    world.router.refuses = "backend x is not in the policy's blob"
    await world.edit("b")
    await world.serve_and_look()

    assert world.weight == 20
    assert "r1 refuses it: backend x" in world.says("Progressing")[2]


async def test_a_model_name_stays_its_own_until_the_end(world: World) -> None:
    """A younger policy gets a name that the candidate gives up when it is promoted, not before."""
    await world.edit("a", rollout=None, model_names=("auto", "old"))
    await world.edit("b", model_names=("auto",))
    young = policy("young", model_names=("old",), created="2026-02-01T00:00:00Z")
    world.api.put(young)
    await world.controller.reconcile()
    assert world.names() == {"desk": ("auto", "old")}
    await world.serve_and_look()
    await world.serve_and_look()
    await world.look(4)

    assert world.names() == {"desk": ("auto",), "young": ("old",)}


@pytest.mark.slow
async def test_more_rollouts_than_fit_wait_for_their_turn() -> None:
    """Each is compiled at each look, and stored with the table."""
    world = World(most_each=MOST + 2)
    many = [f"p{number:02}" for number in range(MOST + 2)]
    for name in many:
        world.api.put(policy(name, model_names=(name,)))
    await world.controller.reconcile()
    for name in many:
        item = policy(name, model_names=(name,), default=route("b"), generation=2, rollout=ROLLOUT)
        world.api.put(item)
    await world.controller.reconcile()
    await world.controller.reconcile()
    stored = manifest(world.api)
    assert stored
    waiting = [one.name for one in stored.policies if one.candidate is None]
    status = world.api.stored["RoutingPolicy", waiting[0]]["status"]

    assert len(waiting) == 2
    assert status["rollout"]["phase"] == "Waiting"
    assert f"{MOST} other rollouts go on" in status["rollout"]["message"]
    assert_well_formed(status, generation=2)
    world.api.put(policy(many[0], model_names=(many[0],), generation=3))
    await world.controller.reconcile()
    assert world.due
    await world.controller.reconcile()
    stored = manifest(world.api)
    assert stored
    assert sum(one.candidate is None for one in stored.policies) == 2


@pytest.mark.slow
async def test_counts_are_written_each_15_s_at_most(world: World) -> None:
    """They change all the time, and each status is a write."""
    await world.edit("b", rollout={"steps": [{**STEPS[0], "minRequests": 100_000}]})
    world.writes.clear()
    for _ in range(30):
        world.serve(10)
        await world.look()
        await world.reconcile()

    assert 2 <= world.writes.count("status RoutingPolicy") <= 5
    assert "replace ConfigMap" not in world.writes


async def test_two_revisions_and_the_wanted_history_are_kept(world: World) -> None:
    """revisionHistoryLimit counts what is in force neither way."""
    rollout = {**ROLLOUT, "revisionHistoryLimit": 1}
    for name in "bcbcb":
        await world.edit(name, rollout=rollout, model_names=("auto", f"x{world.writes.__len__()}"))
    kept = {name for kind, name in world.api.stored if kind == "ControllerRevision"}

    assert world.entry.revision in kept
    assert world.entry.candidate.revision in kept
    assert len(kept) == 3


async def test_who_only_looks_does_not_keep_counts_from_being_told(world: World) -> None:
    """As a console does each second: what it saw is news for the status all the same."""
    await world.edit("b", rollout={"steps": [{**STEPS[0], "minRequests": 100_000}]})
    await world.look()
    world.writes.clear()
    world.serve(10)
    await world.look()
    world.now_s += TOLD_S
    assert world.roller.standing("desk")
    await world.look()

    assert world.writes.count("status RoutingPolicy") == 1
