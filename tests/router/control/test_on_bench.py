"""The contract with the API server, on a real one; and a router process beside it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pointsman.router.control.kube_config import ApiServer, from_kubeconfig
from tests.bench import Bench
from tests.router.control.contract import ApiContract, World, release
from tests.router.control.objects import (
    NAMESPACE,
    Json,
    blob_object,
    entry,
    manifest,
    manifest_object,
    policy,
)
from tests.router.control.process import router_process
from tests.router.control.rights import grant

__all__ = ["release"]
pytestmark = pytest.mark.bench


class _BenchWorld:
    def __init__(self, bench: Bench, kubeconfig: Path) -> None:
        self.bench = bench
        self.kubeconfig = kubeconfig
        self.server: ApiServer = from_kubeconfig(kubeconfig)
        self._up = True

    async def apply(self, *objects: Json) -> None:
        for thing in objects:
            await asyncio.to_thread(self._apply, thing)

    def _apply(self, thing: Json) -> None:
        self.bench.apply(json.dumps(thing))

    async def delete(self, kind: str, name: str) -> None:
        await asyncio.to_thread(self.bench.kubectl, "delete", kind, name, "-n", NAMESPACE)

    async def stop(self) -> None:
        self._up = False
        await asyncio.to_thread(self.bench.stop_api)

    async def start(self) -> None:
        if not self._up:
            await asyncio.to_thread(self.bench.start_api)
        self._up = True

    async def token(self, account: str, audience: str | None) -> str:
        return await asyncio.to_thread(self.bench.token, NAMESPACE, account, audience)


@pytest.fixture(scope="module")
def account(bench: Bench) -> Iterator[Path]:
    """The namespace of these tests, and a kubeconfig as the router in it, with no other rights."""
    yield grant(bench)
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


class TestRealApi(ApiContract):
    """As on the fake."""

    @pytest.fixture
    async def world(self, bench: Bench, account: Path) -> AsyncIterator[World]:
        world = _BenchWorld(bench, account)
        yield world
        await world.start()


async def test_a_router_process_follows_acks_and_outlives_the_server(
    bench: Bench, account: Path, tmp_path: Path, release: str
) -> None:
    """A process with its own ServiceAccount; the operator's token opens its admin stream."""
    world = _BenchWorld(bench, account)
    first, second = policy(revision="r1"), policy(revision="r2")
    await world.apply(
        blob_object(first, release=release), manifest_object(manifest(1, entry(first)), release)
    )
    token = await world.token("pointsman-operator", "pointsman-router")
    options = [f"--kubeconfig={account}", f"--release={release}"]
    with router_process(tmp_path, *options) as router:
        async with router.stream(token) as events:
            await events.until(lambda event: [a.revision for a in event.acks] == ["r1"])
            await world.apply(
                blob_object(second, release=release),
                manifest_object(manifest(2, entry(second, revision="r2")), release),
            )
            await events.until(lambda event: [a.revision for a in event.acks] == ["r2"])
        assert await router.status("/admin/table") == 401
        assert router.stop() == 0
    await world.stop()
    try:
        with router_process(tmp_path, *options) as router:
            ready = await router.json("/readyz")
            assert (ready["ready"], ready["table"], ready["serial"]) == (True, "disk", 2)
            assert await router.models() == ["support-auto"]
            await world.start()
            await world.apply(manifest_object(manifest(3), release))
            await router.until_ready(lambda ready: ready["serial"] == 3)
            assert await router.models() == []
            assert router.stop() == 0
    finally:
        await world.start()
