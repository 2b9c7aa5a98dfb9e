"""The k-th write is done, its writer hears nothing, and nothing of that life comes after it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.faults.killing import KillingProxy
from tests.faults.proxy import Upstream

PATH = "/api/v1/namespaces/demo/"


@dataclass(slots=True)
class Server:
    """Takes every write but of services, which it refuses."""

    written: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({})
        if "services" in request.path:
            return web.json_response({}, status=409)
        await asyncio.sleep(0)
        self.written.append(request.path.rpartition("/")[2])
        return web.json_response({}, status=201)


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[Upstream]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Upstream("127.0.0.1", runner.addresses[0][1], None)
    finally:
        await runner.cleanup()


async def ask(client: aiohttp.ClientSession, method: str, url: str) -> int:
    """The status; 0 for no answer."""
    try:
        async with client.request(method, url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def test_exactly_so_many_writes_are_done() -> None:
    """Of twenty at once the third is the last; reads, refusals and the Lease do not count."""
    server, killed = Server(), threading.Event()
    async with served(server) as upstream:
        with KillingProxy(upstream, killed.set) as proxy:
            url = f"http://127.0.0.1:{proxy.port}{PATH}"
            proxy.arm(3)
            async with aiohttp.ClientSession() as client:
                quiet = [
                    await ask(client, method, url + what)
                    for method, what in (
                        ("GET", "events"), ("GET", "events?watch=1"), ("POST", "services"),
                        ("PUT", "leases/x"), ("PUT", "leases/x"), ("PUT", "leases/x"),
                    )
                ]  # fmt: skip
                assert not killed.is_set()
                found = await asyncio.gather(
                    *(ask(client, "POST", f"{url}events") for _ in range(20))
                )
                assert killed.is_set()
                assert await ask(client, "PUT", f"{url}leases/x") in {0, 201}
            done, counted = server.written.count("events"), proxy.writes()
            async with aiohttp.ClientSession() as client:
                assert await ask(client, "POST", f"{url}events") == 201, "the next life"

            assert quiet == [200, 200, 409, 201, 201, 201]
            assert done == 3
            assert found.count(201) + found.count(0) == 20
            assert counted == ["POST events"] * 3
