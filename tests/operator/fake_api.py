"""An API server in memory: as much of `Api` as the controllers use."""

from collections.abc import Callable, Mapping
from typing import Any

from pointsman.api import names
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Conflict, Gone
from tests.operator.objects import NAMESPACE, NOW

_OF_A_LIST = ("kind", "apiVersion")


class FakeApi(Api):
    """Objects by kind and name; `hook` is called before each request with what it is."""

    def __init__(self, hook: Callable[[str, Kind], None] = lambda _what, _kind: None) -> None:
        self.namespace = NAMESPACE
        self.fence = lambda: None
        self.owners: list[Object] = []
        self.hook = hook
        self.stored: dict[tuple[str, str], Object] = {}
        self._count = 0

    def put(self, *items: Mapping[str, Any]) -> None:
        """Objects as somebody else makes them."""
        for item in items:
            self._count += 1
            about = {"uid": f"u{self._count}", "creationTimestamp": NOW, **item["metadata"]}
            about["resourceVersion"] = str(self._count)
            self.stored[item["kind"], about["name"]] = {**item, "metadata": about}

    async def list_all(self, kind: Kind, selector: str = "") -> list[Object]:
        self.hook("list", kind)
        found = [
            item
            for (name, _), item in self.stored.items()
            if name == kind.name and _selected(item["metadata"].get("labels") or {}, selector)
        ]
        if kind.api_version == names.API_VERSION:
            return found
        # An API server names the kind of what is built in once for a list, and not in its items.
        return [{k: v for k, v in one.items() if k not in _OF_A_LIST} for one in found]

    async def list_metadata(self, kind: Kind, selector: str) -> list[Object]:
        return await self.list_all(kind, selector)

    async def find(self, kind: Kind, name: str) -> Object | None:
        self.hook("find", kind)
        return self.stored.get((kind.name, name))

    async def get(self, kind: Kind, name: str) -> Object | None:
        self.hook("get", kind)
        return self.stored.get((kind.name, name))

    async def create(self, kind: Kind, body: Object) -> Object:
        self.hook("create", kind)
        if (kind.name, body["metadata"]["name"]) in self.stored:
            raise Conflict("AlreadyExists")
        self.put({"kind": kind.name, "apiVersion": kind.api_version} | self._owned(kind, body))
        return self.stored[kind.name, body["metadata"]["name"]]

    async def replace(self, kind: Kind, body: Object) -> Object:
        self.hook("replace", kind)
        name = body["metadata"]["name"]
        found = self.stored.get((kind.name, name))
        if found is None:
            raise Gone(name)
        if found["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Conflict("changed meanwhile")
        self.put({"kind": kind.name, "apiVersion": kind.api_version} | self._owned(kind, body))
        return self.stored[kind.name, body["metadata"]["name"]]

    async def apply(self, kind: Kind, body: Object, *, force: bool) -> Object:  # noqa: ARG002 - a lone writer
        """The one manager's fields are all there are: what it leaves out is gone."""
        self.hook("apply", kind)
        stored = self.stored.get((kind.name, body["metadata"]["name"]))
        if stored is not None:
            kept = {key: stored["metadata"][key] for key in ("uid", "creationTimestamp")}
            kept["generation"] = stored["metadata"]["generation"] + (stored["spec"] != body["spec"])
            body = {**stored, **body, "metadata": {**body["metadata"], **kept}}
        else:
            body = {**body, "metadata": {**body["metadata"], "generation": 1}}
        self.put(body)
        return self.stored[kind.name, body["metadata"]["name"]]

    async def apply_status(self, kind: Kind, item: Mapping[str, Any], status: Object) -> None:
        self.hook("status", kind)
        stored = self.stored[kind.name, item["metadata"]["name"]]
        if stored["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            raise Conflict("changed meanwhile")
        if stored.get("status") != status:
            self.put({**stored, "status": status})

    async def delete(self, kind: Kind, item: Mapping[str, Any]) -> None:
        self.hook("delete", kind)
        self.stored.pop((kind.name, item["metadata"]["name"]), None)


def _selected(labels: Mapping[str, str], selector: str) -> bool:
    """`key`, `key=value`, and several of them with commas."""
    parts = [part.partition("=") for part in selector.split(",") if part]
    return all(key in labels and (not eq or labels[key] == value) for key, eq, value in parts)
