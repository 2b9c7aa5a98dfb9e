"""What is run, what becomes of it in a backend's status, and what is left after a restart."""

import asyncio
import itertools

import pytest

from pointsman.evaluation.running.asking import Denied, Reply
from pointsman.evaluation.suite.outcome import Missing
from pointsman.operator.metrics import REGISTRY
from pointsman.operator.plan.evaluating.suite_run import Answer
from tests.operator.evaluating.world import BEGIN_S, COST, World, answered, suite

PROMPTS = ("p1", "p2", "p3", "p4")
MINUTES_S = 300.0
"""Within which a first run begins."""


def asked_once(world: World) -> None:
    """Each prompt of one run."""
    assert sorted(text for _, text in world.asker.asked) == [f"Say {name}." for name in PROMPTS]


async def test_a_run_ends_in_quality_by_task(world: World) -> None:
    """With its interval, the whole record, its events and what listeners hear."""
    world.asker.says = lambda _, text: answered("wrong" if "p4" in text else "All right.")
    world.put("a", interval="1h")
    world.lead()
    assert world.condition() == ("Unknown", "NotEvaluatedYet")
    await world.go(MINUTES_S)
    asked_once(world)
    quality = {one["task"]: one for one in world.status()["quality"]}
    assert set(quality) == {"Coding", "all"}
    assert quality["all"]["score"] == "0.750"
    assert float(quality["all"]["low"]) < 0.75 < float(quality["all"]["high"])
    assert quality["all"]["prompts"] == 4
    found = world.status()["evaluation"]
    assert (found["run"], found["ended"], found["suite"]) == (1, "Complete", "desk")
    assert found["content"] == suite(*PROMPTS).content
    assert found["cost"] == "0.00008 USD"
    assert found["spent"] == "0.00008"
    assert found["lastTime"] < found["nextTime"]
    assert "startTime" not in found
    assert "reserved" not in found
    assert world.condition() == ("True", "EvaluationComplete")
    (run,) = world.runs
    assert (run.backend, run.uid, run.run, run.ended) == ("a", "uid-a", 1, "Complete")
    assert [one.prompt for one in run.evaluations] == list(PROMPTS)
    assert [one.score for one in run.evaluations] == [1.0, 1.0, 1.0, 0.0]
    assert world.events == list(run.evaluations)
    assert {one.run for one in run.evaluations} == {1}
    assert len({one.id for one in run.evaluations}) == 4
    labels = {"backend": "a", "task": "all"}
    assert REGISTRY.get_sample_value("pointsman_operator_quality", labels) == 0.75


@pytest.mark.slow
async def test_runs_follow_each_other_by_the_interval(world: World) -> None:
    """Each with the next number, and ids of its own."""
    world.put("a", interval="10m")
    world.lead()
    await world.go(MINUTES_S)
    await world.go(1200.0)
    assert [run.run for run in world.runs] == [1, 2, 3]
    begun = [run.began_ms for run in world.runs]
    assert [after - before for before, after in itertools.pairwise(begun)] == [600_000] * 2
    assert len({one.id for run in world.runs for one in run.evaluations}) == 12


async def test_a_suspected_backend_is_asked_sooner(world: World) -> None:
    """By a quarter of its interval."""
    world.put("a", interval="10m")
    world.lead()
    await world.go(MINUTES_S)
    world.suspected.add("a")
    await world.go(151.0)
    assert [run.run for run in world.runs][:2] == [1, 2]


async def test_a_backend_that_somebody_waits_for_is_asked_at_once(world: World) -> None:
    """Once; its run has each prompt's score, weight and cost, and what model it was."""
    world.put("a", interval="720h")
    world.lead()
    await world.go(MINUTES_S)
    assert len(world.runs) == 1
    world.wanted["a"] = world.now_s
    await world.go(120.0)
    assert len(world.runs) == 2
    run = world.runs[-1]
    assert (run.model, list(run.answers)) == ("model-a", list(PROMPTS))
    cost = run.evaluations[0].cost_nano
    assert run.answers["p1"] == Answer("Coding", 1.0, weight=1, cost_nano=cost)
    assert cost > 0
    found = world.evaluator.condition("a")
    assert found is not None
    assert found.reason == "EvaluationComplete"
    assert world.evaluator.condition("b") is None


async def test_an_order_runs_once(world: World) -> None:
    """Whatever the interval; the same value asks for nothing more."""
    world.put("a", interval="720h", order="now")
    world.lead()
    await world.go(2.0)
    assert len(world.runs) == 1
    assert world.status()["evaluation"]["ordered"] == "now"
    await world.go(60.0)
    world.reconcile("a")
    await world.go(60.0)
    assert len(world.runs) == 1
    world.put("a", interval="720h", order="x" * 300)
    world.reconcile("a")
    await world.go(2.0)
    assert len(world.runs) == 2
    assert len(world.status()["evaluation"]["ordered"]) <= 253


async def test_no_call_is_made_before_its_number_is_stored(world: World) -> None:
    """Written is not enough: it is read back first."""
    world.put("a", order="now")
    world.refusing = True
    world.lead()
    await world.go(30.0)
    assert world.asker.asked == []
    world.refusing = False
    await world.go(15.0)
    asked_once(world)
    assert [run.run for run in world.runs] == [1]


async def test_a_restart_in_the_middle_runs_no_number_twice(world: World) -> None:
    """The interrupted run counts with all it might have cost; its order is the next number's."""
    world.put("a", interval="1h", maxCostPerDay="0.01", order="now")
    world.asker.gate.clear()
    world.lead()
    await world.go(2.0)
    stored = world.status()["evaluation"]
    assert (stored["run"], "startTime" in stored) == (1, True)
    assert (stored["order"], "ordered" in stored) == ("now", False)
    reserved = float(stored["reserved"])
    assert reserved > 0.00008
    world.evaluator.forget("a")  # its tasks end with the process
    asked = len(world.asker.asked)
    world.asker.gate.set()
    world.start()
    world.lead()
    world.settle()
    assert world.condition() == ("False", "Interrupted")
    assert float(world.status()["evaluation"]["spent"]) == reserved
    assert len(world.asker.asked) == asked
    await world.go(2.0)
    assert [run.run for run in world.runs] == [2]
    stored = world.status()["evaluation"]
    assert (stored["ordered"], "order" in stored, "interrupted" in stored) == ("now", False, False)
    assert world.condition() == ("True", "EvaluationComplete")
    assert float(world.status()["evaluation"]["spent"]) == pytest.approx(reserved + 0.00008)
    assert "quality" in world.status()


async def test_a_restart_keeps_number_quality_and_next_time(world: World) -> None:
    """Nothing is run anew because a process is new."""
    world.put("a", interval="2h")
    world.lead()
    await world.go(MINUTES_S)
    before = world.status()
    world.evaluator.forget("a")
    world.start()
    world.lead()
    await world.go(600.0, step_s=10.0)
    assert world.status() == before
    assert len(world.runs) == 1


async def test_the_cap_ends_a_run_without_a_result(world: World) -> None:
    """A clear status, no quality of a part of the suite, and the next run with the next day."""
    world.put("a", interval="1h", maxCostPerDay="0.00008", order="now")
    world.lead()
    await world.go(2.0)
    assert 0 < len(world.asker.asked) < 4
    assert world.condition() == ("False", "SpendCapReached")
    found = world.status()["evaluation"]
    assert found["ended"] == "SpendCap"
    assert "maxCostPerDay 0.00008 USD" in found["message"]
    assert float(found["spent"]) <= 0.00008
    assert found["nextTime"].endswith("T00:00:00Z")
    assert "quality" not in world.status()
    assert world.runs[0].ended == "SpendCap"
    asked = len(world.asker.asked)
    await world.go(3 * 3600.0, step_s=600.0)
    assert len(world.asker.asked) == asked
    await world.go(24 * 3600.0, step_s=600.0)
    assert len(world.asker.asked) > asked


@pytest.mark.slow
async def test_the_quality_of_a_whole_run_outlives_a_capped_one(world: World) -> None:
    """It has its time."""
    world.put("a", interval="10m", maxCostPerDay="0.0004")
    world.lead()
    await world.go(MINUTES_S)
    whole = world.status()["quality"]
    await world.go(4 * 600.0, step_s=5.0)
    assert world.condition() == ("False", "SpendCapReached")
    assert {one["task"] for one in world.status()["quality"]} == {one["task"] for one in whole}
    assert float(world.status()["evaluation"]["spent"]) <= 0.0004


async def test_taking_it_out_and_in_gives_no_new_money(world: World) -> None:
    """Nor a number twice; the quality goes, for nobody measures it any more."""
    world.put("a", interval="1h", maxCostPerDay="0.00008", order="now")
    world.lead()
    await world.go(2.0)
    spent, asked = world.status()["evaluation"]["spent"], len(world.asker.asked)
    world.put("a")
    world.reconcile("a")
    assert world.status()["evaluation"]["spent"] == spent
    assert {c["type"] for c in world.status()["conditions"]}.isdisjoint({"Evaluated"})
    world.put("a", interval="1h", maxCostPerDay="0.00008")
    world.reconcile("a")
    await world.go(3600.0, step_s=60.0)
    assert len(world.asker.asked) == asked
    assert world.status()["evaluation"]["run"] == 1


async def test_an_unknown_suite_runs_nothing_and_says_so(world: World) -> None:
    """Until it comes: then by itself."""
    world.suites.clear()
    world.put("a", order="now")
    world.lead()
    await world.go(30.0)
    assert world.condition() == ("False", "SuiteNotFound")
    assert world.asker.asked == []
    world.suites["desk"] = suite(*PROMPTS)
    await world.go(30.0)
    assert world.condition() == ("True", "EvaluationComplete")


@pytest.mark.slow
async def test_a_suite_that_changes_in_the_middle_is_for_the_next_run(world: World) -> None:
    """The run under way ends as of the old content."""
    world.put("a", interval="10m", order="now")
    world.asker.gate.clear()
    world.lead()
    await world.go(2.0)
    old, new = suite(*PROMPTS), suite("other", "another")
    world.suites["desk"] = new
    world.asker.gate.set()
    await world.go(2.0)
    asked_once(world)
    assert world.runs[0].content == old.content
    assert len(world.runs[0].evaluations) == 4
    await world.go(600.0)
    assert world.runs[1].content == new.content
    assert [one.prompt for one in world.runs[1].evaluations] == ["other", "another"]


@pytest.mark.parametrize(
    ("reply", "missing"),
    [
        (Reply(missing=Missing.REFUSED, why="429: slow down", again=True, backend="a"), "Refused"),
        (Reply(missing=Missing.TIMED_OUT, why="504: late", backend="a"), "TimedOut"),
        (Reply(missing=Missing.UNREADABLE, why="no text in it", backend="a"), "Unreadable"),
        (Reply(missing=Missing.ERROR, why="502: broken", again=True, backend="a"), "Error"),
    ],
)
async def test_what_is_no_answer_is_no_wrong_answer(
    world: World, reply: Reply, missing: str
) -> None:
    """It has no score; the others have theirs."""
    world.asker.says = lambda _, text: reply if "p2" in text else answered("All right.")
    world.put("a", order="now")
    world.lead()
    await world.go(2.0)
    assert world.condition() == ("True", "EvaluationComplete")
    quality = {one["task"]: one for one in world.status()["quality"]}
    assert (quality["all"]["score"], quality["all"]["prompts"]) == ("1.000", 3)
    found = {one.prompt: one for one in world.runs[0].evaluations}
    assert (found["p2"].score, found["p2"].missing) == (None, missing)
    assert len(found) == 4


async def test_a_backend_that_never_answers_is_unreachable_and_not_bad(world: World) -> None:
    """Not every prompt of a large suite is tried; it is tried again before its interval."""
    world.suites["desk"] = suite(*(f"p{number}" for number in range(100)))
    broken = Reply(missing=Missing.ERROR, why="502: No backend answered.", backend="a")
    world.asker.says = lambda *_: broken
    world.put("a", interval="24h", order="now")
    world.lead()
    await world.go(2.0)
    assert world.condition() == ("False", "Unreachable")
    assert len(world.asker.asked) < 20
    assert "quality" not in world.status()
    assert "502: No backend answered." in world.status()["evaluation"]["message"]
    world.asker.says = lambda *_: answered("All right.")
    await world.go(600.0, step_s=10.0)
    assert world.condition() == ("True", "EvaluationComplete")


async def test_without_a_router_nothing_is_concluded(world: World) -> None:
    """No key of ours, no table yet: that says nothing about a model."""

    def deny(*_: str) -> Reply:
        raise Denied("no router answers")

    world.asker.says = deny
    world.put("a", order="now")
    world.lead()
    await world.go(2.0)
    assert world.condition() == ("False", "Unreachable")
    assert world.status()["evaluation"]["cost"] == "0 USD"


async def test_a_judge_is_a_backend_and_asked_by_its_name(world: World) -> None:
    """Or by the model that it serves; its price counts."""
    world.suites["desk"] = suite(*PROMPTS, judge="the-judge")
    world.put("the-judge")
    world.put("a", order="now")
    verdict = answered('{"score": 0.5}', tokens=100)
    world.asker.says = lambda who, _: verdict if who == "the-judge" else answered("Hello.")
    world.lead()
    await world.go(2.0)
    assert {one["score"] for one in world.status()["quality"]} == {"0.500"}
    assert sum(who == "the-judge" for who, _ in world.asker.asked) == 4
    assert world.status()["evaluation"]["cost"] == "0.00088 USD"


async def test_a_judge_that_talks_nonsense_leaves_answers_unscored(world: World) -> None:
    """Nobody becomes worse by it, and no quality is written."""
    world.suites["desk"] = suite(*PROMPTS, judge="the-judge")
    world.put("the-judge")
    world.put("a", order="now")
    world.asker.says = lambda who, _: answered("I like it!" if who == "the-judge" else "Hello.")
    world.lead()
    await world.go(2.0)
    assert "quality" not in world.status()
    assert {one.missing for one in world.runs[0].evaluations} == {"Unreadable"}
    assert "0 of 4 prompts have a score" in world.status()["evaluation"]["message"]


async def test_a_judge_that_fails_once_keeps_no_run_from_its_end(world: World) -> None:
    """The answer has a reason in place of a score, also where another check of a judge follows."""
    late = Reply(missing=Missing.TIMED_OUT, why="late")
    kind = answered('{"score": 1}')
    world.asker.says = lambda who, text: (
        answered("All right.") if who == "a" else late if "Say p4." in text else kind
    )
    world.suites["desk"] = suite(*PROMPTS, judge="judge", rubrics=2)
    world.put("judge")
    world.put("a", order="now")
    world.lead()
    await world.go(2.0)
    (run,) = world.runs
    assert (run.ended, run.message) == ("Complete", "")
    assert [one.score for one in run.evaluations] == [1.0, 1.0, 1.0, None]
    assert run.evaluations[-1].missing == "TimedOut"
    assert world.status()["quality"][0]["score"] == "1.000"


async def test_a_judge_that_is_no_backend_runs_nothing(world: World) -> None:
    """And says so."""
    world.suites["desk"] = suite(*PROMPTS, judge="somebody")
    world.put("a", order="now")
    world.lead()
    await world.go(15.0)
    assert world.condition() == ("False", "JudgeNotFound")
    assert world.asker.asked == []


async def test_a_cap_over_two_currencies_runs_nothing(world: World) -> None:
    """It could not be held."""
    world.suites["desk"] = suite(*PROMPTS, judge="the-judge")
    world.put("the-judge")
    world.items["the-judge"]["spec"]["cost"] = {**COST, "currency": "EUR"}
    world.put("a", maxCostPerDay="1", order="now")
    world.lead()
    await world.go(15.0)
    assert world.condition() == ("False", "CurrenciesDiffer")
    assert world.asker.asked == []


async def test_two_run_at_once_and_the_others_wait(world: World) -> None:
    """Nobody is forgotten."""
    names = [f"m{number}" for number in range(6)]
    for name in names:
        world.put(name, order="now")
    world.asker.gate.clear()
    world.lead()
    await world.go(5.0)
    assert len({who for who, _ in world.asker.asked}) == 2
    world.asker.gate.set()
    await world.go(20.0)
    assert sorted(run.backend for run in world.runs) == names


async def test_a_backend_that_goes_takes_its_run_with_it(world: World) -> None:
    """No events of half a run; one of its name that comes later begins anew."""
    world.put("a", order="now")
    world.asker.gate.clear()
    world.lead()
    await world.go(2.0)
    world.evaluator.forget("a")
    del world.items["a"]
    world.asker.gate.set()
    await asyncio.sleep(0)
    await world.go(5.0)
    assert world.events == []
    names = {
        sample.labels.get("backend")
        for metric in REGISTRY.collect()
        if metric.name in {"pointsman_operator_evaluations", "pointsman_operator_quality"}
        for sample in metric.samples
    }
    assert "a" not in names
    world.put("a", order="now")
    world.items["a"]["metadata"]["uid"] = "another"
    world.reconcile("a")
    await world.go(5.0)
    assert [(run.uid, run.run) for run in world.runs] == [("another", 1)]


async def test_a_listener_with_a_bug_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged and counted."""

    def broken(_: object) -> None:
        raise LookupError("a bug")

    world.put("a", order="now")
    world.evaluator.listeners.insert(0, broken)
    world.lead()
    await world.go(2.0)
    assert len(world.runs) == 1
    assert world.condition() == ("True", "EvaluationComplete")
    assert "a run was not taken" in caplog.text


async def test_a_broken_spec_keeps_what_is_known(world: World) -> None:
    """A mistake in an edit takes neither number nor money nor quality away."""
    world.put("a", order="now")
    world.lead()
    await world.go(2.0)
    before = world.status()
    world.items["a"]["spec"]["evaluation"]["interval"] = "1s"
    world.reconcile("a")
    for key in ("evaluation", "quality"):
        assert world.status()[key] == before[key]


async def test_a_spec_that_breaks_as_its_run_begins_holds_up_no_other(world: World) -> None:
    """It gives its place back; mended, it runs under its number or a later one."""
    for name in ("a", "b"):
        world.put(name, order="now")
    world.put("c", order="now")
    world.refusing = True
    world.lead()
    await world.go(2.0)
    for name in ("a", "b"):
        world.items[name]["spec"]["evaluation"]["interval"] = "1s"
    world.refusing = False
    for name in ("a", "b"):
        world.reconcile(name)
    await world.go(12.0)
    assert [run.backend for run in world.runs] == ["c"]
    for name in ("a", "b"):
        world.put(name, order="now")
        world.reconcile(name)
    await world.go(30.0)
    assert sorted((run.backend, run.run) for run in world.runs) == [("a", 1), ("b", 1), ("c", 1)]


def test_the_world_begins_on_a_day() -> None:
    """The tests of midnight rest on it."""
    assert BEGIN_S % 86_400 < 86_400 - 5 * 3600
