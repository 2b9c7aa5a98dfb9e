"""The drill's witness sees a lie that was planted; each broken promise is a problem."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pointsman.router.control.kube import KubeClient
from pointsman.router.control.kube_config import ApiServer
from tests.faults.drill import Outcome, Witness, spared
from tests.faults.fault import FAULTS
from tests.operator.objects import NAMESPACE, NOW, policy
from tests.support.fake_api import FakeApi

Json = dict[str, Any]


def _condition(kind: str, status: str = "True") -> Json:
    said = {"reason": "AsWished", "message": "so it is", "lastTransitionTime": NOW}
    return {"type": kind, "status": status, "observedGeneration": 2, **said}


def _stored(name: str = "desk", *more: Json, generation: int = 2) -> Json:
    """A policy whose status says that routers run revision `r2` of it."""
    item = policy(name, generation=generation)
    conditions = [_condition("Ready"), _condition("Programmed"), *more]
    status = {"observedGeneration": 2, "activeRevision": "r2", "conditions": conditions}
    return {**item, "status": status}


@asynccontextmanager
async def _router(running: Mapping[str, str]) -> AsyncIterator[str]:
    """Answers a model name's requests by this revision, others with 404."""

    async def answer(request: web.Request) -> web.Response:
        revision = running.get((await request.json())["model"])
        if revision is None:
            return web.json_response({"error": {"code": "model_not_found"}}, status=404)
        said = {"choices": [{"message": {"content": "hello"}}]}
        return web.json_response(said, headers={"x-pointsman-revision": revision})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _lies(stored: Json, *running: Mapping[str, str]) -> list[str]:
    """What the witness says; routers by their number."""
    async with FakeApi() as api, _router(running[0]) as first, _router(running[-1]) as second:
        api.put(stored)
        async with KubeClient(ApiServer(api.url)) as client, aiohttp.ClientSession() as http:
            found = await Witness(NAMESPACE, [first, second], client, http).lies()
    return [lie.replace(first, "router 1").replace(second, "router 2") for lie in found]


async def test_a_status_that_is_true_is_no_lie() -> None:
    """Both routers run what it says."""
    assert await _lies(_stored(), {"auto": "r2"}) == []


@pytest.mark.parametrize(
    ("running", "lie"),
    [
        ({"auto": "r1"}, "desk is Programmed, router 2 runs r1"),
        ({}, "desk is Programmed, router 2 runs nothing"),
    ],
    ids=["an old revision", "no policy"],
)
async def test_programmed_is_a_lie_if_one_router_runs_something_else(
    running: Mapping[str, str], lie: str
) -> None:
    """It is told by policy and router."""
    assert await _lies(_stored(), {"auto": "r2"}, running) == [lie]


async def test_a_condition_that_contradicts_another_is_a_lie() -> None:
    """Whatever the routers run."""
    stored = _stored("desk", _condition("Reconciling"))
    lies = await _lies(stored, {"auto": "r2"})

    assert "desk: FAIL0001: negative and Ready both True" in lies


async def test_what_is_said_of_an_older_spec_is_not_asked_for() -> None:
    """The operator has not spoken about this one yet; nor about one that is being deleted."""
    assert await _lies(_stored(generation=3), {}) == []
    assert await _lies(_stored("gone-1"), {}) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"lies": ["desk is Programmed, router 1 runs r1"]}, "runs r1"),
        ({"failures": ["503"]}, "503"),
        ({"waiting_for": "desk: not Ready"}, "after 90 s: desk: not Ready"),
        ({"router_restarts": 1}, "routers restarted"),
        ({"operator_restarts": 1}, "operators restarted"),
        ({"samples": 0}, "never looked at"),
        ({"spared": "10.0.0.7"}, "not played: 10.0.0.7 never met it"),
    ],
)
def test_each_broken_promise_is_a_problem(broken: Json, problem: str) -> None:
    """And an outcome without one has none."""
    good: Json = {"fault": "503", "target": "both", "held_s": 1.0, "lease_s": 5.0, "samples": 9}

    assert Outcome(**good).problems() == []
    assert [problem in one for one in Outcome(**(good | broken)).problems()] == [True]


@pytest.mark.parametrize(
    ("fault", "met", "who"),
    [
        ("410 in the stream", {"a", "b"}, ""),
        ("410 in the stream", {"a"}, "b"),
        ("410 in the stream", set(), "a, b"),
        ("answers of writes lost", {"a"}, ""),
        ("answers of writes lost", set(), "everybody"),
        ("slow", set(), "everybody"),
        ("half-open", set(), ""),
    ],
)
def test_a_fault_that_nobody_met_was_not_played(fault: str, met: set[str], who: str) -> None:
    """A row may not pass by playing nothing."""
    (played,) = [one for one in FAULTS if one.name == fault]
    assert spared(played, {"a", "b"}, met) == who
