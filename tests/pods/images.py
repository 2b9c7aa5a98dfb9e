"""Images without a registry: an OCI layout of one layer for `pause`, and tars that others made.

Guarantees: the same binary gives the same bytes, so a test knows what it runs.
"""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any, Final

from images import assemble

from tests.images.build import archive
from tests.images.install import NoImages
from tests.pods.machine import NoPods

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


def write_single(tar: Path, *, name: str, binary: Path) -> Path:
    """Write an OCI layout as a tar, whose image `name` has nothing but this static binary."""
    layer = _tar({binary.name: (binary.read_bytes(), 0o755)})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{binary.name}"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = [layer, _json(config)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _described(blobs[1], _CONFIG),
        "layers": [_described(layer, _LAYER)],
    }
    blobs.append(_json(manifest))
    named = _described(blobs[2], _MANIFEST) | {
        "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    }
    files = {
        "oci-layout": (_json({"imageLayoutVersion": "1.0.0"}), 0o644),
        "index.json": (
            _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [named]}),
            0o644,
        ),
    }
    for blob in blobs:
        files[f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"] = (blob, 0o644)
    tar.write_bytes(_tar(files))
    return tar


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _described(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def build_images() -> list[Path]:
    """The project's images as tars, built without Docker; NoPods where they cannot be built.

    POINTSMAN_IMAGES names a folder with operator.tar, router.tar and ledger.tar of another build.
    """
    given = os.environ.get("POINTSMAN_IMAGES")
    if not given:
        try:
            return [archive(image) for image in assemble.IMAGES]
        except NoImages as error:
            raise NoPods(str(error)) from error
    found = [Path(given) / f"{image}.tar" for image in assemble.IMAGES]
    if missing := [str(tar) for tar in found if not tar.is_file()]:
        raise NoPods(f"POINTSMAN_IMAGES has no {', '.join(missing)}")
    return found
