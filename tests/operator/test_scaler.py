"""The scaling of a backend from load to Deployment and status, on a clock of its own."""

import asyncio
from typing import Any

import pytest

from pointsman.api.table import Order
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Stalled
from pointsman.operator.plan.scaling_status import record_on
from tests.operator.scaled import SCALING, World, metric

pytestmark = pytest.mark.usefixtures("logged")


async def test_replicas_follow_the_load_and_status_says_why(world: World) -> None:
    """One at first, three under load; the Deployment is written, the ModelBackend's spec never."""
    await world.reconcile()
    assert world.replicas == 1
    assert "lastScale" not in world.status
    await world.pass_time(60, load=16)

    last = world.status["lastScale"]
    assert world.replicas == last["desired"] > 2
    assert last["previous"] < last["desired"]
    assert last["reason"] in {"LoadRose", "Panic"}
    assert last["observed"] == 16
    assert "16 in flight" in last["message"]
    assert world.status["queueDepth"] == 10
    assert world.active() == ("True", "FollowsLoad")
    assert "replicas" not in world.item["spec"]
    assert any(reason == last["reason"] for reason, _ in world.events())
    assert metric("queue_depth") == 16


async def test_less_load_takes_them_away_after_the_delay(world: World) -> None:
    """Down to the minimum, each step in the history."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    await world.pass_time(40, load=0)
    assert world.replicas == high
    await world.pass_time(600)

    assert world.replicas == 1
    history = world.status["scalingHistory"]
    assert history[0] == world.status["lastScale"]
    assert history[0]["desired"] == 1
    assert [one["previous"] for one in history[:-1]] == [one["desired"] for one in history[1:]]


@pytest.mark.slow
async def test_a_settled_backend_without_traffic_is_not_written(world: World) -> None:
    """Not by the scaler, nor by any resync."""
    await world.reconcile()
    await world.pass_time(120)
    world.writes.clear()
    for _ in range(10):
        await world.pass_time(300)
        await world.reconcile()

    assert world.writes == []


async def test_a_minimum_of_one_needs_nobodys_word(world: World) -> None:
    """Routers are not asked to hold requests for a server that stays."""
    world.holding = False
    await world.reconcile()
    await world.pass_time(30, load=1)
    await world.pass_time(900, load=0)

    assert world.replicas == 1
    assert not world.orders.is_meant("a")


@pytest.mark.slow
async def test_a_restless_load_costs_four_writes_a_minute(world: World) -> None:
    """Between two steps of the shown queue at each decision, with a reconcile at each, too."""
    world.put(scaling={**SCALING, "minReplicas": 4})
    await world.reconcile()
    await world.pass_time(30, load=1)
    world.writes.clear()
    for second in range(0, 600, 2):
        await world.pass_time(2, load=1 + second % 4)
        await world.reconcile()

    assert set(world.writes) == {"status ModelBackend"}
    assert 0 < len(world.writes) <= 40


async def test_a_load_that_ends_while_status_is_written_is_told_later(world: World) -> None:
    """What was written is what counts as said, not what was decided meanwhile."""
    await world.reconcile()
    await world.pass_time(30)
    write = world.api.apply_status

    async def slowly(kind: Kind, item: Any, status: Any) -> None:
        if status.get("queueDepth"):
            world.load = 0
            world.now_s += 2
            await world.scaler.tick(["a"])
        await write(kind, item, status)

    world.api.apply_status = slowly  # type: ignore[method-assign]
    await world.pass_time(2, load=5)
    assert world.status["queueDepth"] == 5
    await world.pass_time(20)

    assert world.status["queueDepth"] == 0


async def test_a_status_that_was_edited_is_mended(world: World) -> None:
    """By the next resync: nothing that anybody wrote is believed."""
    await world.reconcile()
    await world.pass_time(30)
    world.status["queueDepth"] = 99
    world.status["conditions"] = [
        c for c in world.status["conditions"] if c["type"] != "ScalingActive"
    ]
    await world.reconcile()

    assert world.status["queueDepth"] == 0
    assert world.active() == ("True", "FollowsLoad")


async def test_a_steady_load_writes_its_memory_each_minute(world: World) -> None:
    """What a restart needs is never much older; nothing else is news."""
    await world.reconcile()
    await world.pass_time(120, load=3)
    world.writes.clear()
    await world.pass_time(600)

    assert set(world.writes) == {"status ModelBackend"}
    assert len(world.writes) <= 11


async def test_no_data_holds_and_is_said(world: World) -> None:
    """A silent router is not an idle one; what is said comes after 15 s, so no restart says it."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    await world.pass_time(10, load=None)
    assert world.active() == ("True", "FollowsLoad")
    await world.pass_time(900)

    assert world.replicas == high
    assert world.active() == ("False", "NoData")
    assert "queueDepth" not in world.status
    assert metric("queue_depth") is None
    await world.pass_time(20, load=16)
    assert world.active() == ("True", "FollowsLoad")


async def test_whatever_is_edited_the_replicas_stay(world: World) -> None:
    """A new argument is a new Deployment, with as many replicas and their reason as before."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high, last = world.replicas, world.status["lastScale"]
    deployment = {"engine": "Simulator", "args": ["--seed", "3"]}
    world.put(generation=2, scaling=SCALING, deployment=deployment)
    await world.reconcile()

    assert "--seed" in str(world.deployment["spec"]["template"])
    assert (world.replicas, world.status["lastScale"]) == (high, last)
    assert record_on(world.deployment) == last, "and the next process would know it"


async def test_a_change_of_scale_is_no_rollout(world: World) -> None:
    """Ready stays while the Deployment controller has not seen the new count; a new spec is one."""
    await world.reconcile()
    assert world.ready() == "False"
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    world.deployment["status"] = {"observedGeneration": 1, **dict.fromkeys(counts, 1)}
    await world.reconcile()
    assert world.ready() == "True"
    await world.pass_time(60, load=16)
    await world.reconcile()
    assert world.replicas > 1
    assert world.deployment["metadata"]["generation"] > 1
    assert world.ready() == "True"
    deployment = {"engine": "Simulator", "args": ["--seed", "3"]}
    world.put(generation=2, scaling=SCALING, deployment=deployment)
    await world.reconcile()

    assert world.ready() == "False"


async def test_new_bounds_hold_at_once(world: World) -> None:
    """A minimum is not a wish that waits for load, and a maximum not one that waits for a delay."""
    await world.reconcile()
    world.put(generation=2, scaling={**SCALING, "minReplicas": 3})
    await world.reconcile()
    assert world.replicas == 3
    assert world.status["lastScale"]["reason"] == "Bounds"
    world.put(generation=3, scaling={**SCALING, "maxReplicas": 2})
    await world.reconcile()

    assert world.replicas == 2


async def test_what_somebody_else_wrote_is_told(world: World) -> None:
    """An HPA on the Deployment itself, or a hand: an event says it, and the rules go on from it."""
    await world.reconcile()
    await world.pass_time(30)
    world.deployment["spec"]["replicas"] = 3
    await world.reconcile()
    assert ("Overwritten", "somebody else changed the Deployment's replicas: 1 to 3") in (
        world.events()
    )
    await world.pass_time(400)

    assert world.replicas == 1


@pytest.mark.parametrize("replicas", [2, 7])
async def test_external_follows_spec_replicas(world: World, replicas: int) -> None:
    """Whoever wrote them, at any time; what QueueDepth had said is gone."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    world.put(generation=2, scaling={"mode": "External"}, replicas=replicas)
    await world.reconcile()

    assert world.replicas == replicas
    assert world.active() == ("", "")
    assert not world.status.keys() & {"queueDepth", "lastScale", "scalingMemory"}
    await world.pass_time(60, load=90)
    assert world.replicas == replicas
    assert metric("desired_replicas") is None


async def test_a_deployment_that_is_somebody_elses_is_not_scaled(world: World) -> None:
    """The name is taken: whatever the load, it is left alone."""
    foreign = {"kind": "Deployment", "metadata": {"name": "a-model"}, "spec": {"replicas": 1}}
    world.api.put(foreign)
    await world.reconcile()
    await world.pass_time(60, load=90)

    assert world.replicas == 1
    assert world.active() == ("", "")
    assert metric("desired_replicas") is None


async def test_an_unknown_time_zone_is_the_backends_condition(world: World) -> None:
    """The pattern lets it through; the replicas stay as they are."""
    await world.reconcile()
    night = {"name": "n", "start": "22:00", "end": "06:00", "minReplicas": 2}
    world.put(generation=2, scaling={**SCALING, "schedules": [{**night, "timeZone": "Mars/Base"}]})
    await world.reconcile()

    ready = next(c for c in world.status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "timeZone" in ready["message"]
    assert world.replicas == 1


async def test_a_refused_event_stops_nothing(world: World) -> None:
    """Events are for reading; RBAC or a quota may forbid them."""
    await world.reconcile()

    def refuse(what: str, kind: Kind) -> None:
        if kind == kinds.EVENT:
            raise Stalled("403")

    world.api.hook = refuse
    await world.pass_time(60, load=16)

    assert world.replicas > 2
    assert world.events() == []


async def test_a_reconcile_that_fails_is_not_asked_for_at_each_decision(world: World) -> None:
    """It has a back-off of its own, which an event would end."""
    await world.reconcile()
    world.load = 30
    asked = 0
    for _ in range(15):
        world.now_s += 2
        await world.scaler.tick(["a"])
        asked += len(world.due)
        world.due.clear()

    assert 1 <= asked <= 5


async def test_a_jump_is_decided_on_before_the_next_tick(world: World) -> None:
    """Load beyond what is ready asks for a reconcile; the next tick here is in an hour."""
    asked = asyncio.Event()
    world.begin(on_due=lambda _: asked.set(), every_s=3600)
    await world.reconcile()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(world.scaler.run())
        await world.pass_time(40, load=8)
        asked.clear()
        world.now_s += 0.25
        world.load = 400
        world.scaler.on_load()
        await asked.wait()
        running.cancel()


@pytest.mark.slow
async def test_a_first_request_does_not_wait_for_others_load(world: World) -> None:
    """Lines of other backends come all the time; the median of seven is far below their 0.2 s."""
    found = []
    for _ in range(7):
        world.put(scaling={**SCALING, "minReplicas": 0}, activation={})
        world.load, asked = 0, asyncio.Event()
        world.begin(on_due=lambda _, asked=asked: asked.set(), every_s=3600)  # type: ignore[misc]
        await world.reconcile()
        assert world.replicas == 0
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            running = group.create_task(world.scaler.run())

            async def others() -> None:
                while True:
                    world.scaler.on_load()
                    await asyncio.sleep(0.005)

            noise = group.create_task(others())
            await asyncio.sleep(0.25)
            asked.clear()
            began_s, world.load = clock(), 1
            await asked.wait()
            found.append(clock() - began_s)
            running.cancel()
            noise.cancel()

    assert sorted(found)[3] < 0.08, found


async def test_load_that_the_ready_replicas_take_waits_for_the_tick(world: World) -> None:
    """A line of a router comes ten times a second: deciding at each would cost a core."""
    world.begin(every_s=3600)
    await world.reconcile()
    await world.pass_time(40, load=3)

    assert not world.scaler.jumped("a")
    world.load = 9
    assert world.scaler.jumped("a")
    await world.scaler.tick(["a"])
    assert not world.scaler.jumped("a"), "decided on already"


async def test_the_last_replica_goes_only_once_every_router_holds() -> None:
    """A router that does not confirm may send a request to it at any moment."""
    world = World(minReplicas=0)
    await world.reconcile()
    assert world.replicas == 0
    world.holding = False
    await world.pass_time(4, load=3)
    assert world.replicas == 1
    world.ready()
    await world.pass_time(1200, load=0)
    assert world.replicas == 1
    assert world.status["lastScale"]["desired"] == 1
    assert world.orders.is_meant("a")
    await world.pass_time(2, load=1)
    assert not world.orders.is_meant("a"), "who came in between waits for nothing"
    await world.pass_time(1200, load=0)
    assert world.orders.is_meant("a")
    world.holding = True
    world.orders.heard()
    assert world.due == ["a"]
    await world.pass_time(2)
    assert world.replicas == 0
    await world.pass_time(2, load=1)
    assert world.replicas == 1


async def test_no_data_never_scales_to_zero() -> None:
    """Nor does a restart of the operator."""
    world = World(minReplicas=0)
    await world.reconcile()
    await world.pass_time(4, load=3)
    world.ready()
    await world.pass_time(1200, load=None)
    world.begin()
    await world.reconcile()
    await world.pass_time(1200, load=None)
    assert world.replicas == 1


@pytest.mark.parametrize("activation", [{"activation": {}}, {}])
async def test_routers_hear_that_no_server_can_start(activation: dict[str, Any]) -> None:
    """Also of a backend that holds nobody: a route may pass it over (Unschedulable)."""
    world = World()
    world.put(**activation)
    await world.reconcile()
    failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    world.deployment["status"] = {"conditions": [failed]}
    await world.reconcile()
    assert world.orders._meant == {"a": Order(failure="FailedCreate")}
    world.deployment["status"] = {}
    await world.reconcile()
    assert world.orders._meant == {}
