"""All routers are replaced under load: no request fails, open streams and idle connections too."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.e2e.endpoints import URL, ready_endpoints
from tests.e2e.fleet import DELAY_S, RELEASE, ROUTERS, Fleet
from tests.e2e.traffic import traffic, until

pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("own_bench"),  # a resolver instead of kube-proxy
]
STREAM_S = DELAY_S + 2
"""Longer than a router's delay, so that every stream that it holds at its end outlives that."""
TOKENS_PER_SECOND = 5


@pytest.fixture
def slow(fleet: Fleet) -> Iterator[str]:
    """A model whose answers take their time, behind the name `slow`."""
    version = {"apiVersion": "pointsman.dev/v1alpha1", "metadata": {"name": "slow"}}
    args = [f"--tokens-per-second={TOKENS_PER_SECOND}", "--max-concurrency=100"]
    backend = {"model": "slow-model", "deployment": {"engine": "Simulator", "args": args}}
    policy = {
        "modelNames": ["slow"],
        "default": {"targets": [{"backendRef": {"name": "slow"}}]},
    }
    items = [
        {**version, "kind": "ModelBackend", "spec": backend},
        {**version, "kind": "RoutingPolicy", "spec": policy},
    ]
    fleet.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    )
    fleet.wait_ready("mb", "rp")
    yield "slow"
    fleet.kubectl("delete", "rp/slow", "mb/slow")


async def test_a_rolling_restart_loses_nothing(fleet: Fleet, slow: str) -> None:
    """Short requests, streams back to back, and connections that idle longer than the delay."""
    old = {pod["metadata"]["uid"] for pod in fleet.pods("router")}
    async with ready_endpoints(fleet) as endpoints, AsyncExitStack() as stack:
        busy = await stack.enter_async_context(traffic([URL], resolver=endpoints))
        idle = await stack.enter_async_context(
            traffic([URL], clients=9, pause_s=STREAM_S, resolver=endpoints)
        )
        streams = await stack.enter_async_context(
            traffic(
                [URL], clients=9, model=slow, tokens=STREAM_S * TOKENS_PER_SECOND,
                resolver=endpoints,
            )
        )  # fmt: skip
        await until(busy, 100)
        await asyncio.to_thread(restart, fleet, old)
        await until(busy, 100)

    assert len(endpoints.seen) >= 2 * ROUTERS
    assert busy.failures + idle.failures + streams.failures == []
    assert streams.total >= 18
    assert streams.slowest_s > STREAM_S / 2


def restart(fleet: Fleet, old: set[str]) -> None:
    """`kubectl rollout restart`, until none of the old routers is there any more."""
    deployment = f"deployment/{RELEASE}-router"
    fleet.kubectl("rollout", "restart", deployment)
    fleet.kubectl("rollout", "status", deployment, "--timeout=120s")

    def gone() -> bool:
        return not old & {pod["metadata"]["uid"] for pod in fleet.pods("router")}

    fleet.cluster.wait_for(gone, 90, "the end of the old routers")
