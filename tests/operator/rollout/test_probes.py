"""Rollouts that nobody sends a request, from the edit to the end, with the API server in memory."""

import pytest

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan.rollout.state import Phase
from tests.operator.rollout.world import ROLLOUT, STEPS, World
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = pytest.mark.usefixtures("logged")
DEADLINE_S = 60
QUIET = {**ROLLOUT, "stepDeadline": "1m", "guardrails": {"maxQualityPoints": 5}}
ONE_STEP = {**QUIET, "steps": STEPS[:1]}
EVALUATION = {"suiteRef": {"name": "golden"}, "interval": "720h"}


@pytest.fixture
async def world() -> World:
    """A revision at `a` is in force; all backends have a suite."""
    made = World()
    for name in "abc":
        evaluate(made, name)
    await made.edit("a")
    return made


def evaluate(world: World, name: str, *, suite: bool = True) -> None:
    item = world.api.stored["ModelBackend", name]
    spec = {key: value for key, value in item["spec"].items() if key != "evaluation"}
    world.api.put({**item, "spec": spec | ({"evaluation": EVALUATION} if suite else {})})


def wanted(world: World) -> set[str]:
    return {name for name in "abc" if world.prober.wanted_ms(name)}


async def test_a_good_candidate_is_promoted_without_a_request(world: World) -> None:
    """Its golden prompts are asked for when the first step's time is up, and stand for the next."""
    await world.edit("b", rollout=QUIET)
    candidate = world.entry.candidate.revision
    await world.look(DEADLINE_S - 30)
    assert (wanted(world), world.weight) == (set(), 20)
    await world.look(40)
    assert wanted(world) == {"a", "b"}
    assert world.says("Progressing")[:2] == ("True", "WaitingForProbes")
    assert "golden prompts of a, b are awaited" in world.says("Progressing")[2]
    assert world.status["rollout"]["reason"] == "WaitingForProbes"
    world.now_s += 1
    world.golden("a", 90)
    assert wanted(world) == {"b"}
    world.golden("b", 91)
    await world.look(4)
    assert (wanted(world), world.weight) == (set(), 60)
    await world.look(DEADLINE_S + 10)

    assert (world.entry.revision, world.weight) == (candidate, 0)
    assert world.says("Promoted")[:2] == ("True", "ProbesPassed")
    assert "golden prompts" in world.says("Promoted")[2]
    assert world.events() == ["RolloutBegun", "RolloutProbing", "RolloutStep", "RolloutPromoted"]
    assert_well_formed(world.status, generation=2)
    assert unexplained("RoutingPolicy", world.status) == []


async def test_a_bad_candidate_is_rolled_back_without_a_request(world: World) -> None:
    """The condition, the findings and the Event say by what."""
    stable = world.entry.revision
    await world.edit("b", rollout=QUIET)
    world.now_s += 1
    world.golden("a", 90)
    world.golden("b", 70)
    await world.look(DEADLINE_S + 10)

    assert (world.entry.revision, world.weight) == (stable, 0)
    assert world.says("RolledBack")[:2] == ("True", "ProbesFailed")
    assert "Golden/Coding default: +20.0 points" in world.says("RolledBack")[2]
    found = {one["guardrail"]: one for one in world.status["rollout"]["findings"]}
    assert found["Golden/Coding"]["verdict"] == "Fail"
    assert world.events() == ["RolloutBegun", "RolloutAborted"]
    assert wanted(world) == set()


async def test_what_was_measured_before_the_edit_does_not_count(world: World) -> None:
    """Nor what another model of that backend answered."""
    await world.edit("b", rollout=QUIET)
    world.golden("a", 90)
    world.golden("b", 90)
    await world.look(DEADLINE_S)
    await world.edit("c", rollout=QUIET)
    await world.look(DEADLINE_S + 10)
    assert wanted(world) == {"a", "c"}
    world.golden("a", 90)
    world.golden("c", 90)
    item = world.api.stored["ModelBackend", "c"]
    world.api.put({**item, "spec": {**item["spec"], "model": "another"}})
    await world.reconcile()
    assert wanted(world) == {"c"}


async def test_a_suite_that_changed_in_between_is_asked_of_all_again(world: World) -> None:
    """Answers to other prompts are no comparison; who has the new ones is not asked twice."""
    await world.edit("b", rollout=QUIET)
    await world.look(DEADLINE_S + 10)
    world.now_s += 1
    world.golden("a", 90)
    world.now_s += 10
    world.golden("b", 90, content="c2")
    assert wanted(world) == {"a"}
    assert world.prober.wanted_ms("a") == int(world.now_s * 1000)
    await world.look(4)
    assert world.says("Progressing")[1] == "WaitingForProbes"
    world.golden("a", 90, content="c2")
    await world.look(4)
    assert (wanted(world), world.weight) == (set(), 60)


async def test_without_a_suite_it_pauses_and_says_so(world: World) -> None:
    """At its deadline; with a suite it goes on by itself."""
    evaluate(world, "b", suite=False)
    await world.edit("b", rollout=ONE_STEP)
    await world.look(DEADLINE_S + 10)
    assert world.says("Progressing")[:2] == ("False", "Inconclusive")
    assert "b: it has no EvaluationSuite (spec.evaluation)" in world.says("Progressing")[2]
    assert world.status["rollout"]["phase"] == "Paused"
    (paused,) = (i for (k, _), i in world.api.stored.items()
                 if k == "Event" and i["reason"] == "RolloutPaused")  # fmt: skip
    assert "it has no EvaluationSuite" in paused["note"]
    evaluate(world, "b")
    await world.reconcile()
    await world.look(10)
    assert world.says("Progressing")[1] == "WaitingForProbes"
    world.golden("a", 100)
    world.golden("b", 100)
    await world.look(4)
    assert world.says("Promoted")[:2] == ("True", "ProbesPassed")


async def test_why_nothing_is_run_is_the_reason_of_the_pause(world: World) -> None:
    """A suite that is not there is waited for by nobody; money may be there tomorrow."""
    said = Condition(
        type=ConditionType.EVALUATED, status=False, reason=Reason.SUITE_NOT_FOUND,
        message="there is no EvaluationSuite golden",
    )  # fmt: skip
    world.prober.evaluated = {"b": said}.get
    await world.edit("b", rollout=QUIET)
    await world.look(DEADLINE_S + 10)
    assert world.says("Progressing")[1] == "Inconclusive"
    assert "SuiteNotFound: there is no EvaluationSuite golden" in world.says("Progressing")[2]
    capped = Condition(
        type=ConditionType.EVALUATED, status=False, reason=Reason.SPEND_CAP_REACHED, message=""
    )
    world.prober.evaluated = {"b": capped}.get
    await world.look(10)
    assert world.says("Progressing")[1] == "WaitingForProbes"
    await world.look(DEADLINE_S + 10)
    assert world.says("Progressing")[1] == "Inconclusive"
    assert "b (SpendCapReached) are awaited; the time is up" in world.says("Progressing")[2]


async def test_a_new_operator_asks_once_more(world: World) -> None:
    """It knows no run; the step is not taken twice, and its time does not begin anew."""
    await world.edit("b", rollout=QUIET)
    world.golden("a", 90)
    await world.look(DEADLINE_S + 10)
    assert wanted(world) == {"b"}
    world.begin()
    await world.reconcile()
    await world.look(4)
    assert wanted(world) == {"a", "b"}
    assert world.record is not None
    assert world.record.rollout.reason == "WaitingForProbes"
    world.now_s += 1
    world.golden("a", 90)
    world.golden("b", 90)
    await world.look(4)
    assert world.weight == 60
    assert world.weights.count(60) == world.weights[world.weights.index(60) :].count(60)


async def test_requests_that_come_are_enough(world: World) -> None:
    """Also while golden prompts are waited for."""
    await world.edit("b", rollout=QUIET)
    await world.look(DEADLINE_S + 10)
    assert world.says("Progressing")[1] == "WaitingForProbes"
    await world.serve_and_look()
    assert world.weight == 60
    assert world.status["rollout"]["reason"] == "StepTaken"
    assert wanted(world) == set()


async def test_an_abort_ends_the_asking(world: World) -> None:
    """Nobody pays for an answer that nobody needs."""
    await world.edit("b", rollout=QUIET)
    await world.look(DEADLINE_S + 10)
    await world.say(abort=world.entry.candidate.revision)
    assert world.record is not None
    assert world.record.rollout.phase is Phase.ABORTED
    assert wanted(world) == set()
