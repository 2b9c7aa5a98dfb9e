"""The operator's own requests after a silent cut: one is lost to it, not all that follow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.lease import Elector
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.lease import RENEW_DEADLINE_S
from pointsman.operator.running import leading_epoch
from pointsman.operator.settings import Settings
from tests.faults.fault import Fault
from tests.faults.proxy import FaultProxy, Upstream
from tests.faults.test_pins import NAMESPACE
from tests.operator.fake_api import FakeApi as MemoryApi
from tests.router.control.objects import service_object
from tests.support.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig

POOLED = 8
CUT = Fault("half-open", streams="freeze", connections="freeze")


@dataclass(frozen=True, slots=True)
class World:
    """A fake API server behind the proxy, and the operator's client of it."""

    proxy: FaultProxy
    client: Api


@asynccontextmanager
async def world(folder: Path, request_timeout_s: float) -> AsyncIterator[World]:
    async with FakeApi() as server:
        for number in range(8):
            item = service_object(f"s{number}")
            server.put(item | {"metadata": item["metadata"] | {"namespace": NAMESPACE}})
        port = int(server.url.rpartition(":")[2])
        with FaultProxy(Upstream("127.0.0.1", port, None)) as proxy:
            file = write_kubeconfig(folder, f"http://127.0.0.1:{proxy.port}")
            settings = Settings(
                namespace=NAMESPACE, kubeconfig=file, request_timeout_s=request_timeout_s
            )
            client = await Api.open(settings)
            try:
                yield World(proxy, client)
            finally:
                await client.close()


async def test_one_timeout_leaves_all_idle_connections_behind(tmp_path: Path) -> None:
    """Each of them is as dead: a pool of eight would else cost eight timeouts of 30 s."""
    async with world(tmp_path, request_timeout_s=1.0) as here:
        lists = [here.client.list_all(kinds.SERVICE) for _ in range(POOLED)]
        await asyncio.gather(*lists)
        here.proxy.inject(CUT)
        here.proxy.heal()
        with pytest.raises(Waiting):
            await here.client.list_all(kinds.SERVICE)

        assert len(await here.client.list_all(kinds.SERVICE)) == 8


async def test_a_request_that_is_under_way_survives_anothers_timeout(tmp_path: Path) -> None:
    """Its connection works: it is closed when it is done with."""
    async with world(tmp_path, request_timeout_s=2.0) as here:
        here.proxy.inject(Fault("silent pods", "silent", path="/pods$"))
        silent = asyncio.create_task(here.client.list_all(kinds.POD))
        await asyncio.sleep(1.5)  # the scenario: one is young when the other's time is over
        here.proxy.inject(Fault("slow", "drip"))
        slow = asyncio.create_task(here.client.list_all(kinds.SERVICE))
        with pytest.raises(Waiting):
            await silent

        assert not slow.done()
        assert len(await slow) == 8


async def test_a_silent_renewal_leaves_time_for_another() -> None:
    """client-go's rule: half the renew deadline for one attempt. Else one cut costs the Lease."""
    hung = asyncio.Event()

    class HangsOnce(MemoryApi):
        async def get(self, kind: kinds.Kind, name: str) -> dict[str, object] | None:
            if elector.epoch and not hung.is_set():
                hung.set()
                await asyncio.Event().wait()
            return await super().get(kind, name)

    elector = Elector(HangsOnce(), Settings(namespace=NAMESPACE, identity="me"), attempt_s=0.05)
    assert Elector(MemoryApi(), Settings(namespace=NAMESPACE)).attempt_s == RENEW_DEADLINE_S / 2
    await elector.acquire()
    version = elector.version
    keeping = asyncio.create_task(elector.keep())
    try:
        async with asyncio.timeout(RENEW_DEADLINE_S):
            while elector.version == version:  # noqa: ASYNC110 - plain data
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
    assert hung.is_set()


async def test_a_start_outlasts_an_api_server_that_cannot_read() -> None:
    """In place: a kubelet would begin to wait for minutes between two tries."""
    failures = iter([Waiting("503"), Waiting("503")])

    def fails_twice(what: str, kind: kinds.Kind) -> None:
        if kind == kinds.CONFIG_MAP and what == "get" and (error := next(failures, None)):
            raise error

    api = MemoryApi(fails_twice)

    assert await leading_epoch(api, Settings(namespace=NAMESPACE), 7) == 7
