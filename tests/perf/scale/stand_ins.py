"""Routers without a data plane: `python -m tests.perf.scale.stand_ins` plays many in one process.

Each follows the table by a watch of its own, acknowledges a manifest when every blob of it is
there, and serves the operator's stream and orders, with the lines of the real ones. It neither
unpacks blobs nor judges tokens nor has endpoints: what is measured is the operator, not these.
"""

import argparse
import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import yaml
from aiohttp import web

from pointsman.api import names, table

ADMIN_PORT = 9901
HEARTBEAT_S = 5.0


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' spelling


class _ConfigMap(msgspec.Struct, frozen=True):
    metadata: _Meta
    binaryData: dict[str, bytes] = {}  # noqa: N815


class _List(msgspec.Struct, frozen=True):
    metadata: _Meta
    items: list[_ConfigMap]


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: _ConfigMap


_list, _event = msgspec.json.Decoder(_List), msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API server is and what it is shown."""

    url: str
    token: str
    tls: ssl.SSLContext


def server_of(kubeconfig: Path) -> Server:
    """Of a kubeconfig of the bench with a token."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    authority = msgspec.json.decode(f'"{cluster["certificate-authority-data"]}"', type=bytes)
    tls = ssl.create_default_context(cadata=authority.decode())
    return Server(cluster["server"], str(user.get("token", "")), tls)


@dataclass(slots=True)
class StandIn:
    """One of them."""

    name: str
    release: str
    manifest: table.Manifest | None = None
    running: dict[str, table.PolicyEntry] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    """Names of their ConfigMaps."""
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    switches: int = 0

    def see(self, item: _ConfigMap, *, gone: bool = False) -> bool:
        """One ConfigMap as it is now; True if there is something to say."""
        name = item.metadata.name
        if "manifest" in item.binaryData:
            if not gone:
                self.manifest = table.decode_manifest(item.binaryData["manifest"])
            return self._switch()
        (self.blobs.discard if gone else self.blobs.add)(name)
        return bool(self.manifest and len(self.running) < len(self.manifest.policies)) and (
            self._switch()
        )

    def _switch(self) -> bool:
        if self.manifest is None:
            return False
        before, running = self.running, {}
        for entry in self.manifest.policies:
            there = f"{self.release}-table-{entry.blob[:12]}" in self.blobs
            if there:
                running[entry.name] = entry
            elif entry.name in before:
                running[entry.name] = before[entry.name]
        self.running, self.switches = running, self.switches + 1
        return True

    def line(self, kind: str) -> bytes:
        """As a real router says it, at rest."""
        manifest = self.manifest
        acks = tuple(
            table.Ack(policy=one.name, revision=one.revision, blob=one.blob)
            for one in self.running.values()
        )
        sums = kind in {"Hello", "Heartbeat"}
        event = table.AdminEvent(
            type=kind,  # type: ignore[arg-type]
            router=self.name if kind == "Hello" else "",
            epoch=manifest.epoch if manifest else 0,
            serial=manifest.serial if manifest else 0,
            acks=acks if kind in {"Hello", "Ack"} else (),
            finished=None if kind == "Ack" else {},
            served={} if sums else None,
            arms={} if sums else None,
        )
        return table.encode(event) + b"\n"

    async def follow(self, server: Server, namespace: str) -> None:
        """List and watch the table, for ever."""
        path = f"{server.url}/api/v1/namespaces/{namespace}/configmaps"
        query = {"labelSelector": f"{names.LABEL_TABLE}={self.release}"}
        headers = {"authorization": f"Bearer {server.token}"}
        connector = aiohttp.TCPConnector(ssl=server.tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=timeout, read_bufsize=2**22
        ) as session:
            while True:
                try:
                    await self._session(session, path, query)
                except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
                    await asyncio.sleep(0.5)

    async def _session(
        self, session: aiohttp.ClientSession, path: str, query: Mapping[str, str]
    ) -> None:
        async with session.get(path, params=query) as answer:
            answer.raise_for_status()
            listed = _list.decode(await answer.read())
        self.blobs.clear()
        for item in sorted(listed.items, key=lambda one: "manifest" in one.binaryData):
            self.see(item)
        await self._tell()
        watch = {
            **query, "watch": "true", "allowWatchBookmarks": "true",
            "resourceVersion": listed.metadata.resourceVersion,
        }  # fmt: skip
        async with session.get(path, params=watch) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = _event.decode(line)
                if event.type == "ERROR":
                    return
                if event.type != "BOOKMARK" and self.see(
                    event.object, gone=event.type == "DELETED"
                ):
                    await self._tell()

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`GET /admin/stream`."""
        answer = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await answer.prepare(request)
        seen = self.switches
        await answer.write(self.line("Hello"))
        while True:
            kind = "Ack"
            try:
                async with asyncio.timeout(HEARTBEAT_S), self.news:
                    while self.switches == seen:
                        await self.news.wait()
            except TimeoutError:
                kind = "Heartbeat"
            seen = self.switches
            await answer.write(self.line(kind))

    async def order(self, _: web.Request) -> web.Response:
        """`PUT /admin/backends/NAME`."""
        return web.Response(status=204)


async def play(options: argparse.Namespace) -> None:
    """All of them, until cancelled; `ready` is printed when they listen."""
    server = server_of(options.kubeconfig)
    async with asyncio.TaskGroup() as group:
        for address in options.addresses.split(","):
            one = StandIn(f"stand-in-{address}", options.release)
            app = web.Application()
            app.router.add_get("/admin/stream", one.stream)
            app.router.add_put("/admin/backends/{name}", one.order)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, address, ADMIN_PORT).start()
            group.create_task(one.follow(server, options.namespace))
        print("ready", flush=True)


def main() -> None:
    """Run until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--addresses", required=True, help="loopback addresses, one for each")
    asyncio.run(play(parser.parse_args()))


if __name__ == "__main__":
    main()
