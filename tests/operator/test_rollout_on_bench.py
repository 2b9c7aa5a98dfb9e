"""Canaries under load on a real control plane: promoted, rolled back, approved, aborted."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.request import urlopen

import pytest

from tests.bench import Bench, CommandFailed
from tests.e2e.fleet import Fleet, install
from tests.e2e.traffic import Seen, Sessions, traffic, until
from tests.e2e.trail import Trail, trail
from tests.operator.objects import backend, policy, route
from tests.operator.test_scaling_on_bench import apply

pytestmark = pytest.mark.bench
NAMESPACE = "rollout-bench"
CLIENTS = 50
PAUSE_S = 0.4
"""Fifty callers that think in between: two cores have to do all else as well."""
STEPS = [
    {"weightPercent": 20, "minRequests": 100, "minDuration": "2s"},
    {"weightPercent": 60, "minRequests": 600, "minDuration": "2s"},
]
ROLLOUT: Mapping[str, Any] = {
    "steps": STEPS,
    "guardrails": {"maxErrorPoints": 3, "maxLatencyPercent": 300},
}
"""The machine's own noise is no news of a candidate."""
FROM_ZERO = {"minReplicas": 0, "maxReplicas": 2, "targetRequests": 64}
ADMIN_PORT = 9901


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers, two good backends and one that fails."""
    fleet = install(bench, NAMESPACE)
    bad, slow = (
        {"engine": "Simulator", "args": [f"--{flag}"]} for flag in ("error-rate=0.8", "ttft=3s")
    )
    apply(fleet, backend("a"), backend("b"), backend("bad", deployment=bad))
    apply(fleet, backend("slow", deployment=slow), desk("a"))
    fleet.wait_ready("modelbackends", "routingpolicies")
    cold = backend("cold", scaling=FROM_ZERO, activation={})
    broken = {**cold["spec"], "deployment": {"engine": "Custom", "image": "nobody/nothing:1"}}
    apply(fleet, cold, backend("broken", **broken))
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    # An API server that begins knows no Role yet: what counts is what is said under the new Lease.
    led = said.rpartition("lease taken")[2]
    assert "forbidden" not in led, "the Role does not allow what the operator does"


@pytest.fixture(autouse=True)
async def told(fleet: Fleet) -> AsyncIterator[Trail]:
    """All that is stored meanwhile; every status of it obeys the rules."""
    async with trail(fleet.bench.kubeconfig, fleet.namespace) as seen:
        yield seen
    assert seen.problems() == []


def callers(fleet: Fleet) -> AbstractAsyncContextManager[Seen]:
    return traffic(
        fleet.routers(), clients=CLIENTS, pause_s=PAUSE_S, apart_s=0.02, headers=Sessions()
    )


def desk(to: str, **rollout: Any) -> dict[str, Any]:
    return policy(default=route(to), rollout={**ROLLOUT, **rollout})


def begin_at(fleet: Fleet, to: str) -> None:
    """Without a rollout: in force at once."""
    apply(fleet, policy(default=route(to)))
    fleet.wait_ready("routingpolicies")


def look(fleet: Fleet) -> dict[str, Any]:
    item = fleet.get("routingpolicy", "desk")
    status: dict[str, Any] = item["status"]
    return status | {"behind": status["observedGeneration"] != item["metadata"]["generation"]}


async def seen_until(fleet: Fleet, phase: str, seconds: float = 120) -> list[dict[str, Any]]:
    """Every status until the rollout of the present spec is in this phase."""
    trail: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                status = await asyncio.to_thread(look, fleet)
                trail.append(status)
                if not status["behind"] and status.get("rollout", {}).get("phase") == phase:
                    return trail
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise AssertionError(
            f"{phase}: {json.dumps(trail[-1:], indent=1)}\n{fleet.story()}"
        ) from None


def kill(fleet: Fleet) -> None:
    (pod,) = fleet.pods("operator")
    fleet.bench.kill(fleet.namespace, pod["metadata"]["name"], sig=signal.SIGKILL)


def in_canary(address: str) -> bool:
    """Whether this router still knows a candidate."""
    with urlopen(f"http://{address}:{ADMIN_PORT}/metrics", timeout=5) as answer:
        return b"pointsman_router_rollout_requests_total{" in answer.read()


def gone_s(addresses: list[str], began_s: float) -> float:
    """Seconds until no router knows a candidate any more."""
    while any(map(in_canary, addresses)):
        assert time.monotonic() - began_s < 30, "a router still has it"
    return time.monotonic() - began_s


@pytest.mark.timeout(400)
async def test_a_good_candidate_is_promoted_under_load(fleet: Fleet, told: Trail) -> None:
    """20, 60, then all; operator and API server are killed meanwhile; no request fails."""
    begin_at(fleet, "a")
    async with callers(fleet) as seen:
        await until(seen, 100)
        apply(fleet, desk("b"))
        begun = await seen_until(fleet, "Progressing")
        stable, candidate = begun[-1]["activeRevision"], begun[-1]["candidateRevision"]
        await asyncio.to_thread(kill, fleet)
        await asyncio.to_thread(fleet.bench.stop_api)
        await asyncio.sleep(2)  # without an API server, and an operator that begins
        await asyncio.to_thread(fleet.bench.start_api)
        trail = await seen_until(fleet, "Promoted", 180)
        await until(seen, 100)
        before = seen.answered["a"]
        await until(seen, 100)
    steps = [one["rollout"].get("step", 0) for one in trail if "rollout" in one]

    assert seen.failures == []
    assert stable != candidate == trail[-1]["activeRevision"]
    assert steps == sorted(steps), "a step is never taken back"
    assert told.weights("desk")[-4:] == [(stable, 0), (stable, 20), (stable, 60), (candidate, 0)]
    assert seen.answered["a"] == before, "all goes to the new revision"
    fleet.kubectl("wait", "--for=condition=Promoted", "routingpolicy/desk", "--timeout=10s")


@pytest.mark.timeout(400)
async def test_a_bad_candidate_is_rolled_back_by_itself(fleet: Fleet) -> None:
    """It answers 500; status says what guardrail it was."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    async with callers(fleet) as seen:
        apply(fleet, desk("bad"))
        trail = await seen_until(fleet, "Aborted")
        failed = len(seen.failures)
        await until(seen, 200)
    message = trail[-1]["rollout"]["message"]
    print(f"rolled back after {failed} failed of {seen.total}: {message}")

    assert trail[-1]["activeRevision"] == stable
    assert "Errors" in message
    assert len(seen.failures) - failed <= CLIENTS, "what was under way"
    assert fleet.condition("routingpolicy", "desk", "Ready")["reason"] == "RolledBack"


@pytest.mark.timeout(400)
async def test_a_slow_candidate_is_rolled_back_and_no_request_fails(
    fleet: Fleet, told: Trail
) -> None:
    """The way back costs none of 50 callers anything."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    async with callers(fleet) as seen:
        await until(seen, 50)
        apply(fleet, desk("slow"))
        trail = await seen_until(fleet, "Aborted", 180)
        before = seen.answered["slow"]
        await until(seen, 10 * CLIENTS)

    assert seen.failures == []
    assert seen.answered["slow"] - before <= CLIENTS, "what was under way"
    assert "Latency" in trail[-1]["rollout"]["message"]
    assert told.weights("desk")[-1] == (stable, 0)


@pytest.mark.timeout(400)
async def test_replicas_come_first_and_what_does_not_start_is_told(
    fleet: Fleet, told: Trail
) -> None:
    """From zero: no weight before the server is ready, so no caller waits for it."""
    begin_at(fleet, "a")
    stable = look(fleet)["activeRevision"]
    assert fleet.get("deployment", "cold-model")["spec"]["replicas"] == 0
    async with callers(fleet) as seen:
        await until(seen, 50)
        apply(fleet, desk("cold", steps=STEPS[:1]))
        await seen_until(fleet, "Promoted", 180)
        await until(seen, 50)
    reasons = {reason_of(status) for status in told.statuses("desk")}
    scaled = [item["status"].get("lastScale", {}) for item in told.items
              if item["metadata"]["name"] == "cold"]  # fmt: skip

    assert seen.failures == []
    assert seen.slowest_s < 3, "nobody waited for a start"
    assert [weight for revision, weight in told.weights("desk") if revision == stable] == [0, 20]
    assert "WaitingForCapacity" in reasons
    assert "PreScale" in {one.get("reason") for one in scaled}

    apply(fleet, desk("broken", stepDeadline="5s"))
    trail = await seen_until(fleet, "Paused")
    assert trail[-1]["rollout"]["reason"] == "DeadlineExceeded"
    assert "ImagePullBackOff" in trail[-1]["rollout"]["message"]
    assert told.weights("desk")[-1][1] == 0
    apply(fleet, policy(default=route("a")))
    fleet.wait_ready("routingpolicies")


def reason_of(status: Mapping[str, Any]) -> str:
    reasons = {str(c["type"]): str(c["reason"]) for c in status["conditions"]}
    return reasons["Progressing"]


@pytest.mark.timeout(400)
async def test_approval_and_abort_by_kubectl(fleet: Fleet) -> None:
    """Manual waits for a person; an abort has reached every router soon."""
    begin_at(fleet, "a")
    addresses = [pod["status"]["podIP"] for pod in fleet.pods("router")]
    steps = [{"weightPercent": 50, "minRequests": 300, "minDuration": "1s"}]
    async with callers(fleet) as seen:
        apply(fleet, desk("b", steps=steps, approval="Manual"))
        trail = await seen_until(fleet, "AwaitingApproval")
        revision = trail[-1]["candidateRevision"]
        said = {"revision": revision, "step": 0, "approver": "ada", "at": "2026-11-26T10:00:00Z"}
        approve = f"pointsman.dev/rollout-approve={json.dumps(said)}"
        await asyncio.to_thread(fleet.kubectl, "annotate", "rp", "desk", approve)
        trail = await seen_until(fleet, "Promoted")
        assert trail[-1]["rollout"]["approvedBy"] == ["ada"]

        took: list[float] = []
        for number in range(3):
            apply(fleet, desk("a", stepDeadline=f"{number + 10}m", steps=[
                {"weightPercent": 30, "minRequests": 100_000}]))  # fmt: skip
            await until(seen, 50)
            trail = await seen_until(fleet, "Progressing")
            while trail[-1]["rollout"]["weights"]["verified"] != 30:
                trail = await seen_until(fleet, "Progressing")
            abort = f"pointsman.dev/rollout-abort={trail[-1]['candidateRevision']}"
            began_s = time.monotonic()
            await asyncio.to_thread(fleet.kubectl, "annotate", "--overwrite", "rp", "desk", abort)
            said_s = time.monotonic()
            took.append(await asyncio.to_thread(gone_s, addresses, said_s))
            print(
                f"abort: kubectl took {said_s - began_s:.2f} s, all routers {took[-1]:.2f} s later"
            )
            await seen_until(fleet, "Aborted")
        await asyncio.to_thread(by_command, fleet)
    assert seen.failures == []
    assert max(took) < 5


def by_command(fleet: Fleet) -> None:
    """`pointsman rollout`: what was rolled back is tried again, promoted, and undone."""
    for action in ("retry", "pause", "resume", "promote", "status"):
        order(fleet, action)
    promoted = look(fleet)["activeRevision"]
    order(fleet, "undo")
    assert look(fleet)["rollout"]["phase"] == "Progressing"
    assert look(fleet)["activeRevision"] == promoted, "an undo is rolled out as well"
    order(fleet, "abort")
    with pytest.raises(CommandFailed, match="ended with 1"):
        order(fleet, "status")


def order(fleet: Fleet, action: str) -> None:
    command = [sys.executable, "-m", "pointsman.cli", "rollout", action, "desk"]
    print(fleet.bench.run(*command, "-n", fleet.namespace, "--timeout=120s"))
