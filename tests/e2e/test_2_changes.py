"""Changes while traffic runs: no request fails, and each takes effect."""

import asyncio
import time

import pytest

from tests.bench import CommandFailed
from tests.e2e.conftest import Killer
from tests.e2e.fleet import EXAMPLES, Fleet
from tests.e2e.traffic import traffic, until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


async def kubectl(fleet: Fleet, *args: str) -> str:
    """kubectl without holding up the traffic of this test."""
    return await asyncio.to_thread(fleet.kubectl, *args)


async def test_a_fifth_model_is_one_more_file_and_one_more_rule(fleet: Fleet) -> None:
    """Applied under traffic: it becomes Ready, gets its share, and no request fails."""
    hard = {"x-tier": "enterprise"}
    async with traffic(fleet.routers(), headers=hard) as seen:
        await until(seen, 60)
        await kubectl(fleet, "apply", "-f", f"{EXAMPLES / '03-fifth-model'}/")
        await asyncio.to_thread(fleet.wait_ready, "mb", "rp")
        async with asyncio.timeout(60):
            while not seen.answered["deepseek-reasoner"]:
                await until(seen, 5)
        await until(seen, 60)

    assert seen.failures == []
    assert seen.answered["deepseek-reasoner"] > 0


async def test_twenty_edits_under_fifty_clients_lose_nothing(fleet: Fleet, killer: Killer) -> None:
    """Every edit reaches all routers; the operator is killed after the 7th and the 14th."""
    slowest = 0.0
    with killer.paused():
        async with traffic(fleet.routers(), clients=50, pause_s=0.3) as seen:
            await until(seen, 50)
            for edit in range(20):
                patch = f'{{"spec": {{"default": {{"timeouts": {{"request": "{200 + edit}s"}}}}}}}}'
                await kubectl(fleet, "patch", "rp", "support-desk", "--type=merge", "-p", patch)
                began = time.monotonic()
                await asyncio.to_thread(wait_programmed, fleet)
                slowest = max(slowest, time.monotonic() - began)
                if edit in {7, 14}:
                    await asyncio.to_thread(killer.kill)
            await until(seen, 50)

    print(f"20 edits, {seen.total} requests, slowest edit seen in status {slowest * 1000:.0f} ms")
    assert seen.failures == []


def wait_programmed(fleet: Fleet) -> None:
    """Until status says that all routers run the present generation."""

    def so() -> bool:
        policy = fleet.get("rp", "support-desk")
        programmed = next(c for c in policy["status"]["conditions"] if c["type"] == "Programmed")
        return (programmed["status"], programmed["observedGeneration"]) == (
            "True",
            policy["metadata"]["generation"],
        )

    fleet.cluster.wait_for(so, 60, "the edit in force on all routers")


async def test_a_model_server_killed_under_traffic_is_covered_by_its_fallback(
    fleet: Fleet,
) -> None:
    """The light model's server dies; nobody but the log notices."""
    async with traffic(fleet.routers()) as seen:
        await until(seen, 30)
        pods = fleet.kubectl("get", "pods", "-l", "pointsman.dev/backend=qwen-light", "-o", "name")
        await asyncio.to_thread(
            fleet.cluster.kill, fleet.namespace, pods.split()[0].removeprefix("pod/")
        )
        await until(seen, 120)
        await asyncio.to_thread(fleet.wait_ready, "mb", "rp")

    # A stream that had begun on the killed server ends with an error event, as promised; what
    # had not begun is answered by the fallback.
    assert [f for f in seen.failures if "upstream_disconnected" not in f] == []
    assert len(seen.failures) <= 3


def test_a_policy_with_an_unknown_field_is_refused_by_kubectl(fleet: Fleet) -> None:
    """Nothing of it reaches the operator."""
    with pytest.raises(CommandFailed, match="modelNmes"):
        fleet.kubectl(
            "apply", "-f", "-",
            stdin="""
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: typo}
spec:
  modelNmes: [x]
  modelNames: [x]
  default: {targets: [{backendRef: {name: qwen-light}}]}
""",
        )  # fmt: skip
