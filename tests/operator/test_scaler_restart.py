"""What a scaled backend keeps when the operator that scales it dies, at any moment."""

from typing import Any

import pytest

from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Waiting
from tests.operator.scaled import World

pytestmark = pytest.mark.usefixtures("logged")


@pytest.mark.slow
@pytest.mark.parametrize("away_s", [2.0, 400.0, 90_000.0])
@pytest.mark.parametrize("memory", [True, False])
async def test_a_restart_never_scales_down_by_itself(
    world: World, away_s: float, memory: bool
) -> None:
    """Also when no load came after it: the delays begin anew, whatever is remembered."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high, history = world.replicas, world.status["scalingHistory"]
    assert high > 2
    world.now_s += away_s
    if not memory:
        del world.status["scalingMemory"]
    world.begin()
    world.load, world.finished = 0, 0  # the routers began anew, too
    await world.reconcile()
    await world.pass_time(58)

    assert world.replicas == high
    assert world.status["scalingHistory"] == history
    await world.pass_time(600)
    assert world.replicas == 1


async def test_a_long_delay_outlives_a_restart_of_any_length() -> None:
    """Ten minutes mean ten minutes of the new process, not what is left of the old one's."""
    world = World(scaleDownDelaySeconds=600)
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    world.now_s += 550
    world.begin()
    await world.reconcile()
    await world.pass_time(590, load=0)
    assert world.replicas == high
    await world.pass_time(60)
    assert world.replicas == 2, "the last one above the need stays four times as long"


async def test_an_operator_that_dies_before_status_leaves_the_reason_behind(world: World) -> None:
    """The record is on the Deployment, in the write that changed the replicas."""
    await world.reconcile()

    def die(what: str, kind: Kind) -> None:
        if what == "status":
            raise Waiting("died")

    world.api.hook = die
    with pytest.raises(Waiting):
        await world.pass_time(20, load=30)
    raised = world.replicas
    assert raised > 1
    assert "lastScale" not in world.status
    world.api.hook = lambda *_: None
    world.begin()
    await world.reconcile()

    assert world.status["lastScale"]["desired"] == world.replicas >= raised
    assert world.status["lastScale"]["previous"] == 1


async def test_an_apply_whose_answer_was_lost_was_nobody_elses(world: World) -> None:
    """The Deployment has our record: nobody is accused."""
    await world.reconcile()
    apply = world.api.apply

    async def apply_and_die(kind: Kind, body: Any, *, force: bool) -> Any:
        await apply(kind, body, force=force)
        raise Waiting("no answer")

    world.api.apply = apply_and_die  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        await world.pass_time(20, load=30)
    world.api.apply = apply  # type: ignore[method-assign]
    assert world.replicas > 1
    await world.reconcile()

    assert world.status["lastScale"]["previous"] == 1
    assert [reason for reason, _ in world.events() if reason == "Overwritten"] == []
