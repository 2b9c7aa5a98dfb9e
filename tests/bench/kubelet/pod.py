"""The life of one pod on this node: network, volumes, init containers, containers, the end.

Guarantees: its containers run on while the API server is away and its newest status is sent
when that is back; after the end nothing is left: no process, namespace, volume or cable.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.bench.kubelet.api import Api, Away, Rejected, persist
from tests.bench.kubelet.container import Container, Place, timestamp
from tests.bench.kubelet.environment import environment, references
from tests.bench.kubelet.images import programs_of
from tests.bench.kubelet.status import pod_status
from tests.bench.kubelet.volumes import REFRESH_S, NotYet, Volumes
from tests.bench.netns import HOST_IP, PodNetwork

Json = dict[str, Any]
_log = logging.getLogger(__name__)


class Pod:
    """One pod; run() is its whole life, update() brings it what the API server says of it."""

    def __init__(
        self,
        pod: Json,
        *,
        api: Api,
        network: PodNetwork,
        directory: Path,
        memory: Path,
        base_env: dict[str, str],
    ) -> None:
        metadata = pod["metadata"]
        self.pod = pod
        self.key = (str(metadata["namespace"]), str(metadata["name"]))
        self.uid = str(metadata["uid"])
        self.network = network
        self.init: list[Container] = []
        self.main: list[Container] = []
        self._api = api
        self._directory = directory
        self._logs = directory / "log"
        self._home = directory / "pods" / self.uid
        self._base_env = base_env
        self._path = f"/api/v1/namespaces/{self.key[0]}/pods/{self.key[1]}"
        self._volumes = Volumes(
            api, pod, self._home / "volumes", memory / self.uid, network.address, HOST_IP
        )
        self._initialized = False
        self._message: str | None = None
        self._leaving = asyncio.Event()
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._gone = False
        self._changed = asyncio.Event()
        self._conditions: dict[str, Json] = {}
        self._sent: Json = {}
        self._started_at = ""
        self._objects: dict[tuple[str, str], Json | None] = {}

    def volume(self, name: str) -> Path:
        """Where a volume's files are on the host; raises LookupError."""
        if name not in {volume["name"] for volume in self.pod["spec"].get("volumes", ())}:
            raise LookupError(f"no volume {name} in pod {self.key[1]}")
        return self._volumes.directory(name)

    def containers(self) -> Iterable[Container]:
        return [*self.init, *self.main]

    def update(self, pod: Json, *, gone: bool = False) -> None:
        """The API server's newest word: changed, to be deleted, or already gone."""
        self.pod = self._volumes.pod = pod
        self._gone = self._gone or gone
        ready = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", ())}
        ours = {kind: c["status"] for kind, c in self._conditions.items()}
        if ours and ready.get("Ready") != ours["Ready"]:
            self._sent = {}  # someone else (the node controller) wrote it: say it again
        if gone or pod["metadata"].get("deletionTimestamp"):
            self._leaving.set()
        self._changed.set()

    def abandon(self) -> None:
        """The kubelet itself ends: stop at once and tell nobody."""
        self._gone = True
        self._leaving.set()

    async def run(self) -> None:
        """From the network to the last trace; returns when the pod is gone from node and API."""
        publisher = asyncio.create_task(self._publish())
        await asyncio.to_thread(self.network.open)
        self._make_home()
        spec = self.pod["spec"]
        self.init = [self._container(c) for c in spec.get("initContainers", ())]
        self.main = [self._container(c) for c in spec["containers"]]
        work = asyncio.create_task(self._work())
        work.add_done_callback(self._work_ended)
        self._on_change()
        await self._leaving.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await self._stop_all()
        await asyncio.to_thread(self._teardown)
        publisher.cancel()
        await asyncio.gather(publisher, return_exceptions=True)
        if not self._gone:
            await self._say_goodbye()

    def _make_home(self) -> None:
        for name in ("home", "scratch", "etc"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
        # There is no name server here unless a test starts one; an address that refuses beats one
        # that cannot be reached, which costs a look-up ten seconds.
        resolver = f"nameserver {HOST_IP}\noptions timeout:1 attempts:1\n"
        (self._home / "etc" / "resolv.conf").write_text(resolver)
        hosts = f"127.0.0.1 localhost\n{self.network.address} {self.key[1]}\n"
        (self._home / "etc" / "hosts").write_text(f"{hosts}{HOST_IP} kubernetes.default.svc\n")

    async def _work(self) -> None:
        """Fill the volumes, start the containers, then keep the volumes fresh."""
        await self._fill_volumes()
        for container in self.init:
            self._start(container)
            sidecar = container.spec.get("restartPolicy") == "Always"
            await self._until_initialized(container, sidecar=sidecar)
            if not sidecar and container.exit_code != 0:
                return
        self._initialized = True
        for container in self.main:
            self._start(container)
        self._on_change()
        while not all(container.done.is_set() for container in self.main):
            await asyncio.sleep(REFRESH_S)
            try:
                await self._volumes.refresh()
            except (NotYet, Away, Rejected) as error:
                _log.debug("%s/%s: volumes stay as they are: %s", *self.key, error)

    def _work_ended(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled() and (error := work.exception()):
            _log.error("%s/%s: broken", *self.key, exc_info=error)
            self._message = f"kubelet: {error!r}"
            self._on_change()

    async def _fill_volumes(self) -> None:
        while True:
            try:
                await self._volumes.refresh()
            except NotYet as error:
                self._message = str(error)
            except (Away, Rejected) as error:
                self._message = f"volumes: {error}"
            else:
                self._message = None
                return
            self._on_change()
            await asyncio.sleep(1)

    async def _until_initialized(self, container: Container, *, sidecar: bool) -> None:
        while not (container.done.is_set() or (sidecar and container.started)):
            await self._moved.wait()

    def _start(self, container: Container) -> None:
        self._lives[container.name] = asyncio.create_task(container.run())

    def _on_change(self) -> None:
        self._changed.set()
        self._moved.set()
        self._moved = asyncio.Event()

    def _container(self, spec: Json) -> Container:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if spec in self.pod["spec"].get("initContainers", ()):
            sidecar = spec.get("restartPolicy") == "Always"
            policy = "Always" if sidecar else "Never" if policy == "Never" else "OnFailure"
        restart = {
            "Always": lambda _: True,
            "OnFailure": lambda code: code != 0,
            "Never": lambda _: False,
        }[policy]
        place = Place(
            network=self.network.descriptor,
            address=self.network.address,
            hostname=self.pod["spec"].get("hostname") or self.key[1],
            log=self._logs / f"{self.key[0]}_{self.key[1]}_{spec['name']}.log",
            scratch=self._home / "scratch",
            mounts=self._mounts,
            environment=self._environment,
        )
        return Container(spec, place, restart, self._on_change, self._grace_s())

    def _grace_s(self) -> float:
        asked = self.pod["metadata"].get("deletionGracePeriodSeconds")
        default = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return float(default if asked is None else asked)

    def _mounts(self, container: Json) -> list[Json]:
        mounts: list[Json] = [
            {"source": str(file), "target": f"/etc/{file.name}", "read_only": False}
            for file in (self._home / "etc").iterdir()
        ]
        for entry in container.get("volumeMounts", ()):
            source = self._volumes.directory(entry["name"])
            if sub := entry.get("subPath"):
                source /= sub
                if not source.exists():
                    source.mkdir(parents=True)
            mounts.append(
                {
                    "source": str(source.resolve()),
                    "target": entry["mountPath"],
                    "read_only": bool(entry.get("readOnly")),
                }
            )
        return mounts

    async def _environment(self, container: Json) -> dict[str, str]:
        for plural, name in references(container):
            path = f"/api/v1/namespaces/{self.key[0]}/{plural}/{name}"
            try:
                found = await self._api.call("GET", path, query={"resourceVersion": "0"})
            except Rejected as error:
                if error.status != 404:
                    continue
                self._objects[plural, name] = None
            except Away:
                continue  # what was read before still holds
            else:
                self._objects[plural, name] = found
        base = self._base_env | {"HOSTNAME": self.key[1], "HOME": str(self._home / "home")}
        address = self.network.address
        if programs := programs_of(self._directory, container["image"]):
            base |= {"PATH": f"{programs}:{base['PATH']}"}
        return environment(
            container, self.pod, pod_ip=address, host_ip=HOST_IP, base=base, objects=self._objects
        )

    async def _publish(self) -> None:
        """Send each new status; while nobody answers, only the newest is kept."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = self._status()
            if status == self._sent:
                continue
            try:
                await self._api.patch(
                    f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": status}
                )
                self._sent = status
            except Away:
                self._changed.set()
                await asyncio.sleep(0.5)
            except Rejected as error:
                if error.status in {404, 409}:
                    continue  # gone; the watch will say so
                _log.warning("%s/%s: status refused: %s", *self.key, error)
                self._changed.set()
                await asyncio.sleep(1)

    def _status(self) -> Json:
        status = pod_status(
            self.pod,
            init=self.init,
            main=self.main,
            initialized=self._initialized,
            pod_ip=self.network.address if self.network.descriptor >= 0 else "",
            host_ip=HOST_IP,
            before=self._conditions,
            now=timestamp(),
            message=self._message,
        )
        self._conditions = {c["type"]: c for c in status["conditions"]}
        self._started_at = status["startTime"] = self._started_at or timestamp()
        return status

    async def _stop_all(self) -> None:
        """Main containers first, then sidecars, all within one grace period."""
        grace_s = 0.0 if self._gone else self._grace_s()
        for group in (self.main, self.init):
            running = [c for c in group if c.name in self._lives]
            await asyncio.gather(*(c.stop(grace_s) for c in running))
        await asyncio.gather(*self._lives.values())

    def _teardown(self) -> None:
        if self.network.descriptor >= 0:
            inode = self.network.inode()
            assert inode != Path("/proc/self/ns/net").stat().st_ino, "never our own"
            for pid in processes_in(inode):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.network.close()
        self._volumes.remove()
        shutil.rmtree(self._home, ignore_errors=True)

    async def _say_goodbye(self) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        status = {"metadata": {"uid": self.uid}, "status": self._status()}
        await persist(lambda: self._api.patch(f"{self._path}/status", status))
        await persist(lambda: self._api.call("DELETE", self._path, body))


def processes_in(inode: int) -> list[int]:
    """The processes whose network namespace has this inode: none but the pod's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns" / "net").stat().st_ino == inode:
                    found.append(int(entry.name))
    return found
