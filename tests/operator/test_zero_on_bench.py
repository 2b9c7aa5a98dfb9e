"""From zero and back on a real control plane: no request is lost, and none waits without an end."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.bench import Bench
from tests.e2e.fleet import CALLER_KEY, Fleet, install
from tests.e2e.traffic import traffic
from tests.operator.objects import backend, policy
from tests.operator.test_scaling_on_bench import apply, replicas, settles, status

NAMESPACE = "zero-bench"
CYCLES = int(os.environ.get("POINTSMAN_ZERO_CYCLES", "1"))
"""More with `POINTSMAN_ZERO_CYCLES=20`. While requests wait, the first and every second one kills
the operator at some moment, the others end a router."""
pytestmark = [pytest.mark.bench, pytest.mark.timeout(600 + 120 * CYCLES)]
SCALING: dict[str, Any] = {
    "minReplicas": 0,
    "maxReplicas": 5,
    "targetRequests": 2,
    "scaleDownDelaySeconds": 1,
}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and one backend, which has no replica yet."""
    fleet = install(bench, NAMESPACE)
    apply(fleet, backend("a", scaling=SCALING, activation={"timeout": "50s"}), policy())
    fleet.wait_ready("routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


def says_why(fleet: Fleet) -> bool:
    """True once a pod of the backend says why it does not start."""
    listed = fleet.every("pods")
    return any(
        one.get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
        not in ("ContainerCreating", "PodInitializing")
        for pod in listed
        if pod["metadata"]["name"].startswith("a-model-")
        for one in pod.get("status", {}).get("containerStatuses", ())
    )


async def ask(url: str) -> tuple[int, dict[str, str], str]:
    """One request: status, headers, body."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    headers = {"authorization": f"Bearer {CALLER_KEY}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        session.post(f"{url}/chat/completions", json=body) as answer,
    ):
        told = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, told, await answer.text()


async def test_from_zero_to_several_and_back_without_a_lost_request(fleet: Fleet) -> None:
    """Each cycle begins with requests for nobody, and ends with no replica."""
    assert replicas(fleet) == 0
    reasons: set[str] = set()
    for cycle in range(CYCLES):
        asked = [asyncio.create_task(ask(url)) for url in fleet.routers()]
        await asyncio.sleep(0.05 + 0.1 * (cycle % 7))
        if cycle % 2 == 0:
            operator = fleet.pods("operator")[0]["metadata"]["name"]
            await asyncio.to_thread(fleet.bench.kill, NAMESPACE, operator)
        else:
            router = fleet.pods("router")[cycle % 3]["metadata"]["name"]
            await asyncio.to_thread(fleet.kubectl, "delete", "pod", router, "--wait=false")
        first = await asyncio.gather(*asked)
        assert [found[0] for found in first] == [200] * 3, first
        assert all(int(found[1]["x-pointsman-held-ms"]) > 0 for found in first)
        # Who is killed between its two writes tells why when it is back.
        await asyncio.to_thread(settles, fleet, "why", lambda: "scalingHistory" in status(fleet))
        reasons |= {one["reason"] for one in status(fleet)["scalingHistory"]}
        await asyncio.to_thread(settles, fleet, "routers", lambda: fleet.are_ready("router", 3))
        async with traffic(fleet.routers(), clients=12, pause_s=0.01, tokens=60) as seen:
            await asyncio.to_thread(settles, fleet, "more", lambda: replicas(fleet) == 5)
        assert seen.failures == []
        await asyncio.to_thread(settles, fleet, "none", lambda: replicas(fleet) == 0, 300)
    # The replicas are gone a moment before the status says so.
    await asyncio.to_thread(
        settles, fleet, "told", lambda: status(fleet)["lastScale"]["desired"] == 0
    )
    found = status(fleet)
    assert found["lastScale"]["reason"] == "Idle"
    assert "Woken" in reasons


async def test_a_server_that_cannot_start_is_told_to_who_waits(fleet: Fleet) -> None:
    """Long before the request's time is over, with the pod's reason, in answer and status."""
    broken = {"engine": "Custom", "image": "vendor/none:1", "command": ["serve"]}
    apply(fleet, backend("a", scaling=SCALING, activation={"timeout": "50s"}, deployment=broken))
    began_s = time.monotonic()
    asking = asyncio.create_task(ask(fleet.routers()[0]))
    known_s = 0.0
    while not asking.done():
        if not known_s and await asyncio.to_thread(says_why, fleet):
            known_s = time.monotonic()
        await asyncio.sleep(0.05)
    code, headers, body = await asking
    print(f"answered {time.monotonic() - known_s:.1f} s after the pod's reason was known")
    assert code == 503, body
    assert int(headers.get("retry-after", "0")) >= 1, (headers, body)
    assert time.monotonic() - began_s < 40
    # Also when nobody waits any more, and the pod is gone.
    await asyncio.to_thread(settles, fleet, "none", lambda: replicas(fleet) == 0, 180)
    await asyncio.to_thread(
        settles, fleet, "told", lambda: status(fleet)["lastScale"]["desired"] == 0
    )
    assert status(fleet)["lastFailure"]["reason"] in json.loads(body)["error"]["message"]
