"""Golden prompts on a real control plane: through real routers, under the charts' rights."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.operator.objects import backend, golden, policy, route
from tests.operator.test_scaling_on_bench import apply
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
NAMESPACE = "evaluating-bench"
COST = {"inputPerMillion": "1", "outputPerMillion": "1"}
SIMULATOR: dict[str, Any] = {
    "engine": "Simulator",
    "args": ["--ttft", "20ms", "--tokens-per-second", "0", "--quality=Coding=1.0"],
}


def evaluated(name: str, **evaluation: Any) -> dict[str, Any]:
    evaluation = {"suiteRef": {"name": "golden"}, "interval": "10s", **evaluation}
    return backend(name, deployment=SIMULATOR, cost=COST, evaluation=evaluation)


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with its routers, a suite, and a policy that routes to `a` alone."""
    fleet = install(bench, NAMESPACE)
    apply(
        fleet,
        golden(6, namespace=NAMESPACE),
        backend("a", deployment=SIMULATOR),
        policy(default=route("a")),
    )
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


def status(fleet: Fleet, name: str) -> dict[str, Any]:
    item = fleet.get("modelbackend", name)
    found: dict[str, Any] = item["status"]
    assert_well_formed(found, generation=item["metadata"]["generation"])
    assert unexplained("ModelBackend", found) == []
    return found


def becomes(fleet: Fleet, name: str, reason: str, seconds: float) -> dict[str, Any]:
    """Its status, once Evaluated has this reason."""

    def so() -> bool:
        return fleet.condition("modelbackend", name, "Evaluated").get("reason") == reason

    fleet.bench.wait_for(so, seconds, f"{name} is {reason}")
    return status(fleet, name)


def run_of(fleet: Fleet, name: str) -> int:
    return int(fleet.get("modelbackend", name)["status"].get("evaluation", {}).get("run", 0))


def test_a_backend_that_nobody_routes_to_gets_its_quality_again_and_again(fleet: Fleet) -> None:
    """Through a router, without a ledger; an order runs at once; callers reach it still not."""
    apply(fleet, evaluated("new", maxCostPerDay="1"))
    found = becomes(fleet, "new", "EvaluationComplete", 120)
    quality = {one["task"]: one for one in found["quality"]}
    assert quality["all"]["score"] == "1.000"
    assert quality["Coding"]["prompts"] == 6
    assert float(found["evaluation"]["cost"].removesuffix(" USD")) > 0
    before = run_of(fleet, "new")
    fleet.bench.wait_for(lambda: run_of(fleet, "new") > before, 60, "the next run")
    apply(fleet, evaluated("new", interval="720h", maxCostPerDay="1"))
    time.sleep(3)
    last = run_of(fleet, "new")
    fleet.kubectl("annotate", "modelbackend", "new", "pointsman.dev/evaluate=now")
    fleet.bench.wait_for(lambda: run_of(fleet, "new") == last + 1, 30, "the run that was ordered")
    becomes(fleet, "new", "EvaluationComplete", 60)


def test_an_unknown_suite_and_a_small_cap_say_so(fleet: Fleet) -> None:
    """Nothing is run of the one, nothing is concluded of the other."""
    apply(fleet, evaluated("lost", suiteRef={"name": "nowhere"}))
    apply(fleet, evaluated("poor", maxCostPerDay="0.0003"))
    found = becomes(fleet, "poor", "SpendCapReached", 120)
    assert "quality" not in found
    assert float(found["evaluation"]["spent"]) <= 0.0003
    found = becomes(fleet, "lost", "SuiteNotFound", 60)
    assert "evaluation" not in found


def test_an_operator_that_is_killed_in_the_middle_runs_no_number_twice(fleet: Fleet) -> None:
    """What was interrupted counts as spent; the next number follows."""
    slow = {**SIMULATOR, "args": ["--ttft", "3s", "--tokens-per-second", "0"]}
    item = evaluated("slow", maxCostPerDay="1", interval="720h")
    item["spec"]["deployment"] = slow
    apply(fleet, item)
    fleet.kubectl("annotate", "modelbackend", "slow", "pointsman.dev/evaluate=now")

    def running() -> bool:
        found = fleet.get("modelbackend", "slow").get("status", {})
        return "startTime" in found.get("evaluation", {})

    fleet.bench.wait_for(running, 90, "a run under way")
    pods = [pod["metadata"]["name"] for pod in fleet.pods("operator")]
    fleet.kubectl("delete", "pod", *pods, "--grace-period=0", "--force")
    seen: list[tuple[int, str]] = []

    def again() -> bool:
        found = fleet.get("modelbackend", "slow")["status"]["evaluation"]
        state = (found["run"], found.get("ended", ""))
        if state not in seen:
            seen.append(state)
        return state[0] == 2 and bool(found.get("ended")) and "startTime" not in found

    fleet.bench.wait_for(again, 240, "the run after it")
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
    assert (1, "Interrupted") in seen or (2, "Interrupted") in seen, json.dumps(seen)
    evaluation = status(fleet, "slow")["evaluation"]
    assert evaluation["ended"] == "Complete"
    assert float(evaluation["spent"]) <= 1
