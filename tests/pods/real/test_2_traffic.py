"""Replacing, evicting and draining under load that comes through the Service: nothing is lost."""

import asyncio
import json
import signal
from collections.abc import Iterator

import pytest

from tests.bench import CommandFailed
from tests.e2e.fleet import RELEASE
from tests.e2e.traffic import traffic, until
from tests.pods.real.conftest import Release
from tests.pods.real.objects import ready_addresses

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
SERVICE = f"{RELEASE}-router"


def router_uids(release: Release) -> set[str]:
    return {pod["metadata"]["uid"] for pod in release.fleet.pods("router")}


def wait_three(release: Release) -> None:
    """Three routers are ready, and the Service knows them."""
    release.bench.wait_for(lambda: release.fleet.are_ready("router", 3), 180, "three routers")
    release.bench.wait_for(
        lambda: len(ready_addresses(release.fleet, SERVICE)) == 3, 60, "three endpoints"
    )


async def test_a_rolling_restart_through_the_service_loses_nothing(release: Release) -> None:
    """Every router is another one afterwards; kube-proxy chose who answered."""
    await asyncio.to_thread(wait_three, release)
    old = router_uids(release)
    async with traffic([release.url], clients=8) as seen:
        await until(seen, 50, deadline_s=120)
        await asyncio.to_thread(
            release.fleet.kubectl, "rollout", "restart", f"deployment/{SERVICE}"
        )
        await asyncio.to_thread(
            release.fleet.kubectl, "rollout", "status", f"deployment/{SERVICE}", "--timeout=115s"
        )
        await asyncio.to_thread(
            release.bench.wait_for, lambda: not old & router_uids(release), 120, "the old ones' end"
        )
        await until(seen, 50, deadline_s=120)

    assert seen.failures == []
    assert seen.total >= 100


def test_a_second_eviction_is_refused_by_the_budget(release: Release) -> None:
    """One router may be away; who asks for another one meanwhile gets 429 from the API server."""
    wait_three(release)
    first, second, _ = (pod["metadata"]["name"] for pod in release.fleet.pods("router"))

    evict(release, first)
    with pytest.raises(CommandFailed, match="disruption budget"):
        evict(release, second)

    wait_three(release)
    assert second in {pod["metadata"]["name"] for pod in release.fleet.pods("router")}


def evict(release: Release, pod: str) -> None:
    """As kubectl drain and cluster autoscalers do."""
    namespace = release.fleet.namespace
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    release.bench.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body))


@pytest.fixture
def two_servers_each(release: Release) -> Iterator[None]:
    """Of every backend; the operator gives each a budget that lets one of them go at a time."""
    fleet = release.fleet
    backends = fleet.kubectl("get", "mb", "-o", "name").split()
    for count in (2, 1):
        for backend in backends:
            patch = json.dumps({"spec": {"replicas": count}})
            fleet.kubectl("patch", backend, "--type=merge", "-p", patch)
        for backend in backends:
            wait_servers(release, backend.split("/")[1], count)
        if count == 2:
            yield


def wait_servers(release: Release, backend: str, count: int) -> None:
    """So many model servers of a backend are ready."""

    def ready() -> bool:
        deployment = release.fleet.get("deployment", f"{backend}-model")
        return bool(
            deployment["spec"]["replicas"] == deployment["status"].get("readyReplicas") == count
        )

    release.bench.wait_for(ready, 120, f"{count} model servers of {backend}")


@pytest.mark.usefixtures("two_servers_each")
async def test_a_drained_node_costs_no_request(release: Release) -> None:
    """kubectl drain evicts routers, operators and model servers of one node; none is lost."""
    await asyncio.to_thread(wait_three, release)
    pods = release.fleet.kubectl(
        "get", "pods", "-o", "name", "--field-selector=spec.nodeName=node-1"
    )
    assert "-router-" in pods
    assert "-model-" in pods
    async with traffic([release.url], clients=8) as seen:
        await until(seen, 50, deadline_s=120)
        try:
            await asyncio.to_thread(
                release.bench.kubectl, "drain", "node-1", "--ignore-daemonsets",
                "--delete-emptydir-data", "--timeout=110s",
            )  # fmt: skip
            await asyncio.to_thread(wait_three, release)
            await until(seen, 50, deadline_s=120)
            left = release.fleet.kubectl(
                "get", "pods", "-o", "name", "--field-selector=spec.nodeName=node-1"
            )
        finally:
            await asyncio.to_thread(release.bench.kubectl, "uncordon", "node-1")

    assert left == ""
    assert seen.failures == []
    assert seen.total >= 100


async def test_a_router_that_hangs_leaves_the_service_and_returns(release: Release) -> None:
    """Stopped by SIGSTOP it answers no probe: out of the endpoints; continued, it is back."""
    await asyncio.to_thread(wait_three, release)
    pod = release.fleet.pods("router")[0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    namespace, bench = release.fleet.namespace, release.bench

    await asyncio.to_thread(bench.kill, namespace, name, None, signal.SIGSTOP)
    try:
        await asyncio.to_thread(
            bench.wait_for,
            lambda: address not in ready_addresses(release.fleet, SERVICE),
            90,
            "the endpoint to go",
        )
        async with traffic([release.url], clients=4) as seen:
            await until(seen, 30, deadline_s=120)
    finally:
        await asyncio.to_thread(bench.kill, namespace, name, None, signal.SIGCONT)
    await asyncio.to_thread(wait_three, release)

    assert seen.failures == []
