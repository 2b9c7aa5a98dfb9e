"""Three times what a backend takes, through real router processes: who answers, and how soon.

The routers learn tables, model servers and each other from an API server, as in a cluster. Times
are compared with those of the same servers without load, so that a slow machine changes nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiohttp
import pytest

from pointsman.api import table
from pointsman.simulator.model_server import ModelServer
from pointsman.simulator.serving import listening
from pointsman.simulator.settings import Settings
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    entry,
    manifest,
    manifest_object,
    service_backend,
    service_object,
    slice_object,
)
from tests.router.control.process import RouterProcess, router_process
from tests.router.control.test_process import kubeconfig
from tests.support.fake_api import FakeApi

pytestmark = pytest.mark.local

AT_ONCE = 10
SERVICE_S = 0.3
FULL_RATE = AT_ONCE / SERVICE_S
"""Requests a second that keep the first backend just full."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    backend: str
    left: str
    took_s: float


@dataclass
class Fleet:
    """Routers before a small and a large model; `line` is the small one's longest."""

    routers: list[RouterProcess]
    small: ModelServer
    session: aiohttp.ClientSession
    line: int = 0
    asked: int = field(default=0)

    async def ask(self, url: str) -> Told:
        """One request."""
        body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
        began_s = time.monotonic()
        async with self.session.post(f"{url}/v1/chat/completions", json=body) as answer:
            await answer.read()
        headers = answer.headers
        return Told(
            answer.status,
            headers.get("x-pointsman-backend", ""),
            headers.get("x-pointsman-fallback", ""),
            time.monotonic() - began_s,
        )

    async def load(self, rate: float, for_s: float) -> list[Told]:
        """So many requests a second, evenly, by turns to each router, whether answered or not."""
        self.line = 0
        tasks: list[asyncio.Task[Told]] = []
        began_s = time.monotonic()
        while (since_s := time.monotonic() - began_s) < for_s:
            while len(tasks) < since_s * rate:
                url = self.routers[self.asked % len(self.routers)].url
                self.asked += 1
                tasks.append(asyncio.create_task(self.ask(url)))
            self.line = max(self.line, self.small.slots.waiting)
            await asyncio.sleep(0.002)
        return [await task for task in tasks]


def p99_s(told: list[Told]) -> float:
    """Of those that the small one answered."""
    took = sorted(one.took_s for one in told if one.backend == "small")
    return took[int(len(took) * 0.99)]


def objects(on: tuple[table.FallbackOn, ...]) -> list[dict[str, object]]:
    """A table in which the large model follows the small one."""
    small = service_backend("small", "small-model")
    blob = table.encode(
        table.PolicyBlob(
            namespace=NAMESPACE,
            name="support",
            revision="r1",
            model_names=("auto",),
            routes=(
                table.Route(
                    name="default",
                    targets=(table.Target(backend="small"),),
                    fallback=table.Fallback(chain=("large",), on=on),
                ),
            ),
            backends={
                "small": table.Backend(
                    name="small", model="small", address=small.address, max_concurrent=AT_ONCE
                ),
                "large": service_backend("large", "large-model"),
            },
        )
    )
    return [blob_object(blob), manifest_object(manifest(1, entry(blob)))]


@asynccontextmanager
async def fleet(
    folder: Path, routers: int, on: tuple[table.FallbackOn, ...]
) -> AsyncIterator[Fleet]:
    """Everything ready: each router knows all servers and how many routers there are."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(FakeApi())
        servers = {}
        for name, at_once in (("small", AT_ONCE), ("large", 1000)):
            settings = Settings(
                model=name, host="127.0.0.1", port=0, ttft_s=SERVICE_S, tokens_per_second=0.0,
                output_tokens=2, max_concurrency=at_once,
            )  # fmt: skip
            server, port = await stack.enter_async_context(listening(settings))
            servers[name] = server
            api.put(service_object(f"{name}-model"))
            api.put(slice_object(f"{name}-model", ["127.0.0.1"], port=port))
        addresses = [f"10.244.0.{number + 1}" for number in range(routers)]
        api.put(slice_object("pointsman-router", addresses, port=8080))
        for thing in objects(on):
            api.put(thing)
        processes = []
        for number in range(routers):
            own = folder / str(number)
            own.mkdir()
            options = (kubeconfig(own, api), "--admin-auth=none")
            processes.append(stack.enter_context(router_process(own, *options)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        found = Fleet(processes, servers["small"], session)
        for router in processes:
            await router.until_ready(lambda ready: ready["table"] == "confirmed")
        async with asyncio.timeout(20):
            while {(await found.ask(r.url)).status for r in processes} != {200}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield found


@pytest.mark.parametrize("routers", [1, 2])
async def test_the_next_backend_takes_what_is_too_much(tmp_path: Path, routers: int) -> None:
    """
    Nothing fails, the first stays as fast as without load and busy, and the traffic returns.

    Also when two routers share it and neither knows the other's requests.
    """
    async with fleet(tmp_path, routers, ("Saturated",)) as there:
        quiet = await there.load(FULL_RATE / 2, 2.0)
        assert {(one.status, one.backend) for one in quiet} == {(200, "small")}
        busy = await there.load(FULL_RATE * 3, 4.0)
        assert {one.status for one in busy} == {200}
        passed = [one for one in busy if one.backend == "large"]
        assert {one.left for one in passed} == {"small;reason=Saturated"}
        assert {one.left for one in busy if one.backend == "small"} == {""}
        assert there.line <= routers  # an answer may be here before its slot is free there
        # 27 times where nothing goes on to the next; beside other tests 2.4 was seen.
        assert p99_s(busy) < 5 * p99_s(quiet)
        assert 0.6 < (len(busy) - len(passed)) / (FULL_RATE * 4.0) < 1.2
        after = await there.load(FULL_RATE / 2, 2.0)
        assert {(one.status, one.backend, one.left) for one in after} == {(200, "small", "")}


@pytest.mark.parametrize("on", [("Error",)])
async def test_without_it_the_first_backend_becomes_slow(
    tmp_path: Path, on: tuple[Literal["Error"], ...]
) -> None:
    """The same load on the same servers: what the test above compares with does happen."""
    async with fleet(tmp_path, 1, on) as there:
        quiet = await there.load(FULL_RATE / 2, 1.0)
        busy = await there.load(FULL_RATE * 3, 2.0)
        assert {(one.status, one.backend) for one in busy} == {(200, "small")}
        assert p99_s(busy) > 3 * p99_s(quiet)
        assert there.line > AT_ONCE
