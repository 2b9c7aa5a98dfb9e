"""Rollouts that are replayed first, from the edit to the end, with the API server in memory."""

import json
from typing import Any

import pytest

from pointsman.operator.controllers.replaying import GIVES_UP_S
from pointsman.operator.plan.rollout.replaying import DEADLINE_S
from tests.operator.rollout.replays import chats
from tests.operator.rollout.world import ROLLOUT, World

pytestmark = pytest.mark.usefixtures("logged")
REPLAYED = {**ROLLOUT, "replay": {"minRequests": 50}}
PRICES = {"a": "1", "b": "2", "c": "1"}
ANNOTATION = "pointsman.dev/replay"


@pytest.fixture
async def world() -> World:
    """Revision at `a` is in force; b costs twice as much, c the same."""
    made = World()
    for name, price in PRICES.items():
        item = made.api.stored["ModelBackend", name]
        cost = {"inputPerMillion": price, "outputPerMillion": price}
        made.api.put({**item, "spec": {**item["spec"], "cost": cost}})
    await made.edit("a")
    made.recent = chats(revision=made.entry.revision)
    return made


def noted(world: World, revision: str) -> dict[str, Any]:
    item = world.api.stored["ControllerRevision", revision]
    found: dict[str, Any] = json.loads(item["metadata"]["annotations"][ANNOTATION])
    return found


async def test_a_candidate_that_would_cost_twice_as_much_gets_no_traffic(world: World) -> None:
    """It is rolled back before any router knows of it; status, Event and revision say why."""
    stable = world.entry.revision
    await world.edit("b", rollout=REPLAYED)
    assert (world.entry.revision, world.entry.candidate) == (stable, None)
    assert world.status["rollout"]["phase"] == "Progressing"
    assert world.says("Ready")[:2] == ("False", "RolloutInProgress")
    assert "recent requests are replayed" in world.says("Progressing")[2]
    candidate = world.status["rollout"]["revision"]
    await world.replay()

    assert set(world.weights) == {0}, "no table ever had a weight for it"
    assert world.entry.candidate is None
    assert world.says("RolledBack")[:2] == ("True", "ReplayFailed")
    assert world.says("Ready")[:2] == ("False", "RolledBack")
    told = world.status["rollout"]["replay"]
    assert (told["verdict"], told["costPercent"], told["movedPercent"]) == (
        "Fail",
        "100.0",
        "100.0",
    )
    assert told["byBackend"] == [
        {"name": "a", "before": 400, "after": 0}, {"name": "b", "before": 0, "after": 400}
    ]  # fmt: skip
    assert noted(world, candidate) == told
    assert world.events() == ["RolloutBegun", "RolloutAborted"]
    writes = len(world.writes)
    await world.look(60)
    await world.reconcile()
    assert len(world.writes) == writes, "what has ended writes nothing any more"


async def test_a_good_candidate_goes_on_to_its_steps(world: World) -> None:
    """And is replayed once, whoever looks again."""
    await world.edit("c", rollout=REPLAYED)
    await world.replay()
    assert world.weight == 20
    assert world.status["rollout"]["replay"]["verdict"] == "Pass"
    assert world.events() == ["RolloutBegun", "RolloutReplayed"]
    world.begin()
    await world.reconcile()
    for _ in range(4):
        if world.weight:
            await world.serve_and_look(2000)
    assert world.says("Promoted")[:2] == ("True", "AnalysisPassed")
    assert world.status["rollout"]["replay"]["verdict"] == "Pass"
    assert len(world.replays) == 1


async def test_another_operator_replays_what_has_no_result(world: World) -> None:
    """One that ended before its result was stored leaves nothing behind."""
    await world.edit("b", rollout=REPLAYED)
    world.begin()
    await world.reconcile()
    await world.replay()
    assert world.says("RolledBack")[:2] == ("True", "ReplayFailed")
    world.begin()
    world.recent = []
    await world.reconcile()
    await world.look(20)
    assert world.says("RolledBack")[:2] == ("True", "ReplayFailed"), "a result stays"


async def test_a_retry_and_another_edit_are_replayed_anew(world: World) -> None:
    """A result is of one rollout."""
    recent = world.recent
    await world.edit("b", rollout=REPLAYED)
    candidate = world.status["rollout"]["revision"]
    await world.replay()
    world.recent = []
    world.now_s += 1
    await world.say(retry=candidate)
    assert world.weight == 0
    assert "replay" not in world.status["rollout"]
    await world.replay()
    assert world.status["rollout"]["replay"]["verdict"] == "Inconclusive"
    assert world.weight == 20
    world.recent = recent
    await world.edit("c", rollout=REPLAYED)
    assert world.weight == 0
    await world.replay()
    assert world.status["rollout"]["replay"]["verdict"] == "Pass"


async def test_without_traffic_it_goes_on_and_says_so(world: World) -> None:
    """Inconclusive stops nothing, unless the spec says so."""
    world.recent = []
    await world.edit("b", rollout=REPLAYED)
    await world.replay()
    assert world.weight == 20
    assert world.record is not None
    assert world.record.rollout.reason == "ReplayInconclusive"
    told = world.status["rollout"]["replay"]
    assert (told["verdict"], told["requests"]) == ("Inconclusive", 0)
    replay = {**REPLAYED["replay"], "onInconclusive": "Abort"}
    await world.edit("c", rollout={**ROLLOUT, "replay": replay})
    await world.replay()
    assert world.says("RolledBack")[:2] == ("True", "ReplayInconclusive")
    assert world.weight == 0


async def test_a_ledger_that_is_away_holds_up_a_rollout_for_a_while(world: World) -> None:
    """Then it goes on without, and says why."""
    world.recent = None
    await world.edit("b", rollout=REPLAYED)
    await world.replay()
    assert world.weight == 0
    await world.look(GIVES_UP_S)
    await world.replay()
    assert world.status["rollout"]["replay"]["verdict"] == "Error"
    assert world.status["rollout"]["replay"]["message"] == "the ledger is away"
    assert world.weight == 20


async def test_a_replay_that_never_ends_is_not_waited_for(world: World) -> None:
    """Whatever hangs: the clock of the rollout decides."""
    await world.edit("b", rollout=REPLAYED)
    await world.look(DEADLINE_S + 2)
    assert world.status["rollout"]["replay"]["message"] == "no result in 300 s"
    assert world.weight == 20


async def test_orders_are_heard_before_the_replay_is_done(world: World) -> None:
    """Pause holds it without traffic, promote skips it, abort ends it."""
    await world.edit("b", rollout=REPLAYED)
    candidate = world.status["rollout"]["revision"]
    await world.say(paused="true")
    assert world.says("Progressing")[1] == "RolloutPaused"
    await world.replay()
    assert world.weight == 0
    await world.say(paused=None)
    await world.look()
    assert world.says("RolledBack")[:2] == ("True", "ReplayFailed")
    world.now_s += 1
    await world.say(retry=candidate)
    await world.say(promote=candidate)
    assert world.says("Promoted")[:2] == ("True", "AnalysisSkipped")
    await world.edit("c", rollout=REPLAYED)
    await world.say(abort=world.status["rollout"]["revision"])
    assert world.says("RolledBack")[:2] == ("True", "AbortRequested")
    assert set(world.weights) == {0}


async def test_a_price_that_changes_meanwhile_counts(world: World) -> None:
    """The replay is of the backends of now, not of those when it was asked for."""
    await world.edit("c", rollout=REPLAYED)
    item = world.api.stored["ModelBackend", "c"]
    cost = {"inputPerMillion": "9", "outputPerMillion": "9"}
    world.api.put({**item, "spec": {**item["spec"], "cost": cost}})
    await world.reconcile()
    await world.replay()
    assert world.says("RolledBack")[:2] == ("True", "ReplayFailed")
