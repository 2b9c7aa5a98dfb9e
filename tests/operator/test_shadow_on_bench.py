"""Candidates that answer unseen, under load on a real control plane: no caller meets a bad one."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.request import urlopen

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.e2e.traffic import Sessions, traffic, until
from tests.operator.objects import backend, policy, route
from tests.operator.test_rollout_on_bench import (
    ADMIN_PORT,
    begin_at,
    look,
    order,
    seen_until,
)
from tests.operator.test_scaling_on_bench import apply

pytestmark = pytest.mark.bench
NAMESPACE = "shadow-bench"
CLIENTS = 8
ROLLOUT: Mapping[str, Any] = {
    "shadow": {"percent": 50, "minPairs": 150, "maxSpend": "1", "deadline": "10m"},
    "steps": [{"weightPercent": 20, "minRequests": 100, "minDuration": "2s"}],
    "guardrails": {"maxErrorPoints": 3, "maxLatencyPercent": 300},
}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers, two good backends and one that fails."""
    fleet = install(bench, NAMESPACE)
    bad = {"engine": "Simulator", "args": ["--error-rate=0.8"]}
    apply(fleet, backend("a"), backend("b"), backend("bad", deployment=bad), desk("a"))
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said.rpartition("lease taken")[2]


def desk(to: str, **rollout: Any) -> dict[str, Any]:
    return policy(default=route(to), rollout={**ROLLOUT, **rollout})


def unseen(fleet: Fleet) -> str:
    """What the routers say of requests that were answered unseen."""
    said = ""
    for pod in fleet.pods("router"):
        with urlopen(f"http://{pod['status']['podIP']}:{ADMIN_PORT}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        said += "\n".join(line for line in text.splitlines() if "shadow_requests_total{" in line)
    return said


@pytest.mark.timeout(400)
async def test_a_bad_candidate_is_rolled_back_before_a_caller_has_met_it(fleet: Fleet) -> None:
    """It answers 500; nobody but the routers has seen that."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        await until(seen, 50)
        apply(fleet, desk("bad"))
        trail = await seen_until(fleet, "Aborted")
        await until(seen, 100)
    rollout = trail[-1]["rollout"]
    print(f"rolled back unseen: {rollout['message']}; {json.dumps(rollout['shadow'])}")

    assert seen.failures == []
    assert set(seen.answered) == {"a"}, "no caller has met it"
    assert trail[-1]["activeRevision"] == stable
    assert "Quality" in rollout["message"]
    assert rollout["shadow"]["verdict"] == "Failed"
    assert {one["rollout"]["weights"]["desired"] for one in trail if "rollout" in one} <= {0}


@pytest.mark.timeout(400)
async def test_a_good_candidate_goes_on_to_its_steps(fleet: Fleet) -> None:
    """After its pairs it is met by callers, and promoted; no request fails."""
    begin_at(fleet, "a")
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        await until(seen, 50)
        apply(fleet, desk("b"))
        begun = await seen_until(fleet, "Progressing")
        assert begun[-1]["rollout"]["weights"]["desired"] == 0
        await until(seen, 200)
        met = await asyncio.to_thread(unseen, fleet)
        trail = await seen_until(fleet, "Promoted", 180)
    shadows = [one["rollout"]["shadow"] for one in trail if "shadow" in one.get("rollout", {})]
    print(f"promoted after {json.dumps(shadows[-1])}\n{met}")

    assert seen.failures == []
    assert shadows[-1]["verdict"] == "Passed"
    assert shadows[-1]["pairs"] >= 150
    assert 'outcome="Compared"' in met
    assert "RolloutShadowPassed" in fleet.kubectl("events", "--for", "routingpolicy/desk")
    await asyncio.to_thread(order, fleet, "status")
