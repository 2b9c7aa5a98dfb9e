"""The proxy does what each fault says, and nothing else; a heal ends it for new requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from tests.faults.fault import FAULTS, Fault
from tests.faults.proxy import FaultProxy, Upstream
from tests.router.control.objects import service_object
from tests.support.fake_api import FakeApi

SERVICES = "/api/v1/namespaces/demo/services"
BY_NAME = {fault.name: fault for fault in FAULTS}
DEADLINE_S = 20


@dataclass(frozen=True, slots=True)
class World:
    """A fake API server with one Service, its proxy, and a client of the proxy."""

    api: FakeApi
    proxy: FaultProxy
    client: aiohttp.ClientSession
    url: str

    async def names(self) -> list[str]:
        async with self.client.get(self.url) as answer:
            assert answer.status == 200, answer.status
            return [item["metadata"]["name"] for item in json.loads(await answer.read())["items"]]

    async def settled(self, *, watches: int) -> None:
        """The proxy knows of so many open watches."""
        async with asyncio.timeout(DEADLINE_S):
            while self.proxy.watches().total() != watches:  # noqa: ASYNC110 - another thread
                await asyncio.sleep(0.005)


@asynccontextmanager
async def world(bookmark_s: float | None = None) -> AsyncIterator[World]:
    async with FakeApi() as api:
        api.put(service_object("a"))
        port = int(api.url.rpartition(":")[2])
        upstream = Upstream("127.0.0.1", port, None)
        with FaultProxy(upstream, bookmark_s=bookmark_s) as proxy:
            timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
            async with aiohttp.ClientSession(timeout=timeout) as client:
                yield World(api, proxy, client, f"http://127.0.0.1:{proxy.port}{SERVICES}")


@asynccontextmanager
async def watch(here: World) -> AsyncIterator[aiohttp.ClientResponse]:
    async with here.client.get(f"{here.url}?watch=1&resourceVersion=101") as answer:
        await here.settled(watches=1)
        yield answer


async def test_without_a_fault_everything_passes_at_once() -> None:
    """Lists as they are; a change on a watch as soon as it happens."""
    async with world() as here, watch(here) as stream:
        assert await here.names() == ["a"]
        here.api.put(service_object("b"))
        event = json.loads(await stream.content.readline())

        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")
        assert here.proxy.watches() == {("127.0.0.1", "services"): 1}


async def test_a_watch_that_the_api_server_refuses_is_an_answer() -> None:
    """As it is; requests on the same connection go on."""
    async with world() as here:
        here.api.refuse["services"] = 403
        async with here.client.get(f"{here.url}?watch=1") as answer:
            assert answer.status == 403
            assert (await answer.json())["code"] == 403
        here.api.refuse.clear()

        assert await here.names() == ["a"]


async def test_a_quiet_watch_gets_bookmarks() -> None:
    """With the version that was seen last."""
    async with world(bookmark_s=0.05) as here, watch(here) as stream:
        first = json.loads(await stream.content.readline())
        here.api.put(service_object("b"))
        seen = [json.loads(await stream.content.readline()) for _ in range(3)]

    version = seen[[event["type"] for event in seen].index("ADDED")]["object"]["metadata"]
    assert (first["type"], first["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", "101")
    assert seen[-1]["object"]["metadata"]["resourceVersion"] == version["resourceVersion"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("401", 401), ("403", 403), ("429 with Retry-After", 429), ("503", 503)],
)
async def test_a_status_is_answered_by_the_proxy(name: str, status: int) -> None:
    """The API server never hears of the request; afterwards it does."""
    async with world() as here:
        here.proxy.inject(BY_NAME[name])
        async with here.client.get(here.url) as answer:
            assert answer.status == status
            assert (await answer.json())["code"] == status
            assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
        assert here.api.requests == []
        assert [met.method for met in here.proxy.met()] == ["GET"]
        here.proxy.heal()

        assert await here.names() == ["a"]


@pytest.mark.parametrize("name", ["404 of a balancer", "200 of a balancer"])
async def test_a_balancers_page_is_no_status(name: str) -> None:
    """Of every request, reads and watches."""
    async with world() as here:
        here.proxy.inject(BY_NAME[name])
        for url in (here.url, f"{here.url}/a", f"{here.url}?watch=1"):
            async with here.client.get(url) as answer:
                assert answer.status == BY_NAME[name].status
                assert await answer.read() == BY_NAME[name].page
        assert here.api.requests == []


async def test_410_is_for_watches_only() -> None:
    """As a status, as from an API server whose etcd was compacted."""
    async with world() as here:
        here.proxy.inject(BY_NAME["410 as a status"])
        assert await here.names() == ["a"]
        async with here.client.get(f"{here.url}?watch=1") as answer:
            assert answer.status == 410


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("410 in the stream", b'"code": 410'),
        ("500 in the stream", b'"code": 500'),
        ("garbage", b"<html>"),
        ("truncated JSON", b'{"type":"MODIFIED"'),
        ("503", b""),
    ],
)
async def test_an_open_watch_ends_with_the_faults_words(name: str, said: bytes) -> None:
    """Well framed: the client cannot tell that it was not the API server."""
    async with world() as here, watch(here) as stream:
        here.proxy.inject(BY_NAME[name])
        text = await stream.content.read()

        assert said in text
        assert here.proxy.watches().total() == 0


@pytest.mark.parametrize("name", ["410 in the stream", "500 in the stream", "garbage"])
async def test_a_new_watch_meets_the_same_words(name: str) -> None:
    """For as long as the fault lasts."""
    async with world() as here:
        here.proxy.inject(BY_NAME[name])
        for _ in range(2):
            async with here.client.get(f"{here.url}?watch=1") as answer:
                text = await answer.read()
            assert b"ERROR" in text or b"<html>" in text
        assert await here.names() == ["a"]


@pytest.mark.parametrize("name", ["silence", "half-open", "deaf"])
async def test_what_was_frozen_stays_so_after_the_heal(name: str) -> None:
    """An open watch, and a kept-alive connection; new connections work."""
    async with world() as here, watch(here) as stream:
        assert await here.names() == ["a"]
        here.proxy.inject(BY_NAME[name])
        frozen = asyncio.create_task(here.names())
        line = asyncio.create_task(stream.content.readline())
        await asyncio.sleep(0)
        here.proxy.heal()
        here.api.put(service_object("b"))
        async with aiohttp.ClientSession() as fresh, fresh.get(here.url) as answer:
            assert len((await answer.json())["items"]) == 2
        assert here.proxy.watches().total() == 0
        assert not line.done()
        assert not frozen.done()
        for task in (frozen, line):
            task.cancel()


@pytest.mark.parametrize("name", ["silence", "deaf"])
async def test_new_connections_are_silent_too(name: str) -> None:
    """And stay so after the heal; newer ones work."""
    async with world() as here:
        here.proxy.inject(BY_NAME[name])
        asked = asyncio.create_task(here.names())
        async with asyncio.timeout(DEADLINE_S):
            while not here.proxy.met():  # noqa: ASYNC110 - another thread
                await asyncio.sleep(0.005)
        assert here.api.requests == []
        here.proxy.heal()
        async with aiohttp.ClientSession() as fresh, fresh.get(here.url) as answer:
            assert answer.status == 200
        assert not asked.done()
        asked.cancel()


@pytest.mark.parametrize("name", ["reset", "refused"])
async def test_a_reset_is_one(name: str) -> None:
    """Of an open watch, of a new request."""
    async with world() as here, watch(here) as stream:
        here.proxy.inject(BY_NAME[name])
        with pytest.raises(aiohttp.ClientError):
            await stream.content.read()
        with pytest.raises(aiohttp.ClientError):
            await here.names()
        here.proxy.heal()
        assert await here.names() == ["a"]


async def test_a_truncated_list_is_well_framed() -> None:
    """HTTP says that all is there; the JSON says that it is not."""
    async with world() as here:
        here.proxy.inject(BY_NAME["truncated JSON"])
        with pytest.raises(json.JSONDecodeError):
            await here.names()


async def test_a_slow_answer_is_whole() -> None:
    """Piece by piece; the heal lets the rest come at once."""
    async with world() as here:
        for number in range(100):
            here.api.put(service_object(f"s{number}"))
        here.proxy.inject(BY_NAME["slow"])
        asked = asyncio.create_task(here.names())
        await asyncio.sleep(0.2)
        assert not asked.done()
        here.proxy.heal()
        began = time.monotonic()

        assert len(await asked) == 101
        assert time.monotonic() - began < DEADLINE_S


async def test_the_answer_of_a_write_is_lost_and_the_write_is_not() -> None:
    """The client cannot know; reads pass."""
    async with world() as here:
        here.proxy.inject(BY_NAME["answers of writes lost"])
        assert await here.names() == ["a"]
        reviews = here.url.replace(SERVICES, "/apis/authentication.k8s.io/v1/tokenreviews")
        with pytest.raises(aiohttp.ClientError):
            await here.client.post(reviews, json={"spec": {"token": "x"}})
        assert ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") in [
            request[:2] for request in here.api.requests
        ]


async def test_a_fault_is_for_its_clients_and_paths_only() -> None:
    """Others see the real API server."""
    async with world() as here:
        here.proxy.inject(BY_NAME["503"], ["10.0.0.9"])
        assert await here.names() == ["a"]
        here.proxy.inject(Fault("403 on ConfigMaps", "status", path="/configmaps", status=403))
        assert await here.names() == ["a"]
        async with here.client.get(here.url.replace("services", "configmaps")) as answer:
            assert answer.status == 403
