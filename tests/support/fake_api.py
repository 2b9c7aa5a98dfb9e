"""A small Kubernetes API server over real HTTP: lists, watches, TokenReviews, and every fault.

Guarantees resourceVersions that grow, replays from a version, label selectors, and 410 once a
version is compacted. It checks no schema and no rights; what it does, the contract suite compares
with the real one.
"""

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
_COLLECTIONS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Pod": ("/api/v1", "pods"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ModelBackend": ("/apis/pointsman.dev/v1alpha1", "modelbackends"),
    "RoutingPolicy": ("/apis/pointsman.dev/v1alpha1", "routingpolicies"),
    "EvaluationSuite": ("/apis/pointsman.dev/v1alpha1", "evaluationsuites"),
    "KopfPeering": ("/apis/kopf.dev/v1", "kopfpeerings"),
}
_CLUSTER_WIDE = {
    "Namespace": ("/api/v1", "namespaces"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}
"""Listed by discovery, and not served."""


@dataclass(frozen=True, slots=True)
class _Change:
    version: int
    type: str
    object: Json


@dataclass(eq=False, slots=True)
class _Watch:
    collection: str
    selector: str
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    transport: asyncio.Transport | None = None


class FakeApi:
    """`async with` it; `url` stays the same over `stop` and `start`."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Token -> (user name, audiences)."""
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        self.refuse: dict[str, int] = {}
        """Collection (plural) -> status with which all its requests are refused."""
        self.before: tuple[int, bytes] | None = None
        """Status and body with which something before the API server answers every request."""
        self.silent = False
        """True: open watches are told of no change."""
        self.authorizations: list[str] = []
        self._objects: dict[str, dict[str, Json]] = {}
        self._changes: dict[str, list[_Change]] = {}
        self._version = 100
        self._compacted = 0
        self._watches: set[_Watch] = set()
        self._watching = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """For ApiServer."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> "FakeApi":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the port of last time."""
        app = web.Application(middlewares=[self._note])
        app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", self._review)
        app.router.add_get("/api", _versions)
        app.router.add_get("/apis", _groups)
        for prefix in {prefix for prefix, _ in (_COLLECTIONS | _CLUSTER_WIDE).values()}:
            app.router.add_get(prefix, _kinds)
            folder = prefix + "/namespaces/{namespace}/{plural}"
            app.router.add_get(folder, self._collection)
            app.router.add_get(folder + "/{name}", self._single)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Away: connections are reset, new ones refused."""
        self.reset()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def put(self, thing: Mapping[str, Any]) -> None:
        """Create or replace an object, as `kubectl apply` does."""
        collection = _path(thing)
        name = thing["metadata"]["name"]
        known = self._objects.setdefault(collection, {})
        kind = "MODIFIED" if name in known else "ADDED"
        known[name] = self._next(thing)
        self._announce(collection, kind, known[name])

    def delete(self, kind: str, name: str, namespace: str = "demo") -> None:
        """Delete an object; it must exist."""
        prefix, plural = _COLLECTIONS[kind]
        collection = f"{prefix}/namespaces/{namespace}/{plural}"
        gone = self._next(self._objects[collection].pop(name))
        self._announce(collection, "DELETED", gone)

    def compact(self) -> None:
        """Versions of before now are gone: who watches from there gets 410."""
        self._compacted = self._version

    def send(self, line: bytes) -> None:
        """Put a line into every open watch."""
        for watch in self._watches:
            watch.lines.put_nowait(line)

    def send_error(self, code: int) -> None:
        """An ERROR event in every open watch."""
        status = {"kind": "Status", "status": "Failure", "code": code, "message": "injected"}
        self.send(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")

    def end_watches(self) -> None:
        """The server ends all watches, as it does after timeoutSeconds."""
        for watch in self._watches:
            watch.lines.put_nowait(None)

    def reset(self) -> None:
        """Connections of all watches are torn down."""
        for watch in self._watches:
            if watch.transport is not None:
                watch.transport.abort()

    async def watched(self, count: int, plural: str = "") -> None:
        """Wait until so many watches (of this collection) are open."""
        async with asyncio.timeout(10), self._watching:
            await self._watching.wait_for(
                lambda: sum(w.collection.endswith(plural) for w in self._watches) >= count
            )

    async def listed(self, plural: str, count: int) -> None:
        """Wait until lists of this collection were asked for so many times."""
        async with asyncio.timeout(10), self._watching:
            await self._watching.wait_for(lambda: self.count(plural, watch=False) >= count)

    def count(self, plural: str, *, watch: bool) -> int:
        """How many lists or watches of this collection were asked for."""
        return sum(
            path.endswith(plural) and ("watch" in query) == watch
            for _, path, query in self.requests
        )

    def _next(self, thing: Mapping[str, Any]) -> Json:
        self._version += 1
        copy: Json = json.loads(json.dumps(thing))
        copy["metadata"]["resourceVersion"] = str(self._version)
        return copy

    def _announce(self, collection: str, kind: str, thing: Json) -> None:
        change = _Change(self._version, kind, thing)
        self._changes.setdefault(collection, []).append(change)
        for watch in self._watches:
            heard = watch.collection == collection and not self.silent
            if heard and _matches(thing, watch.selector):
                watch.lines.put_nowait(_line(change))

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        self.authorizations.append(request.headers.get("Authorization", ""))
        async with self._watching:
            self._watching.notify_all()
        if self.before:
            return web.Response(status=self.before[0], body=self.before[1])
        for plural, status in self.refuse.items():
            if f"/{plural}" in request.path:
                return _status(status)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _single(self, request: web.Request) -> web.StreamResponse:
        collection, _, name = request.path.rpartition("/")
        thing = self._objects.get(collection, {}).get(name)
        return web.json_response(thing) if thing else _not_found(collection, name)

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        selector = request.query.get("labelSelector", "")
        if "watch" in request.query:
            return await self._watch(request, selector)
        found = self._objects.get(request.path, {}).values()
        return web.json_response(
            {
                "kind": "List",
                "metadata": {"resourceVersion": str(self._version)},
                "items": [thing for thing in found if _matches(thing, selector)],
            }
        )

    async def _watch(self, request: web.Request, selector: str) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion") or self._version)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        watch = _Watch(request.path, selector, transport=request.transport)
        if since < self._compacted:
            gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}
            watch.lines.put_nowait(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            watch.lines.put_nowait(None)
        for change in self._changes.get(request.path, []):
            if change.version > since and _matches(change.object, selector):
                watch.lines.put_nowait(_line(change))
        self._watches.add(watch)
        try:
            await response.prepare(request)
            async with self._watching:
                self._watching.notify_all()
            limit_s = max(1, math.ceil(float(request.query.get("timeoutSeconds", "300"))))
            async with asyncio.timeout(limit_s):
                while (line := await watch.lines.get()) is not None:
                    await response.write(line)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self._watches.discard(watch)
        return response

    async def _review(self, request: web.Request) -> web.StreamResponse:
        spec = (await request.json())["spec"]
        user, audiences = self.tokens.get(spec["token"], ("", ()))
        common = [name for name in spec.get("audiences", []) if name in audiences]
        status: Json = {"authenticated": bool(user and common)}
        if status["authenticated"]:
            status |= {"user": {"username": user}, "audiences": common}
        return web.json_response({"kind": "TokenReview", "status": status}, status=201)


async def _versions(_: web.Request) -> web.StreamResponse:
    return web.json_response({"kind": "APIVersions", "versions": ["v1"]})


async def _groups(_: web.Request) -> web.StreamResponse:
    found = {prefix for prefix, _ in (_COLLECTIONS | _CLUSTER_WIDE).values()} - {"/api/v1"}
    groups = []
    for group, version in sorted(prefix.split("/")[2:] for prefix in found):
        known = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [known], "preferredVersion": known})
    return web.json_response({"kind": "APIGroupList", "groups": groups})


async def _kinds(request: web.Request) -> web.StreamResponse:
    verbs = ["get", "list", "watch", "create", "patch", "delete"]
    resources = [
        {"name": plural, "singularName": kind.lower(), "kind": kind, "verbs": verbs}
        | {"namespaced": kind in _COLLECTIONS}
        for kind, (prefix, plural) in (_COLLECTIONS | _CLUSTER_WIDE).items()
        if prefix == request.path
    ]
    return web.json_response({"kind": "APIResourceList", "resources": resources})


def _path(thing: Mapping[str, Any]) -> str:
    prefix, plural = _COLLECTIONS[thing["kind"]]
    return f"{prefix}/namespaces/{thing['metadata']['namespace']}/{plural}"


def _line(change: _Change) -> bytes:
    return json.dumps({"type": change.type, "object": change.object}).encode() + b"\n"


def _matches(thing: Json, selector: str) -> bool:
    labels = thing["metadata"].get("labels") or {}
    terms = (term.split("=", 1) for term in selector.split(",") if term)
    return all(labels.get(key) == value for key, value in terms)


def _status(code: int) -> web.StreamResponse:
    return web.json_response(
        {"kind": "Status", "status": "Failure", "code": code, "message": "injected"}, status=code
    )


def _not_found(collection: str, name: str) -> web.StreamResponse:
    plural = collection.rpartition("/")[2]
    said = {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}
    said["message"] = f'{plural} "{name}" not found'
    return web.json_response(said | {"details": {"name": name, "kind": plural}}, status=404)
