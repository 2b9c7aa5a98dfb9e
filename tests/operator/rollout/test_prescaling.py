"""Replicas first: a step's weight is not in force before its backends can serve it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.rollout.prescaling import SILENT, Changes, Needs, needs
from pointsman.operator.plan.shifting import Capacity, Load, Move, Scene
from tests.operator.objects import backend, policy, route, rule
from tests.operator.rollout.world import ROLLOUT, World
from tests.support.conditions import assert_well_formed

pytestmark = pytest.mark.usefixtures("logged")
SCALING = {"minReplicas": 0, "maxReplicas": 8, "targetRequests": 8}
MINUTES = 600


@pytest.fixture
async def world() -> World:
    """All goes to `a`, which has 40 requests; `b` has no replicas."""
    made = World()
    made.api.put(*(backend(name, scaling=SCALING, activation={}) for name in "ab"))
    made.ready, made.router.load = {"a": 8, "b": 0}, {"a": 40}
    await made.edit("a")
    await made.look(10)
    return made


def well_formed(world: World) -> None:
    generation = world.api.stored["RoutingPolicy", "desk"]["metadata"]["generation"]
    assert_well_formed(world.status, generation=generation)


async def test_replicas_come_before_each_weight(world: World) -> None:
    """Nothing is sent before they are ready; at the end the floor is given back."""
    stable = world.entry.revision
    await world.edit("b")
    assert (world.entry.revision, world.weight) == (stable, 0)
    assert world.entry.candidate is None
    assert world.status["candidateRevision"] != stable
    assert world.says("Progressing")[:2] == ("True", "WaitingForCapacity")
    assert "before 20 %: b has 0 of 2 replicas ready" in world.says("Progressing")[2]
    assert world.roller.floor("b") == 2
    assert world.roller.floor("a") == 0
    well_formed(world)
    world.ready["b"] = 1
    await world.look(20)
    assert world.weight == 0
    world.ready["b"] = 2
    await world.look()
    assert world.weight == 20
    assert world.roller.floor("b") == 2

    world.router.load = {"a": 38, "b": 10}
    await world.serve_and_look()
    await world.look(60)
    assert world.weight == 20
    assert world.says("Progressing")[:2] == ("True", "WaitingForCapacity")
    assert "before 60 %" in world.says("Progressing")[2]
    ahead = world.roller.floor("b")
    assert ahead > 3
    world.ready["b"] = ahead
    await world.look()
    assert world.weight == 60

    await world.serve_and_look()
    assert world.says("Promoted")[0] == "True"
    assert world.roller.floor("b") == 0, "now it is the shift's"
    assert world.events() == ["RolloutBegun", "RolloutStep", "RolloutPromoted"]


@pytest.mark.parametrize("order", ["abort", "paused", "edit"])
async def test_whoever_takes_it_back_gives_replicas_back(world: World, order: str) -> None:
    """An abort, a pause before the first weight, and the old spec."""
    await world.edit("b")
    assert world.roller.floor("b") == 2
    if order == "edit":
        await world.edit("a")
    else:
        said = {"abort": world.status["candidateRevision"], "paused": "true"}
        await world.say(**{order: said[order]})

    assert world.roller.floor("b") == 0
    assert world.weight == 0
    well_formed(world)


async def test_a_server_that_does_not_start_is_told_and_then_a_person_is_asked(
    world: World,
) -> None:
    """Traffic stays as it is, also after the deadline; it goes on by itself when mended."""
    await world.edit("b")
    broken = world.api.stored["ModelBackend", "b"]
    failure = {"pod": "b-1", "reason": "ImagePullBackOff", "message": "no such image"}
    world.api.put({**broken, "status": {"lastFailure": failure}})
    await world.reconcile()
    await world.look(20)
    assert "(ImagePullBackOff)" in world.says("Progressing")[2]
    await world.look(MINUTES)
    assert world.says("Progressing")[:2] == ("False", "DeadlineExceeded")
    assert world.says("Ready")[0] == "False"
    assert world.status["rollout"]["phase"] == "Paused"
    assert (world.weight, world.roller.floor("b")) == (0, 2)
    assert world.events() == ["RolloutBegun", "RolloutPaused"]
    well_formed(world)
    world.ready["b"] = 2
    await world.look()

    assert world.weight == 20


async def test_the_clock_of_a_step_begins_with_its_weight(world: World) -> None:
    """What was waited for replicas is no time of the step."""
    await world.edit("b")
    await world.look(300)
    world.ready["b"] = 2
    await world.look()
    world.serve(0)
    await world.look()
    world.serve(600)
    await world.look(6)
    assert world.record is not None
    assert (world.weight, world.record.rollout.step) == (20, 0), "8 of 10 s"


async def test_a_silent_router_leaves_everything_as_it_is(world: World) -> None:
    """No data is no reason to send more, nor to take replicas away."""
    await world.edit("b")
    world.router.load = None
    world.ready["b"] = 8
    await world.look(60)

    assert world.weight == 0
    assert SILENT in world.says("Progressing")[2]
    assert world.roller.floor("b") == 2


async def test_another_process_waits_as_well(world: World) -> None:
    """It does not take what it has not looked at for ready."""
    await world.edit("b")
    world.ready.pop("b")
    world.begin()
    await world.reconcile()
    await world.look(20)

    assert world.weight == 0
    assert "b has 0 of" in world.says("Progressing")[2]


async def test_nobody_waits_for_what_is_not_scaled_here() -> None:
    """A fixed count, a Service or a URL: its capacity is not the operator's."""
    world = World()
    world.router.load = {"a": 480}
    await world.edit("a")
    await world.edit("b")

    assert world.weight == 20


async def test_a_rule_that_may_match_more_counts_for_all(world: World) -> None:
    """What comes by it was not counted before: its part of everything is the most it can be."""
    await world.edit("a", rules=(rule("code", {"task": ["Coding"]}, "b"),))
    assert world.roller.floor("b") == 2


async def test_an_approval_comes_before_replicas(world: World) -> None:
    """Nobody pays for servers that wait for a person; the yes is heard once."""
    world.ready["b"] = 2
    steps = [{**ROLLOUT["steps"][0], "approval": True}, ROLLOUT["steps"][1]]
    await world.edit("b", rollout={**ROLLOUT, "steps": steps})
    candidate = world.entry.candidate.revision
    await world.serve_and_look()
    assert world.says("AwaitingApproval")[0] == "True"
    assert world.roller.floor("b") == 2
    await world.approve(candidate, 0)
    assert world.says("Progressing")[1] == "WaitingForCapacity"
    assert world.roller.floor("b") > 2
    well_formed(world)
    world.ready["b"] = 8
    await world.look()

    assert world.weight == 60
    assert world.status["rollout"]["approvedBy"] == ["ada"]


MOVE = Move("desk", "default", {"a": 1.0}, {"b": 1.0}, True)
CHANGES = Changes((MOVE,), frozenset("ab"))


def scene(load: float, *, own: float = 0.0, ready: int = 0, most: int = 100) -> Scene:
    loads = {"a": Load(load, load), "b": Load(own, own)}
    return Scene({"b": Capacity(ready, 8, 0, most)}, frozenset(), loads)


@given(
    load=st.floats(0, 5000), own=st.floats(0, 500), most=st.integers(1, 60),
    weights=st.lists(st.integers(1, 99), min_size=2, max_size=4, unique=True).map(sorted),
)  # fmt: skip
def test_more_weight_never_needs_less(
    load: float, own: float, most: int, weights: list[int]
) -> None:
    """At least one, at most what its owner allows; and who has it all waits for nothing."""
    before = 0
    for weight in weights:
        found = needs(CHANGES, scene(load, own=own, most=most), percent=0, ahead=weight)
        count = found.ahead["b"]
        assert 1 <= count <= most
        assert count >= before
        assert found.now == {}
        assert found.short
        there = scene(load, own=own, ready=count, most=most)
        assert not needs(CHANGES, there, percent=0, ahead=weight).short
        less = scene(load, own=own, ready=count - 1, most=most)
        assert needs(CHANGES, less, percent=0, ahead=weight).short
        before = count


def test_a_router_that_knows_no_endpoint_cannot_send() -> None:
    """Ready for the operator is not ready for all."""
    there = replace(scene(16, ready=8), unreached=frozenset("b"))

    assert "b has 0 of" in needs(CHANGES, there, percent=0, ahead=20).short


def test_what_was_needed_last_is_needed_while_nobody_tells() -> None:
    """And one at least, where nobody has told anything yet."""
    silent = replace(scene(16, ready=8), loads=None)
    last = Needs({"b": 3}, {"b": 5})
    assert needs(CHANGES, silent, percent=20, ahead=60, last=last) == Needs(
        last.now, last.ahead, SILENT
    )
    assert needs(CHANGES, silent, percent=20, ahead=60).now == {"b": 1}
    assert needs(CHANGES, silent, percent=0, ahead=20).now == {}


def test_the_last_step_waits_for_nothing() -> None:
    """After it is the promotion, and that is a shift."""
    assert needs(CHANGES, scene(480), percent=60, ahead=None).short == ""


async def test_a_policy_beside_it_has_no_part_in_it(world: World) -> None:
    """Another policy's load on `a` is not sent to `b`."""
    world.api.put(policy("other", model_names=("other",), default=route("a")))
    world.router.told = {
        "desk": {"default": {"a": (10, 10.0)}},
        "other": {"default": {"a": (90, 90.0)}},
    }
    await world.reconcile()
    world.router.told = {
        "desk": {"default": {"a": (110, 110.0)}},
        "other": {"default": {"a": (990, 990.0)}},
    }
    await world.look()
    await world.edit("b")

    assert world.roller.floor("b") == 1
