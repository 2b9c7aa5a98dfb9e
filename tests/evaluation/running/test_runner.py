"""A run against a server: each call once, never over the cap, on from where it stopped."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from pointsman.api.v1alpha1 import EvaluationSuiteSpec, Prices
from pointsman.api.validation import parse
from pointsman.evaluation.running.asking import Asker, Endpoint
from pointsman.evaluation.running.runner import Plan, Runner, Target
from pointsman.evaluation.suite.calls import Call, Unit
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Purse, token_prices
from pointsman.evaluation.suite.summary import by_unit, report
from tests.evaluation.running.serving import Handler, Served, completion, served

PRICE = token_prices(Prices(input_per_million="1", output_per_million="2"), "USD")
"""10 tokens in and 5 out are 20,000 billionths."""


def suite_of(count: int, *checks: dict[str, Any]) -> Suite:
    prompts = [
        {"name": f"p{i}", "prompt": f"{i}", "maxTokens": 5,
         "checks": list(checks) or [{"contains": "yes"}]}
        for i in range(count)
    ]  # fmt: skip
    spec = parse(EvaluationSuiteSpec, {"prompts": prompts, "judge": {"model": "j"}})
    found = compile_suite(spec)
    assert isinstance(found, Suite)
    return found


def plan_of(suite: Suite, server: Served, *names: str, runs: int = 1) -> Plan:
    endpoint = Endpoint(url=server.url)
    return Plan(
        suite=suite,
        targets=[Target(name=n, model=n, endpoint=endpoint, price=PRICE) for n in names or ("t",)],
        judge=Target(name="judge", model="j", endpoint=endpoint, price=PRICE),
        runs=runs,
        concurrency=3,
    )


async def run(
    plan: Plan, kept: list[Call], *, cap: int | None = None, deadline_s: float = 5.0
) -> Runner:
    purse = Purse(cap_nano=cap, spent_nano=sum(one.cost_nano for one in kept))
    runner = Runner(plan, by_unit(kept), purse=purse, keep=kept.append, progress=lambda: None)
    async with Asker(limit=3, deadline_s=deadline_s) as asker:
        await runner.run(asker)
    return runner


async def well(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Right; as a judge half content."""
    return web.json_response(completion('{"score": 0.5}' if body["model"] == "j" else "yes"))


async def test_everything_is_asked_once() -> None:
    """Runs, targets, judge; a second start asks nothing."""
    async with served(well) as server:
        plan = plan_of(suite_of(4, {"contains": "yes"}, {"judge": {"rubric": "r"}}), server,
                       "a", "b", runs=2)  # fmt: skip
        kept: list[Call] = []
        await run(plan, kept)
        assert len(kept) == len(server.bodies) == 4 * 2 * 2 * 2
        runner = await run(plan, kept)

        assert len(server.bodies) == len(kept) == 32
        assert {one.cost_nano for one in kept} == {20_000}
        found = report("s", plan.suite, ["a", "b"], 2, runner.done)
        assert [one.quality.value for one in found.lines if one.quality] == [0.5, 0.5]


async def test_calls_at_once_are_bounded() -> None:
    """By the plan's concurrency."""
    now = most = 0

    async def slow(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response(completion())

    async with served(slow) as server:
        await run(plan_of(suite_of(12), server), [])

    assert most == 3


@pytest.mark.parametrize("cap", [0, 50_000, 100_000, 10**9])
async def test_the_cap_is_never_passed(cap: int) -> None:
    """A call that states no tokens counts as the most that it can be; a higher cap goes on."""

    async def silent(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(usage=None))

    async with served(silent) as server:
        plan, kept = plan_of(suite_of(9), server), list[Call]()
        runner = await run(plan, kept, cap=cap)
        assert sum(one.cost_nano for one in kept) <= cap
        assert all(one.estimated for one in kept)
        assert runner.capped == (len(kept) < 9)
        asked = len(server.bodies)
        assert asked == len(kept)
        await run(plan, kept, cap=10**9)

        assert len(server.bodies) == 9


async def test_a_call_that_was_not_taken_is_asked_by_the_next_start() -> None:
    """It cost nothing. What timed out may have been paid for, and is not asked again."""
    states = iter(["busy", "slow"])

    async def handler(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        match body["messages"][0]["content"]:
            case "0" if len(kept) < 3:
                return web.json_response({}, status=503, headers={"retry-after": "9"})
            case "1":
                next(states)
                await asyncio.sleep(0.6)
        return web.json_response(completion())

    kept: list[Call] = []
    async with served(handler) as server:
        plan = plan_of(suite_of(3), server)
        first = await run(plan, kept, deadline_s=0.3)
        reasons = {unit.prompt: steps["answer"].missing for unit, steps in first.done.items()}
        assert reasons == {"p0": Missing.REFUSED, "p1": Missing.TIMED_OUT, "p2": None}
        second = await run(plan, kept, deadline_s=0.3)

    assert second.done[Unit("t", 0, "p0")]["answer"].text == "yes"
    assert second.done[Unit("t", 0, "p1")]["answer"].missing is Missing.TIMED_OUT
    assert [one.prompt for one in kept if one.prompt != "p2"].count("p0") == 2


async def test_a_wrong_key_ends_the_run_at_once() -> None:
    """Not after two thousand prompts; nothing is kept as an answer."""

    async def denied(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no such key"}}, status=401)

    kept: list[Call] = []
    async with served(denied) as server:
        runner = await run(plan_of(suite_of(50), server), kept, cap=10**9)

        assert "401: no such key" in runner.denied
        assert len(server.bodies) <= 3
    assert kept == []
    assert (runner.purse.spent_nano, runner.purse.aside_nano) == (0, 0)


async def test_a_judge_that_talks_nonsense_makes_nobody_worse() -> None:
    """Its verdict has no score, and the answer neither."""

    async def handler(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion("I like trains." if body["model"] == "j" else "yes"))

    async with served(handler) as server:
        plan = plan_of(suite_of(2, {"judge": {"rubric": "r", "reference": "x"}}), server)
        runner = await run(plan, [])
        (line,) = report("s", plan.suite, ["t"], 1, runner.done).lines

    assert line.quality is None
    assert line.not_scored == {"Unreadable": 2}


async def test_an_answer_whose_first_judge_fails_has_no_score() -> None:
    """Two judges: half of the prompts are judged, the others counted; nothing is paid twice."""

    async def handler(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body["model"] == "j" and "user: 1" in body["messages"][-1]["content"]:
            return web.json_response({}, status=400)
        return web.json_response(completion('{"score": 1}' if body["model"] == "j" else "yes"))

    kept: list[Call] = []
    async with served(handler) as server:
        checks = [{"judge": {"rubric": rubric}} for rubric in ("Be kind.", "Be short.")]
        plan = plan_of(suite_of(2, *checks), server)
        await run(plan, kept)
        runner = await run(plan, kept)
        (line,) = report("s", plan.suite, ["t"], 1, runner.done).lines

    assert len(kept) == 3 + 2
    assert (line.scored, line.missing, line.not_scored) == (1, 0, {"Refused": 1})


async def test_who_answered_says_what_it_costs() -> None:
    """A router names the backend; its price counts, the dearest is set aside."""
    cheap = token_prices(Prices(input_per_million="0.1", output_per_million="0.2"), "USD")
    handler: Handler = well

    async def named(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await handler(request, body)
        response.headers["x-pointsman-backend"] = "cheap"
        return response

    kept: list[Call] = []
    async with served(named) as server:
        target = Target(
            name="t", model="auto", endpoint=Endpoint(url=server.url),
            prices={"cheap": cheap, "dear": PRICE},
        )  # fmt: skip
        plan = Plan(suite=suite_of(1), targets=[target], judge=None, runs=1, concurrency=1)
        await run(plan, kept)

    assert [(one.backend, one.cost_nano) for one in kept] == [("cheap", 2_000)]
    assert not kept[0].estimated


async def test_who_has_no_known_price_costs_the_most() -> None:
    """A router may answer by a backend that the files do not have: a cap holds all the same."""
    dear = token_prices(Prices(input_per_million="1", output_per_million="2"), "EUR")
    kept: list[Call] = []
    async with served(well) as server:
        endpoint = Endpoint(url=server.url)
        target = Target(name="t", model="auto", endpoint=endpoint, prices={"dear": dear})
        plan = Plan(suite=suite_of(1), targets=[target], judge=None, runs=1, concurrency=1)
        await run(plan, kept, cap=10**9)

    assert [(one.cost_nano, one.currency, one.estimated) for one in kept] == [(20_000, "EUR", True)]
