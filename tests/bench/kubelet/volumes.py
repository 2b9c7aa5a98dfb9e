"""The volumes of one pod as directories on the host, to be bound into its containers.

Guarantees: ConfigMaps, Secrets, tokens and downward fields appear and change atomically (a
kubelet's ..data symlink); emptyDirs live as long as the pod. Refuses volumes of other kinds,
and raises NotYet while an object that is not optional does not exist.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.kubelet.api import Api, Rejected
from tests.bench.kubelet.environment import object_files, pod_field

Json = dict[str, Any]
Files = dict[str, tuple[bytes, int]]
"""Path in the volume -> content and mode."""

REFRESH_S = 3.0
"""A kubelet takes up to a minute; tests need not wait for that."""


class NotYet(Exception):
    """A volume cannot be filled now; the message is the pod's."""


@dataclass(slots=True)
class _Token:
    value: str
    renew_at: float


@dataclass(slots=True)
class Volumes:
    """All volumes of a pod; prepare() before its first container, refresh() ever after."""

    api: Api
    pod: Json
    disk: Path
    memory: Path
    pod_ip: str
    host_ip: str
    _tokens: dict[str, _Token] = field(default_factory=dict)
    _written: dict[str, Files] = field(default_factory=dict)
    _generation: int = 0

    def directory(self, name: str) -> Path:
        """Where the volume's files are on the host."""
        volume = next(v for v in self.pod["spec"].get("volumes", ()) if v["name"] == name)
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        in_memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
        return (self.memory if in_memory else self.disk) / name

    async def refresh(self) -> None:
        """Make every volume and write what changed. Raises NotYet, Away or Rejected."""
        for volume in self.pod["spec"].get("volumes", ()):
            name = volume["name"]
            directory = self.directory(name)
            if "hostPath" in volume:
                if not directory.exists():
                    raise NotYet(f'MountVolume.SetUp failed: hostPath "{directory}" is missing')
            elif "emptyDir" in volume:
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o777)
            else:
                files = await self._files(volume)
                if files != self._written.get(name):
                    directory.mkdir(parents=True, exist_ok=True)
                    self._generation += 1
                    write_atomically(directory, files, self._generation)
                    self._written[name] = files

    def remove(self) -> None:
        for directory in (self.disk, self.memory):
            shutil.rmtree(directory, ignore_errors=True)

    async def _files(self, volume: Json) -> Files:
        for kind in ("configMap", "secret", "downwardAPI"):
            if kind in volume:
                return await self._source(
                    kind, volume[kind], volume[kind].get("defaultMode", 0o644), ""
                )
        if "projected" not in volume:
            raise NotYet(f'volume "{volume["name"]}": this kubelet has no {sorted(volume)}')
        files: Files = {}
        mode = volume["projected"].get("defaultMode", 0o644)
        for number, source in enumerate(volume["projected"].get("sources", ())):
            for kind, body in source.items():
                files |= await self._source(kind, body, mode, f"{volume['name']}/{number}")
        return files

    async def _source(self, kind: str, body: Json, mode: int, key: str) -> Files:
        if kind == "serviceAccountToken":
            return {body["path"]: ((await self._token(key, body)).encode(), mode)}
        if kind == "downwardAPI":
            return {
                item["path"]: (self._field(item).encode(), item.get("mode", mode))
                for item in body.get("items", ())
            }
        plural = {"configMap": "configmaps", "secret": "secrets"}.get(kind)
        if plural is None:
            raise NotYet(f"this kubelet has no projected {kind}")
        name = body.get("name") or body.get("secretName")
        namespace = self.pod["metadata"]["namespace"]
        try:
            path = f"/api/v1/namespaces/{namespace}/{plural}/{name}"
            found = await self.api.call("GET", path, query={"resourceVersion": "0"})
        except Rejected as error:
            if error.status != 404:
                raise
            if body.get("optional"):
                return {}
            singular = plural.removesuffix("s")
            raise NotYet(f'MountVolume.SetUp failed: {singular} "{name}" not found') from error
        return _selected(object_files(plural, found), body, mode)

    def _field(self, item: Json) -> str:
        path = item.get("fieldRef", {}).get("fieldPath", "resourceFieldRef")
        return pod_field(path, self.pod, pod_ip=self.pod_ip, host_ip=self.host_ip)

    async def _token(self, key: str, body: Json) -> str:
        held = self._tokens.get(key)
        if held and time.time() < held.renew_at:
            return held.value
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        account = spec.get("serviceAccountName", "default")
        lifetime_s = body.get("expirationSeconds", 3600)
        bound = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        request: Json = {"expirationSeconds": lifetime_s, "boundObjectRef": bound}
        if body.get("audience"):
            request["audiences"] = [body["audience"]]
        answer = await self.api.call(
            "POST",
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request},
        )
        # A kubelet renews at 80 % of the life it asked for.
        self._tokens[key] = _Token(answer["status"]["token"], time.time() + 0.8 * lifetime_s)
        return self._tokens[key].value


def _selected(available: Mapping[str, bytes], body: Json, mode: int) -> Files:
    if not body.get("items"):
        return {key: (content, mode) for key, content in available.items()}
    files: Files = {}
    for item in body["items"]:
        if item["key"] in available:
            files[item["path"]] = (available[item["key"]], item.get("mode", mode))
        elif not body.get("optional"):
            raise NotYet(f"references non-existent key: {item['key']}")
    return files


def write_atomically(directory: Path, files: Files, generation: int) -> None:
    """Swap all files of a volume at once: <path> -> ..data/<path>, ..data -> ..<generation>."""
    current = directory / f"..{generation}"
    for path, (content, mode) in files.items():
        file = current / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        file.chmod(mode)
    current.mkdir(exist_ok=True)
    link, fresh = directory / "..data", directory / "..data_tmp"
    before = directory / link.readlink() if link.is_symlink() else None
    fresh.symlink_to(current.name)
    fresh.rename(link)
    wanted = {Path(path).parts[0] for path in files}
    for name in wanted:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    if before:
        shutil.rmtree(before)
