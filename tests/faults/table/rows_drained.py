"""A row about nodes: the one with all pods is drained while a second one is there."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest
import yaml

from tests.bench import Bench
from tests.e2e.endpoints import URL, ready_endpoints
from tests.e2e.fleet import ROUTERS, Fleet, install
from tests.e2e.traffic import traffic, until
from tests.operator.objects import backend, policy, route

pytestmark = [pytest.mark.bench, pytest.mark.timeout(500)]
OLD: Final = "bench-0"
NEW: Final = "bench-1"
SERVERS: Final = 2
VALUES: Final = "operator.replicas=2"


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A backend of two servers, which has a disruption budget, as routers have."""
    running = install(bench, "drained", values=VALUES)
    quick = ["--ttft=10ms", "--tokens-per-second=0"]
    server = {"engine": "Simulator", "args": quick}
    items = [backend("a", deployment=server, replicas=SERVERS), policy(default=route("a"))]
    for item in items:
        item["metadata"] = {"name": item["metadata"]["name"]}
    running.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(items))
    running.wait_ready("mb", "rp")
    yield running
    bench.kubectl("uncordon", OLD)
    bench.kubectl("delete", "namespace", "drained", "--wait=false")


def join(bench: Bench) -> None:
    """A second node, Ready."""
    if NEW in bench.nodes:
        return
    bench.start_kubelet(NEW, 1)
    bench.nodes.append(NEW)

    def ready() -> bool:
        listed = bench.list("nodes")
        return any(
            node["metadata"]["name"] == NEW and condition["status"] == "True"
            for node in listed
            for condition in node.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready"
        )

    bench.wait_for(ready, 60, "the second node")


def on_node(fleet: Fleet, node: str) -> list[str]:
    """Pods of the fleet there that are not on their way out."""
    listed = fleet.every("pods")
    return [
        one["metadata"]["name"]
        for one in listed
        if one["spec"].get("nodeName") == node and not one["metadata"].get("deletionTimestamp")
    ]


def drain(fleet: Fleet) -> None:
    """`kubectl drain`, again where it was cut off by its own deadline; until nothing is there."""

    def drained() -> bool:
        fleet.bench.kubectl(
            "drain", OLD, "--ignore-daemonsets", "--delete-emptydir-data", "--force",
            "--timeout=60s", check=False,
        )  # fmt: skip
        return not on_node(fleet, OLD)

    fleet.bench.wait_for(drained, 300, "an empty node")


async def test_a_node_is_drained(fleet: Fleet) -> None:
    """Routers, operators and model servers move; no request fails; all is Ready on the other."""
    budgets = fleet.every("poddisruptionbudgets")
    assert len(budgets) >= 2
    async with ready_endpoints(fleet) as endpoints:
        async with traffic([URL], clients=6, resolver=endpoints) as seen:
            await until(seen, 30)
            await asyncio.to_thread(join, fleet.bench)
            await asyncio.to_thread(drain, fleet)
            await until(seen, 30)
        first = len(endpoints.seen)

    assert seen.failures == []
    assert first >= 2 * ROUTERS
    await asyncio.to_thread(fleet.wait_ready, "mb", "rp")
    assert on_node(fleet, OLD) == []
    print(f"{seen.total} requests, {first} routers, none failed")
