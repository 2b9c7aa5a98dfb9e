"""Rollouts that nobody sends a request, on a real control plane: golden prompts decide."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.e2e.trail import Trail, trail
from tests.operator.objects import backend, golden, policy, route
from tests.operator.test_rollout_on_bench import begin_at, kill, look, seen_until
from tests.operator.test_scaling_on_bench import apply

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
NAMESPACE = "probes-bench"
PROMPTS = 60
ROLLOUT: Mapping[str, Any] = {
    "steps": [
        {"weightPercent": 20, "minRequests": 100, "minDuration": "2s"},
        {"weightPercent": 60, "minRequests": 100, "minDuration": "2s"},
    ],
    "stepDeadline": "10s",
    "guardrails": {"maxQualityPoints": 10},
}


def measured(name: str, right: float, ttft: str = "10ms") -> dict[str, Any]:
    """So good at Coding; the next run that nobody waits for is in a month."""
    quality = f"--quality=Coding={right}"
    args = ["--ttft", ttft, "--tokens-per-second", "0", quality]
    evaluation = {"suiteRef": {"name": "golden"}, "interval": "720h", "maxCostPerDay": "1"}
    cost = {"inputPerMillion": "1", "outputPerMillion": "1"}
    deployment = {"engine": "Simulator", "args": args}
    return backend(name, deployment=deployment, evaluation=evaluation, cost=cost)


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release, a suite, two good backends and a bad one, and one that nobody measures."""
    fleet = install(bench, NAMESPACE)
    apply(
        fleet, golden(PROMPTS, namespace=NAMESPACE),
        measured("a", 1.0), measured("b", 1.0), measured("bad", 0.5), backend("plain"),
        measured("slow", 1.0, "1s"), desk("a"),
    )  # fmt: skip
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


@pytest.fixture(autouse=True)
async def told(fleet: Fleet) -> AsyncIterator[Trail]:
    """All that is stored meanwhile; every status of it obeys the rules."""
    async with trail(fleet.bench.kubeconfig, fleet.namespace) as seen:
        yield seen
    assert seen.problems() == []


def desk(to: str) -> dict[str, Any]:
    return policy(default=route(to), rollout=ROLLOUT)


def events(fleet: Fleet, reason: str) -> list[str]:
    """Notes of the policy's Events with this reason."""
    listed = fleet.every("events.events.k8s.io")
    return [one["note"] for one in listed if one["reason"] == reason]


async def test_a_good_candidate_is_promoted_by_golden_prompts(fleet: Fleet, told: Trail) -> None:
    """Both steps, without one request; the runs are asked for when the time is up."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    apply(fleet, desk("b"))
    seen = await seen_until(fleet, "Promoted", 240)
    candidate = seen[-1]["activeRevision"]
    reasons = {one["rollout"]["reason"] for one in told.statuses("desk") if "rollout" in one}

    assert "WaitingForProbes" in reasons
    assert seen[-1]["rollout"]["reason"] == "ProbesPassed"
    assert told.weights("desk")[-4:] == [(stable, 0), (stable, 20), (stable, 60), (candidate, 0)]
    assert fleet.condition("routingpolicy", "desk", "Promoted")["reason"] == "ProbesPassed"
    assert "golden prompts of" in events(fleet, "RolloutProbing")[0]
    for name in "ab":
        evaluation = fleet.get("modelbackend", name)["status"]["evaluation"]
        assert evaluation["run"] <= 2, "one of its schedule, and one for the rollout"


async def test_a_bad_candidate_is_rolled_back_by_golden_prompts(fleet: Fleet, told: Trail) -> None:
    """In its first step; status and Event say by what."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    apply(fleet, desk("bad"))
    seen = await seen_until(fleet, "Aborted", 240)
    rollout = seen[-1]["rollout"]
    print(f"rolled back: {rollout['message']}")

    assert (rollout["reason"], rollout["step"]) == ("ProbesFailed", 0)
    assert "Golden/Coding" in rollout["message"]
    assert {one["guardrail"]: one["verdict"] for one in rollout["findings"]}["Golden/Coding"] == (
        "Fail"
    )
    assert told.weights("desk")[-1] == (stable, 0)
    assert fleet.condition("routingpolicy", "desk", "RolledBack")["reason"] == "ProbesFailed"
    assert "Golden/Coding" in events(fleet, "RolloutAborted")[0]


async def test_an_operator_that_is_killed_meanwhile_asks_once_more(
    fleet: Fleet, told: Trail
) -> None:
    """In the middle of a run of 15 s: no step is taken twice, and the end is the same."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    apply(fleet, desk("slow"))

    def is_asked() -> bool:
        rollout = look(fleet).get("rollout", {})
        run = fleet.get("modelbackend", "slow")["status"].get("evaluation", {})
        return rollout.get("reason") == "WaitingForProbes" and "startTime" in run

    fleet.bench.wait_for(is_asked, 120, "golden prompts are asked")
    kill(fleet)
    seen = await seen_until(fleet, "Promoted", 240)
    candidate = seen[-1]["activeRevision"]
    assert told.weights("desk")[-4:] == [(stable, 0), (stable, 20), (stable, 60), (candidate, 0)]
    assert seen[-1]["rollout"]["reason"] == "ProbesPassed"


async def test_without_a_suite_a_person_is_asked(fleet: Fleet) -> None:
    """The condition says who has none."""
    begin_at(fleet, "a")
    apply(fleet, desk("plain"))
    seen = await seen_until(fleet, "Paused", 120)
    assert "plain: it has no EvaluationSuite" in seen[-1]["rollout"]["message"]
    found = fleet.condition("routingpolicy", "desk", "Progressing")
    assert (found["status"], found["reason"]) == ("False", "Inconclusive")
