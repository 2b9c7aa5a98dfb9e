"""The CRDs of prometheus-operator, out of its Go module, kept in the cache.

Go's checksum of the module is pinned here. Raises NoCrds where neither cache nor module is there.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.build import BuildFailed, find_go
from tests.perf.generator import cache

MODULE: Final = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_SUM: Final = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
_FOLDER: Final = Path("example") / "prometheus-operator-crd"
KINDS: Final = ("podmonitors", "prometheusrules")


class NoCrds(Exception):
    """The message says why."""


def crds() -> Path:
    """A folder with the CRD of each of KINDS; the first time it takes some seconds."""
    digest = _SUM.removeprefix("h1:").replace("/", "_").rstrip("=")
    kept = cache() / f"prometheus-operator-{digest}"
    if kept.exists():
        return kept
    module = _download()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        half = Path(folder) / "half"
        half.mkdir()
        for kind in KINDS:
            shutil.copyfile(
                module / _FOLDER / f"monitoring.coreos.com_{kind}.yaml", half / f"{kind}.yaml"
            )
        try:
            half.rename(kept)
        except OSError:  # another run was first
            if not kept.exists():
                raise
    return kept


def _download() -> Path:
    """Where Go keeps the module."""
    try:
        go, _ = find_go()
    except BuildFailed as error:
        raise NoCrds(str(error)) from None
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    command = [str(go), "mod", "download", "-json", MODULE]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "go.mod").write_text("module pointsman.dev/monitoring\n")
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=120, cwd=folder,
                env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NoCrds(f"go mod download {MODULE} took longer than 2 minutes") from None
    if done.returncode:
        raise NoCrds(f"go mod download {MODULE}: {(done.stderr or done.stdout).strip()[-500:]}")
    found = json.loads(done.stdout)
    if found["Sum"] != _SUM:
        raise NoCrds(f"{MODULE} has the checksum {found['Sum']}, not {_SUM}")
    return Path(found["Dir"])
