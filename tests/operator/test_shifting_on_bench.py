"""Weights that move under load on a real control plane: replicas first, then traffic."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.e2e.traffic import Seen, until
from tests.operator.objects import backend, policy, target
from tests.operator.test_scaling_on_bench import apply, load, settles
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = pytest.mark.bench
NAMESPACE = "shifting-bench"
MOST = 4
SCALING: dict[str, Any] = {"maxReplicas": MOST, "targetRequests": 8, "scaleDownDelaySeconds": 5}
CLIENTS = 16
"""With headroom 25 requests at once: four replicas, and one is enough for a fifth of them."""
ALONE = 30
"""Percent of the way that one replica can go: 20, or 30 where busy clients make 12 of 16."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and two backends of one replica."""
    fleet = install(bench, NAMESPACE)
    apply(fleet, backend("a", scaling=SCALING), backend("b", scaling=SCALING), weights(1, 0))
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


def weights(a: int, b: int) -> dict[str, Any]:
    return policy(default={"targets": [target("a", a), target("b", b)]})


@dataclass(frozen=True, slots=True)
class Moment:
    """What was seen of `b`, in this order: its answers, its part, what is ready, what is asked."""

    answered: int
    percent: int
    ready: int
    replicas: int
    settled: bool


def look(fleet: Fleet, seen: Seen, generation: int) -> Moment | None:
    """None as long as the operator has not seen the edit."""
    answered = seen.answered["b"]
    item = fleet.get("routingpolicy", "desk")
    status, current = item["status"], item["metadata"]["generation"]
    if status["observedGeneration"] != generation:
        return None
    assert_well_formed(status, generation=current)
    assert unexplained("RoutingPolicy", status) == []
    percent = status.get("shift", {}).get("percent", 100)
    listed = fleet.get("deployment", "b-model")
    return Moment(
        answered,
        percent,
        listed["status"].get("readyReplicas", 0),
        listed["spec"]["replicas"],
        percent == 100 and fleet.condition("routingpolicy", "desk", "Ready")["status"] == "True",
    )


async def watched(fleet: Fleet, seen: Seen) -> list[Moment]:
    """Look until all of the weights are in force."""
    generation = fleet.get("routingpolicy", "desk")["metadata"]["generation"]
    trail: list[Moment] = []
    async with asyncio.timeout(180):
        while not trail or not trail[-1].settled:
            moment = await asyncio.to_thread(look, fleet, seen, generation)
            if moment is not None:
                trail.append(moment)
            await asyncio.sleep(0.3)
    return trail


def replicas(fleet: Fleet, name: str) -> int:
    found: int = fleet.get("deployment", f"{name}-model")["spec"]["replicas"]
    return found


def ready(fleet: Fleet, name: str) -> int:
    found: int = fleet.get("deployment", f"{name}-model")["status"].get("readyReplicas", 0)
    return found


@pytest.mark.timeout(600)
async def test_all_traffic_moves_without_a_failure_and_back(fleet: Fleet) -> None:
    """100/0 to 0/100 under load: raised, then sent to as they become ready; then taken back."""
    async with load(fleet, CLIENTS) as seen:
        await asyncio.to_thread(settles, fleet, "a", lambda: ready(fleet, "a") == MOST, 120)
        await asyncio.sleep(8)  # as long as a load is averaged at least
        assert replicas(fleet, "b") == 1
        assert seen.answered["b"] == 0
        apply(fleet, weights(0, 1))
        trail = await watched(fleet, seen)
        before = seen.answered["a"]
        await until(seen, 20)
        history = fleet.get("modelbackend", "b")["status"]["scalingHistory"]

        parts = [one.percent for one in trail]
        assert parts == sorted(parts), trail
        assert 0 < parts[0] <= ALONE, trail
        beyond = [one for one in trail if one.percent > ALONE]
        assert beyond[-1].percent == 100
        assert all(one.replicas > 1 and one.ready > 1 for one in beyond), trail
        assert trail[-1].ready > MOST / 2, trail
        assert "PreScale" in {one["reason"] for one in history}, history
        assert seen.answered["a"] - before <= CLIENTS, "what had begun before the last step"

        apply(fleet, weights(1, 0))
        back = await watched(fleet, seen)
        assert back[-1].percent == 100
        after = seen.answered["b"]
        await until(seen, 20)
        assert seen.answered["b"] - after <= CLIENTS
    assert seen.failures == []
    await asyncio.to_thread(settles, fleet, "b drains", lambda: replicas(fleet, "b") == 1, 240)
    reasons = [one["reason"] for one in fleet.get("modelbackend", "b")["status"]["scalingHistory"]]
    assert reasons[0] in {"LoadFell", "Idle"}, reasons
