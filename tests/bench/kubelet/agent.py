"""A kubelet for one node whose containers are local processes.

Guarantees: every pod bound to the node runs in its own network and mount namespaces with its
volumes, probes and restarts, and ends as its grace period says. Refuses to be a sandbox: root
file system, users, limits and process ids are the host's.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.kubelet.api import Api, Away, Rejected
from tests.bench.kubelet.pod import Pod
from tests.bench.netns import PodNetwork, pod_addresses

Json = dict[str, Any]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_log = logging.getLogger(__name__)


class Agent:
    """The pods of one node, followed by list and watch."""

    def __init__(self, api: Api, node: str, *, index: int, directory: Path, memory: Path) -> None:
        self._api = api
        self._node = node
        self._directory = directory
        self._memory = memory
        self._addresses = deque(pod_addresses(index))
        self._pods: dict[str, Pod] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        server = urlsplit(api.server)
        self._base_env = {
            "PATH": f"{Path(sys.executable).parent}:{_PATH}",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(server.port),
        }

    def find(self, namespace: str, name: str) -> Pod:
        """The pod of this name; raises LookupError."""
        for pod in self._pods.values():
            if pod.key == (namespace, name):
                return pod
        raise LookupError(f"no pod {namespace}/{name} on {self._node}")

    async def follow(self) -> None:
        """List and watch the node's pods forever, through every outage."""
        query = {"fieldSelector": f"spec.nodeName={self._node}"}
        while True:
            with contextlib.suppress(Away, Rejected):
                listed = await self._api.call("GET", "/api/v1/pods", query=query)
                self._reconcile(listed["items"])
                version = listed["metadata"]["resourceVersion"]
                async for event in self._api.watch("/api/v1/pods", query, version):
                    self._on_event(event["type"], event["object"])
            await asyncio.sleep(0.3)

    async def shut_down(self) -> None:
        """End every pod at once, without a word to the API server."""
        for pod in self._pods.values():
            pod.abandon()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    def _reconcile(self, items: list[Json]) -> None:
        present = {item["metadata"]["uid"] for item in items}
        for uid, pod in self._pods.items():
            if uid not in present:
                pod.update(pod.pod, gone=True)
        for item in items:
            self._on_event("MODIFIED", item)

    def _on_event(self, kind: str, item: Json) -> None:
        if kind == "BOOKMARK":
            return
        uid = item["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].update(item, gone=kind == "DELETED")
        elif kind != "DELETED" and item.get("status", {}).get("phase") not in {
            "Succeeded",
            "Failed",
        }:
            self._adopt(uid, item)

    def _adopt(self, uid: str, item: Json) -> None:
        network = PodNetwork(self._addresses.popleft())
        pod = Pod(
            item,
            api=self._api,
            network=network,
            directory=self._directory,
            memory=self._memory,
            base_env=self._base_env,
        )
        self._pods[uid] = pod
        self._lives[uid] = asyncio.create_task(pod.run(), name=f"pod-{'/'.join(pod.key)}")
        self._lives[uid].add_done_callback(lambda life: self._forget(uid, life))
        if item["metadata"].get("deletionTimestamp"):
            pod.update(item)

    def _forget(self, uid: str, life: asyncio.Task[None]) -> None:
        pod = self._pods.pop(uid)
        del self._lives[uid]
        self._addresses.append(pod.network.address)
        if not life.cancelled() and (error := life.exception()):
            _log.error("pod %s/%s: broken", *pod.key, exc_info=error)


def memory_directory(directory: Path) -> Path:
    """Where memory-backed volumes live: /dev/shm, under the bench's own name."""
    shared = Path("/dev/shm")
    return (shared if os.access(shared, os.W_OK) else directory) / f"{directory.name}-memory"
