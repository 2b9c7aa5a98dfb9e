"""A model that silently worsens, on a real control plane: routers, suite, verdict, recovery."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.operator.objects import backend, golden, policy, route
from tests.operator.test_scaling_on_bench import apply
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = [pytest.mark.bench, pytest.mark.timeout(500)]
NAMESPACE = "drift-story-bench"
PROMPTS = 30
GOOD = {"Coding": 1.0}
BAD = {"Coding": 0.2}


def coder(**drift: Any) -> dict[str, Any]:
    return backend(
        "coder",
        deployment={
            "engine": "Simulator",
            "args": ["--ttft", "5ms", "--tokens-per-second", "0", "--control"]
            + [f"--quality={task}={share}" for task, share in GOOD.items()],
        },
        evaluation={"suiteRef": {"name": "golden"}, "interval": "10s"},
        drift=drift,
    )


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with its routers, a suite, and a coding model that is asked each 10 s."""
    fleet = install(bench, NAMESPACE)
    apply(
        fleet,
        golden(PROMPTS, namespace=NAMESPACE),
        coder(baselineRuns=3),
        policy(default=route("coder")),
    )
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


def becomes(fleet: Fleet, status: str, reason: str, seconds: float) -> dict[str, Any]:
    """Its status, once Drifted says so; each on the way is looked at."""

    def so() -> bool:
        item = fleet.get("modelbackend", "coder")
        assert_well_formed(item["status"], generation=item["metadata"]["generation"])
        assert unexplained("ModelBackend", item["status"]) == []
        found = fleet.condition("modelbackend", "coder", "Drifted")
        return (found.get("status"), found.get("reason")) == (status, reason)

    fleet.bench.wait_for(so, seconds, f"Drifted is {status}, {reason}")
    found: dict[str, Any] = fleet.get("modelbackend", "coder")["status"]
    return found


def change(fleet: Fleet, quality: dict[str, float]) -> None:
    """What the model knows, behind everybody's back: no object changes."""
    for pod in fleet.every("pods", "pointsman.dev/backend=coder"):
        order = urllib.request.Request(
            f"http://{pod['status']['podIP']}:8000/simulator/settings",
            data=json.dumps({"quality": quality}).encode(),
            method="PUT",
        )
        with urllib.request.urlopen(order, timeout=10) as answer:
            assert answer.status == 200


def test_a_model_that_silently_worsens_is_found_and_recovers(fleet: Fleet) -> None:
    """From the first run to the recovery, with an operator that is killed in between."""
    becomes(fleet, "False", "Steady", 120)
    change(fleet, BAD)
    found = becomes(fleet, "True", "Worse", 90)
    task = found["drift"][0]
    assert (task["task"], task["direction"]) == ("Coding", "Worse")
    assert float(task["low"]) <= float(task["points"]) <= float(task["high"]) < -20
    message = fleet.condition("modelbackend", "coder", "Drifted")["message"]
    assert "answers say system_fingerprint" in message, "the stand-in says that it is another one"
    pods = [pod["metadata"]["name"] for pod in fleet.pods("operator")]
    fleet.kubectl("delete", "pod", *pods, "--grace-period=0", "--force")
    change(fleet, GOOD)
    becomes(fleet, "False", "Steady", 180)
    events = fleet.every("events")
    reasons = [one["reason"] for one in events if one["reason"].startswith("Drift")]
    assert {"Drifted", "DriftRecovered"} <= set(reasons)
    assert "DriftBegun" not in reasons, "the baseline outlived the operator"
