"""What `kubectl get -o json` shows, over kept connections: tests ask thousands of times.

Guarantees kubectl's names of kinds, its objects and its silence on managed fields; a test holds
them to kubectl itself. Refuses with CommandFailed whatever kubectl ends with an error for.
"""

import json
import ssl
from collections import deque
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from tests.bench.client import CommandFailed, Json

DEADLINE_S: Final = 120.0
"""As long as a command of kubectl's may take (`Cluster.run`)."""
_DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_NOT_FOUND: Final = 404


class Resource(NamedTuple):
    """Where objects of one kind are."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        place = f"/namespaces/{quote(namespace)}" if self.namespaced else ""
        return f"{self.root}{place}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Reader:
    """An admin's reads, from any thread; close() ends the connections that are kept."""

    def __init__(self, server: str, authority: Path, certificate: Path, key: Path) -> None:
        self._address = urlsplit(server)
        self._trust = ssl.create_default_context(cafile=str(authority))
        self._trust.load_cert_chain(certificate, key)
        self._idle: deque[HTTPSConnection] = deque()
        self._resources: dict[str, Resource] = {}

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def get(self, kind: str, name: str, namespace: str) -> Json | None:
        """One object, or None where it does not exist."""
        status, answer = self._ask(self._resource(kind).path(namespace, name))
        if status == _NOT_FOUND and answer.get("details", {}).get("name") == name:
            return None
        return _shown(_taken(status, answer))

    def list(self, kinds: str, namespace: str, selector: str) -> list[Json]:
        """All objects of some kinds, which commas part, in a namespace."""
        query = urlencode({"labelSelector": selector} if selector else {})
        found: list[Json] = []
        for kind in kinds.split(","):
            listed = _taken(*self._ask(f"{self._resource(kind).path(namespace)}?{query}"))
            about = {
                "apiVersion": listed["apiVersion"],
                "kind": listed["kind"].removesuffix("List"),
            }
            found += (_shown(about | item) for item in listed["items"])
        return found

    def _resource(self, kind: str) -> Resource:
        if kind.lower() not in self._resources:
            self._resources = self._discovered()
        try:
            return self._resources[kind.lower()]
        except KeyError:
            text = f'error: the server doesn\'t have a resource type "{kind}"'
            raise CommandFailed(text) from None

    def _discovered(self) -> dict[str, Resource]:
        """By each name that kubectl knows; where two have one, the first group's is meant."""
        long: dict[str, Resource] = {}
        short: dict[str, Resource] = {}
        for prefix in ("/api", "/apis"):
            groups = _taken(*self._ask(prefix, accept=_DISCOVERY))["items"]
            for group, about, resource in _resources(prefix, groups):
                one, kind = about.get("singularResource", ""), about["responseKind"]["kind"].lower()
                for name in (resource.plural, one, kind):
                    long.setdefault(name, resource)
                    long.setdefault(f"{name}.{group}", resource)
                for name in about.get("shortNames", ()):
                    short.setdefault(name, resource)
        return short | long

    def _ask(self, target: str, accept: str = "application/json") -> tuple[int, Json]:
        """Anew where a kept connection turns out to have ended."""
        while self._idle:
            try:
                return self._over(self._idle.pop(), target, accept)
            except IndexError:
                break
            except (ConnectionError, HTTPException, ssl.SSLError):
                continue
        host, port = str(self._address.hostname), self._address.port
        new = HTTPSConnection(host, port, timeout=DEADLINE_S, context=self._trust)
        try:
            return self._over(new, target, accept)
        except (OSError, HTTPException) as error:
            raise CommandFailed(f"GET {target}: {error!r}") from None

    def _over(self, connection: HTTPSConnection, target: str, accept: str) -> tuple[int, Json]:
        try:
            connection.request("GET", target, headers={"accept": accept})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return status, {"message": body.decode(errors="replace").strip()}
        return status, json.loads(body)


def _resources(prefix: str, groups: list[Json]) -> Iterator[tuple[str, Json, Resource]]:
    """Of each group, its preferred version's first."""
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            root = "/".join(part for part in (prefix, name, version["version"]) if part)
            for about in version["resources"]:
                namespaced = about["scope"] == "Namespaced"
                yield name, about, Resource(root, about["resource"], namespaced)


def _taken(status: int, answer: Json) -> Json:
    if status >= 400:
        reason, said = answer.get("reason", status), answer.get("message", "")
        raise CommandFailed(f"Error from server ({reason}): {said}")
    return answer


def _shown(item: dict[str, Any]) -> Json:
    """Without what kubectl keeps to itself."""
    item["metadata"].pop("managedFields", None)
    return item
