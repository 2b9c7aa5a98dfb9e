"""What a measurement asks the API server and the operator, as an admin; nothing here decides."""

import asyncio
import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config

from tests.bench import Bench
from tests.operator.process import HEALTH_PORT

GROUP = "/apis/pointsman.dev/v1alpha1/namespaces"
READ_BUFFER_BYTES = 2**22
WRITTEN = frozenset(
    {"modelbackends", "routingpolicies", "configmaps", "controllerrevisions", "events",
     "deployments", "services", "poddisruptionbudgets"}
)  # fmt: skip
"""What an operator writes; its Lease is renewed by design, and is not counted."""


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    observedGeneration: int = 0  # noqa: N815 - Kubernetes' spelling


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _About(msgspec.Struct, frozen=True):
    name: str = ""
    generation: int = 0
    resourceVersion: str = ""  # noqa: N815


class _Item(msgspec.Struct, frozen=True):
    metadata: _About
    status: _Status = _Status()

    @property
    def ready(self) -> bool:
        return any(
            one.type == "Ready" and one.status == "True"
            and one.observedGeneration == self.metadata.generation
            for one in self.status.conditions
        )  # fmt: skip


class _List(msgspec.Struct, frozen=True):
    metadata: _About
    items: list[_Item]


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: _Item


class Cluster:
    """One session with the API server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, namespace: str) -> None:
        self._session = session
        self._url = url
        self._objects = f"{url}{GROUP}/{namespace}"
        self._namespace = namespace

    async def ready_at(self, plural: str, count: int, within_s: float) -> float:
        """Monotonic time when so many objects are Ready at their generation; TimeoutError."""
        path, states = f"{self._objects}/{plural}", dict[str, bool]()
        async with asyncio.timeout(within_s):
            while True:
                async with self._session.get(path, params={"resourceVersion": "0"}) as answer:
                    listed = msgspec.json.decode(await answer.read(), type=_List)
                states |= {one.metadata.name: one.ready for one in listed.items}
                if sum(states.values()) >= count:
                    return time.monotonic()
                query = {"watch": "true", "resourceVersion": listed.metadata.resourceVersion}
                async with self._session.get(path, params=query) as answer:
                    async for line in answer.content:
                        event = msgspec.json.decode(line, type=_Event)
                        if event.type == "ERROR":
                            break
                        states[event.object.metadata.name] = event.object.ready
                        if sum(states.values()) >= count:
                            return time.monotonic()

    async def patch(self, plural: str, name: str, spec: Mapping[str, Any]) -> tuple[int, float]:
        """A merge patch of the spec: (its new generation, Unix time when the answer was here)."""
        async with self._session.patch(
            f"{self._objects}/{plural}/{name}",
            data=json.dumps({"spec": spec}),
            headers={"content-type": "application/merge-patch+json"},
        ) as answer:
            answer.raise_for_status()
            found = msgspec.json.decode(await answer.read())
        return int(found["metadata"]["generation"]), time.time()

    async def config_maps(self, selector: str) -> list[dict[str, Any]]:
        """The table's ConfigMaps."""
        path = f"{self._url}/api/v1/namespaces/{self._namespace}/configmaps"
        async with self._session.get(path, params={"labelSelector": selector}) as answer:
            answer.raise_for_status()
            found: list[dict[str, Any]] = msgspec.json.decode(await answer.read())["items"]
        return found

    async def writes(self) -> Counter[str]:
        """Writes that the API server has answered so far, of what operators write, by resource."""
        async with self._session.get(f"{self._url}/metrics") as answer:
            text = await answer.text()
        found: Counter[str] = Counter()
        for line in text.splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                if labels["resource"] in WRITTEN and labels["verb"] in {
                    "APPLY", "PATCH", "POST", "PUT", "DELETE",
                }:  # fmt: skip
                    below = f"/{labels['subresource']}" if labels["subresource"] else ""
                    found[labels["resource"] + below] += int(float(line.rpartition(" ")[2]))
        return found


@asynccontextmanager
async def connected(bench: Bench, namespace: str) -> AsyncIterator[Cluster]:
    """As the bench's admin."""
    configuration = kube.Configuration()
    await kube_config.load_kube_config(str(bench.kubeconfig), client_configuration=configuration)
    async with kube.ApiClient(configuration) as client:
        connector = aiohttp.TCPConnector(ssl=client.rest_client.ssl_context)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=READ_BUFFER_BYTES
        ) as session:
            yield Cluster(session, bench.api_url, namespace)
    await asyncio.sleep(0.2)  # a watch that is left says goodbye by TLS in later turns of the loop


def programmed() -> dict[str, Any]:
    """What the operator says of who runs which policy."""
    with urllib.request.urlopen(_operator("/debug/programmed"), timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def counted(name: str) -> Counter[str]:
    """A counter of the operator's, by its labels as they are printed."""
    with urllib.request.urlopen(_operator("/metrics"), timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return Counter(
        {
            one.partition("{")[2].partition("}")[0]: int(float(one.rpartition(" ")[2]))
            for one in lines
            if one.startswith(f"{name}{{")
        }
    )


def written() -> Counter[str]:
    """What the operator wrote, by its own count, without its Lease."""
    found = counted("pointsman_operator_writes_total")
    return Counter({labels: n for labels, n in found.items() if 'kind="Lease"' not in labels})


def _operator(path: str) -> str:
    return f"http://127.0.0.1:{HEALTH_PORT}{path}"
