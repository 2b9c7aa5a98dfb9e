"""An image as a file that containerd, podman and skopeo read: an OCI image layout in a tar.

The same folders give the same bytes: entries are sorted, owned by root and dated `EPOCH`.
https://github.com/opencontainers/image-spec, version 1.1
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EPOCH: Final = 1735689600
"""2025-01-01; what zip can say and no clock decides."""
_TYPE: Final = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Layer:
    """Files of an image: those of `folder`, packed."""

    blob: bytes
    diff: str
    """sha256 of the tar before it was compressed."""


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = EPOCH
    return entry


def layer(folder: Path) -> Layer:
    """Pack all of `folder`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            archive.add(path, arcname=name, recursive=False, filter=_plain)
    tar = packed.getvalue()
    return Layer(gzip.compress(tar, 6, mtime=0), hashlib.sha256(tar).hexdigest())


def write(
    file: Path, *, name: str, layers: Sequence[Layer], config: dict[str, Any], processor: str
) -> str:
    """Write `file`; `config` is the image's User, Env, Cmd. Returns the image's digest."""
    blobs: list[bytes] = []

    def blob(kind: str, content: bytes) -> dict[str, Any]:
        blobs.append(content)
        return {
            "mediaType": f"{_TYPE}.{kind}",
            "digest": _sha256(content),
            "size": len(content),
        }

    created = "2025-01-01T00:00:00Z"
    image = {
        "created": created,
        "architecture": processor,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{part.diff}" for part in layers]},
        "history": [{"created": created, "created_by": "images/assemble.py"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": blob("config.v1+json", _json(image)),
        "layers": [blob("layer.v1.tar+gzip", part.blob) for part in layers],
    }
    described = blob("manifest.v1+json", _json(manifest)) | {
        "platform": {"architecture": processor, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        },
    }
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.index.v1+json",
        "manifests": [described],
    }
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(index))
        for content in blobs:
            _add(archive, f"blobs/sha256/{hashlib.sha256(content).hexdigest()}", content)
    digest: str = described["digest"]
    return digest


@dataclass(frozen=True, slots=True)
class Read:
    """What the file of `write` says."""

    listed: dict[str, Any]
    """The image in the index."""
    config: dict[str, Any]
    diffs: list[str]
    """Digests of the layers before they were compressed, as they are found."""


def read(file: Path) -> Read:
    """Read `file`; every blob must have the digest that it is named after. Raises ValueError."""
    with tarfile.open(file) as archive:
        parts = {entry.name: archive.extractfile(entry) for entry in archive}
        content = {name: part.read() for name, part in parts.items() if part is not None}

    def blob(told: dict[str, Any]) -> bytes:
        found = content[f"blobs/{told['digest'].replace(':', '/')}"]
        if told["digest"] != _sha256(found) or told["size"] != len(found):
            raise ValueError(f"{told['digest']} is the digest of something else")
        return found

    (listed,) = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(blob(listed))
    diffs = [_sha256(gzip.decompress(blob(part))) for part in manifest["layers"]]
    return Read(listed, json.loads(blob(manifest["config"])), diffs)


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), EPOCH, 0o644
    archive.addfile(entry, io.BytesIO(content))
