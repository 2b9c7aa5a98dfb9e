"""A rollout with a shadow from the edit to its end, with the API server in memory."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from msgspec import structs

from pointsman.api.pairs import Pair, Pairs
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Waiting
from tests.operator.objects import backend
from tests.operator.rollout.replays import chats
from tests.operator.rollout.unseen import QUESTION, failed, pair, prefers
from tests.operator.rollout.world import ROLLOUT, World
from tests.support.conditions import assert_well_formed

pytestmark = pytest.mark.usefixtures("logged")
SHADOWED: Mapping[str, Any] = {
    **ROLLOUT,
    "shadow": {"percent": 30, "minPairs": 50, "maxSpend": "2", "deadline": "10m"},
}


@pytest.fixture
async def world() -> World:
    """The first revision is in force; there is a judge."""
    made = World()
    made.api.put(backend("judge"))
    await made.edit("a")
    return made


def tell(world: World, *pairs: Pair, router: str = "r1", **more: Any) -> None:
    """The router has these."""
    entry = world.entry
    assert entry.candidate
    assert entry.candidate.shadow, "its shadow is over"
    told = Pairs(
        stable=entry.revision,
        candidate=entry.candidate.revision,
        since_ms=1,
        began_ms=entry.candidate.shadow.began_ms,
        pairs=pairs,
    )
    world.unseen.tell("desk", structs.replace(told, **more), router)


async def test_a_good_candidate_begins_its_steps_after_its_shadow(world: World) -> None:
    """Nobody meets it before; what was compared stands in status to the end."""
    stable = world.entry.revision
    await world.edit("b", rollout=SHADOWED)
    assert (world.entry.revision, world.weight) == (stable, 0)
    told = world.entry.candidate.shadow
    assert (told.percent, told.max_spend_nano, told.currency) == (30, 2 * 10**9, "USD")
    assert world.says("Ready")[:2] == ("False", "RolloutInProgress")
    assert world.says("Progressing")[:2] == ("True", "RolloutInProgress")
    assert world.status["rollout"]["shadow"]["verdict"] == "Comparing"
    assert world.status["rollout"]["weights"]["desired"] == 0
    tell(world, *[pair()] * 20, equal={"Chat": 10}, spent_nano=10**9)
    await world.look(20)
    assert world.weight == 0
    found = world.status["rollout"]
    assert found["shadow"] == {
        "pairs": 30, "equal": 10, "spent": "1.00 USD", "verdict": "Comparing",
    }  # fmt: skip
    assert "30 % unseen" in found["message"]
    assert "30 of 50 pairs" in found["message"]
    tell(world, *[pair()] * 30, equal={"Chat": 10}, spent_nano=10**9)
    await world.look(4)
    assert world.weight == 20
    assert world.entry.candidate.shadow is None
    assert world.status["rollout"]["shadow"]["verdict"] == "Passed"
    await world.serve_and_look()
    await world.serve_and_look()
    assert world.status["activeRevision"] != stable
    assert world.says("Promoted")[:2] == ("True", "AnalysisPassed")
    assert world.status["rollout"]["shadow"]["pairs"] == 60
    assert world.events() == [
        "RolloutBegun", "RolloutShadowPassed", "RolloutStep", "RolloutPromoted",
    ]  # fmt: skip
    assert_well_formed(world.status, generation=2)


async def test_a_bad_candidate_is_rolled_back_with_no_caller_exposed(world: World) -> None:
    """It fails what the stable one answers."""
    stable = world.entry.revision
    await world.edit("b", rollout=SHADOWED)
    tell(world, *[failed()] * 40)
    await world.look(10)

    assert (world.entry.revision, world.entry.candidate) == (stable, None)
    assert world.says("RolledBack")[:2] == ("True", "GuardrailFailed")
    assert "Quality/Chat" in world.says("RolledBack")[2]
    assert world.status["rollout"]["shadow"] == {
        "pairs": 40, "equal": 0, "spent": "0.00 USD", "verdict": "Failed",
    }  # fmt: skip
    assert set(world.weights) == {0}
    world.begin()
    await world.look(20)
    await world.reconcile()
    assert world.entry.candidate is None
    assert world.status["rollout"]["shadow"]["pairs"] == 40
    assert_well_formed(world.status, generation=2)


async def test_worse_answers_are_found_by_a_judge(world: World) -> None:
    """Blind, with swapped places; the judge is pinned for it, and no text is stored anywhere."""
    judged = {**SHADOWED["shadow"], "judge": {"backendRef": {"name": "judge"}}}
    await world.edit("b", rollout={**SHADOWED, "shadow": judged})
    await world.look(2)
    assert world.entry.candidate.shadow.max_spend_nano == 10**9, "half is the judge's"
    world.unseen.judge = prefers("right")
    tell(world, *[pair(control="Declared right.", candidate="Declared wrong.")] * 45)
    await world.look(10)

    assert world.says("RolledBack")[:2] == ("True", "GuardrailFailed")
    assert {name for name, _ in world.unseen.asked} == {"judge"}
    everything = repr(world.api.stored)
    assert QUESTION not in everything
    assert "Declared" not in everything


async def test_a_judge_that_is_not_there_is_a_reference_that_does_not_resolve(
    world: World,
) -> None:
    """The spec is refused, by the field; what runs stays."""
    stable = world.entry.revision
    judged = {**SHADOWED["shadow"], "judge": {"backendRef": {"name": "nobody"}}}
    await world.edit("b", rollout={**SHADOWED, "shadow": judged})

    assert world.entry.revision == stable
    assert world.entry.candidate is None
    assert world.says("ResolvedRefs")[:2] == ("False", "BackendNotFound")
    assert "spec.rollout.shadow.judge.backendRef.name" in world.says("ResolvedRefs")[2]


async def test_without_traffic_a_person_has_to_say(world: World) -> None:
    """Promote, abort, or wait for pairs."""
    await world.edit("b", rollout=SHADOWED)
    await world.look(620)
    assert world.status["rollout"]["phase"] == "Paused"
    assert world.says("Progressing")[:2] == ("False", "Inconclusive")
    assert world.status["rollout"]["shadow"]["verdict"] == "Inconclusive"
    assert world.weight == 0
    candidate = world.entry.candidate.revision
    await world.say(promote=candidate)
    assert world.status["activeRevision"] == candidate


async def test_money_that_is_spent_decides_with_what_there_is(world: World) -> None:
    """30 pairs at least."""
    await world.edit("b", rollout=SHADOWED)
    tell(world, *[pair()] * 20, spent_up=True, spent_nano=2 * 10**9)
    await world.look(10)
    assert world.status["rollout"]["phase"] == "Paused"
    assert "which is all there is" in world.status["rollout"]["message"]
    tell(world, *[pair()] * 15, spent_up=True, spent_nano=2 * 10**9)
    await world.look(10)
    assert world.weight == 20


async def test_routers_are_told_to_stop_when_the_money_is_spent(world: World) -> None:
    """By the sum of all, also of those that are gone: new ones have no share of their own."""
    await world.edit("b", rollout=SHADOWED)
    for number in range(3):
        tell(world, *[pair()] * 5, spent_nano=7 * 10**8, router=f"r{number}")
        await world.look(20)
        del world.unseen.told["desk"][f"r{number}"]
    assert world.status["rollout"]["phase"] == "Paused"
    assert world.entry.candidate.shadow.max_spend_nano == 0
    assert world.entry.candidate.shadow.percent == 30
    tell(world, *[pair()] * 5, router="new")
    await world.look(40)
    assert world.entry.candidate.shadow.max_spend_nano == 0
    assert world.status["rollout"]["phase"] == "Paused"


async def test_money_that_is_spent_in_a_pause_is_told(world: World) -> None:
    """Its time was up first; it answers on while it waits for a person."""
    await world.edit("b", rollout=SHADOWED)
    await world.look(620)
    assert world.status["rollout"]["phase"] == "Paused"
    assert world.entry.candidate.shadow.max_spend_nano == 2 * 10**9
    tell(world, *[pair()] * 5, spent_nano=2 * 10**9)
    await world.look(20)
    assert world.entry.candidate.shadow.max_spend_nano == 0


async def test_each_part_of_the_money_is_a_bound_of_its_own(world: World) -> None:
    """What answers cost is not taken from the judge's half."""
    judged = {**SHADOWED["shadow"], "judge": {"backendRef": {"name": "judge"}}}
    await world.edit("b", rollout={**SHADOWED, "shadow": judged})
    tell(world, *[pair()] * 5, spent_nano=10**9 - 1)
    await world.look(20)
    assert world.entry.candidate.shadow.max_spend_nano == 10**9
    tell(world, spent_nano=10**9)
    await world.look(20)
    assert world.entry.candidate.shadow.max_spend_nano == 0


@pytest.mark.parametrize("broken", ["the backend", "a write"])
async def test_what_fails_for_a_moment_loses_nothing_that_was_compared(
    world: World, broken: str
) -> None:
    """Neither the score nor what its judge has spent."""
    judged = {**SHADOWED["shadow"], "judge": {"backendRef": {"name": "judge"}}}
    world.api.put(backend("judge", cost={"inputPerMillion": "1", "outputPerMillion": "10"}))
    await world.edit("b", rollout={**SHADOWED, "shadow": judged})
    tell(world, *[pair()] * 20)
    await world.look(4)
    key = ("ModelBackend", "b")

    def no_room(what: str, kind: Kind) -> None:
        if (what, kind.name) == ("create", "ConfigMap"):
            raise Waiting("no room")

    before, found = world.shadower._watches["desk"].seen(), world.api.stored[key]
    assert before.shadowed.pairs == 20
    assert before.shadowed.spent_nano > 0
    if broken == "the backend":
        del world.api.stored[key]
    else:
        world.api.put(backend("b", cost={"inputPerMillion": "1", "outputPerMillion": "1"}))
        world.api.hook = no_room
    for _ in range(2):
        with suppress(ExceptionGroup):
            await world.controller.reconcile()
    assert world.pins._asked["shadow"] == {"judge"}
    world.api.hook = lambda _what, _kind: None
    world.api.put(found)
    await world.reconcile()
    assert world.shadower._watches["desk"].seen() == before
    await world.look(20)
    assert world.status["rollout"]["shadow"]["pairs"] == 20


async def test_a_router_that_knows_no_shadow_stops_its_clock(world: World) -> None:
    """An older one, in the middle of an upgrade."""
    world.router.shadowless = True
    await world.edit("b", rollout=SHADOWED)
    await world.look(700)
    assert world.status["rollout"]["phase"] == "Progressing"
    assert "do not all have" in world.status["rollout"]["message"]
    world.router.shadowless = False
    await world.look(700)
    assert world.status["rollout"]["phase"] == "Paused"


async def test_an_operator_that_is_killed_compares_anew_and_takes_no_step_twice(
    world: World,
) -> None:
    """After its shadow has passed it stays passed."""
    await world.edit("b", rollout=SHADOWED)
    tell(world, *[pair()] * 40)
    await world.look(10)
    world.begin()
    await world.reconcile()
    await world.look(4)
    assert world.weight == 0
    tell(world, *[pair()] * 50)
    await world.look(10)
    assert world.weight == 20
    world.begin()
    await world.reconcile()
    await world.look(10)
    assert world.weight == 20
    assert world.status["rollout"]["shadow"]["verdict"] == "Passed"


async def test_a_replay_comes_first_and_steps_come_last(world: World) -> None:
    """No router knows of it before its replay, no caller before its shadow has passed."""
    world.recent = chats(revision=world.entry.revision)
    await world.edit("b", rollout={**SHADOWED, "replay": {"minRequests": 50}})
    before = world.entry.candidate
    assert before is None
    assert "recent requests are replayed" in world.status["rollout"]["message"]
    await world.replay()
    assert world.status["rollout"]["replay"]["verdict"] == "Pass"
    assert (world.weight, world.entry.candidate.shadow.percent) == (0, 30)
    tell(world, *[pair()] * 50)
    await world.look(6)
    assert (world.weight, world.entry.candidate.shadow) == (20, None)
    assert world.events()[:3] == ["RolloutBegun", "RolloutReplayed", "RolloutShadowPassed"]
