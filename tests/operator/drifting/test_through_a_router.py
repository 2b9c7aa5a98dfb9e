"""The whole way but for the API server: a stand-in that worsens, a router, a suite, a verdict."""

from dataclasses import replace

import msgspec

from pointsman.evaluation.suite.content import Suite
from pointsman.operator.controllers.suite_running import Job, SuiteRunning
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from tests.operator.drifting.watched import World
from tests.operator.evaluating.test_through_a_router import asking
from tests.operator.evaluating.world import suite
from tests.router.serve.world import world as router_world

GOLDEN: Suite = suite(*(f"p{number}" for number in range(30)), word="Declared right")


def job(number: int) -> Job:
    """Thirty prompts."""
    return Job(
        backend="small", uid="uid-a", model="model-small", suite_name="golden", suite=GOLDEN,
        run=number, price=None, judge="", judge_price=None, cap_nano=None,
    )  # fmt: skip


def of_a(run: SuiteRun, number: int) -> SuiteRun:
    """As of backend a; runs of one second begin one after the other."""
    return msgspec.structs.replace(
        run, backend="a", began_ms=run.began_ms + number, ended_ms=run.ended_ms + number
    )


async def test_a_model_that_worsens_is_found_and_recovers() -> None:
    """Real answers, real checks, real fingerprints; each status on the way obeys the rules."""
    world = World(baselineRuns=3)
    async with router_world() as there, asking(there) as asker:
        await there.simulator("small", quality={"Coding": 1.0})
        there.pin("small")
        server = there.simulators["small"]
        good, number = server.settings, 0

        async def runs(count: int) -> None:
            nonlocal number
            for _ in range(count):
                number += 1
                ended = await SuiteRunning(job(number)).run(asker, deadline_s=30.0)
                assert ended.run.ended == "Complete", ended.run.message
                await world.take([of_a(ended.run, number)], restarts=number % 2 == 0)

        await runs(4)
        assert world.so == ("False", "Steady")
        server.change(replace(good, quality={"Coding": 0.3}))
        await runs(2)
        assert world.so == ("True", "Worse")
        assert "answers say system_fingerprint" in world.condition["message"]
        (task,) = world.status["drift"]
        assert (task["task"], task["direction"]) == ("Coding", "Worse")
        assert -95 < float(task["points"]) < -45
        server.change(good)
        await runs(4)
        assert world.so == ("False", "Steady")
    reasons = [reason for _, reason, _ in world.events()]
    assert reasons.count("DriftRecovered") == 2, "the task, and the fingerprint"
    world.drifter.forget("a")
