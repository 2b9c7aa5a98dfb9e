"""The API server as the console asks it: lists by the page, orders under a resourceVersion."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pointsman.api.orders import APPROVE, Refused
from pointsman.ledger.console.fleet.cluster import TRIES, ClusterFleet
from pointsman.ledger.console.fleet.seen import Away
from tests.ledger.console.showing import fleet
from tests.ledger.console.test_fleet import approve, running, until
from tests.ledger.events import NOW_MS
from tests.support.kubeconfig import write_kubeconfig

OURS = "/apis/pointsman.dev/v1alpha1/namespaces/desk"


class Server:
    """A part of an API server: two objects a page, patches only of the version that is there."""

    def __init__(self) -> None:
        self.objects = fleet(NOW_MS)
        self.refuse = 0
        self.edits_between = 0
        """So often somebody else writes between our reading and our writing."""
        self.asked: list[str] = []
        self.patches: list[dict[str, Any]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its URL."""
        app = web.Application(middlewares=[self._note])
        app.router.add_get(f"{OURS}/modelbackends", self._list("backends"))
        app.router.add_get(f"{OURS}/routingpolicies", self._list("policies"))
        app.router.add_get(
            "/apis/apps/v1/namespaces/desk/controllerrevisions", self._list("revisions")
        )
        app.router.add_get(f"{OURS}/routingpolicies/{{name}}", self._get)
        app.router.add_patch(f"{OURS}/routingpolicies/{{name}}", self._patch)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.headers["authorization"] == "Bearer t"
        self.asked.append(f"{request.method} {request.path_qs}")
        if self.refuse:
            said = {"kind": "Status", "message": "routingpolicies is forbidden"}
            return web.json_response(said, status=self.refuse)
        answer: web.StreamResponse = await handler(request)
        return answer

    def _list(self, part: str) -> Any:
        async def listed(request: web.Request) -> web.Response:
            begin = int(request.query.get("continue", "0"))
            items = self.objects[part][begin : begin + 2]
            further = str(begin + 2) if len(self.objects[part]) > begin + 2 else ""
            about = {"resourceVersion": "9", "continue": further}
            return web.json_response({"kind": "List", "metadata": about, "items": items})

        return listed

    def policy(self, name: str) -> dict[str, Any]:
        """As it is now."""
        return next(p for p in self.objects["policies"] if p["metadata"]["name"] == name)

    async def _get(self, request: web.Request) -> web.Response:
        item = self.policy(request.match_info["name"])
        answer = web.json_response(item)
        if self.edits_between:
            self.edits_between -= 1
            about = item["metadata"]
            about["resourceVersion"] = str(int(about["resourceVersion"]) + 1)
        return answer

    async def _patch(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        patch = json.loads(await request.read())
        item = self.policy(request.match_info["name"])
        if patch["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            return web.json_response({"message": "the object has been modified"}, status=409)
        self.patches.append(patch["metadata"]["annotations"])
        return web.json_response(item)


@asynccontextmanager
async def seen(server: Server, folder: Path) -> AsyncIterator[ClusterFleet]:
    """A fleet that was read once."""
    async with server.serving() as url:
        found = ClusterFleet("desk", write_kubeconfig(folder, url), writable=True)
        async with running(found):
            await until(lambda: not found.away())
            yield found


async def test_lists_are_read_to_their_end(tmp_path: Path) -> None:
    """Four backends on two pages, revisions without their data."""
    server = Server()
    async with seen(server, tmp_path) as found:
        names = [one.name for one in found.seen().backends]

    assert names == ["hosted-gpt", "llama-old", "qwen-large", "qwen-light"]
    assert [one.name for one in found.seen().policies] == ["batch", "search", "support"]
    assert len(found.seen().revisions) == 5
    assert any("labelSelector=pointsman.dev/policy" in one for one in server.asked)


async def test_an_order_is_one_patch(tmp_path: Path) -> None:
    """Of the annotation alone; others who write at the same time are no hindrance."""
    server = Server()
    async with seen(server, tmp_path) as found:
        server.edits_between = TRIES - 1
        await found.annotate("support", approve)

    (patch,) = server.patches
    assert patch.keys() == {APPROVE}
    assert json.loads(patch[APPROVE])["approver"] == "ada"


async def test_an_order_is_decided_anew_on_what_is_there(tmp_path: Path) -> None:
    """Not on what the page or the last list had."""
    server = Server()
    async with seen(server, tmp_path) as found:
        server.policy("support")["status"]["rollout"]["step"] = 2
        with pytest.raises(Refused, match="stale: the rollout is in step 2, not 1"):
            await found.annotate("support", approve)
        server.policy("support")["status"]["rollout"]["step"] = 1
        server.edits_between = TRIES
        with pytest.raises(Away, match="has been modified"):
            await found.annotate("support", approve)

    assert server.patches == []


async def test_a_missing_right_is_told_in_the_servers_words(tmp_path: Path) -> None:
    """And what was read before stays."""
    server = Server()
    async with seen(server, tmp_path) as found:
        server.refuse = 403
        with pytest.raises(Away, match="403 to GET support: routingpolicies is forbidden"):
            await found.annotate("support", approve)
        assert found.seen().policies
