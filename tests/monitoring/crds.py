"""CRDs of other projects, out of their Go modules, kept in the cache.

Go's checksum of each module is pinned. Raises NoCrds where neither cache nor module is there.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.build import BuildFailed, find_go
from tests.perf.generator import cache


class NoCrds(Exception):
    """The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module at one version: its `h1:` sum, and the files of it that are wanted."""

    path: str
    sum: str
    files: Sequence[str]

    @property
    def name(self) -> str:
        """Of its folder in the cache."""
        digest = self.sum.removeprefix("h1:").replace("/", "_").rstrip("=")
        return f"{self.path.partition('@')[0].rpartition('/')[2]}-{digest}"


KINDS: Final = ("podmonitors", "prometheusrules")
PROMETHEUS: Final = Module(
    path="github.com/prometheus-operator/prometheus-operator@v0.85.0",
    sum="h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    files=[f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml" for kind in KINDS],
)
ARGO: Final = Module(
    path="github.com/argoproj/argo-cd/v3@v3.3.0",
    sum="h1:9UlruTd5cC/MyvorTXgAIblfZTy63MF5FYvvoAaUvwU=",
    files=["manifests/crds/application-crd.yaml"],
)
FLUX: Final = (
    Module(
        path="github.com/fluxcd/source-controller@v1.7.2",
        sum="h1:PQLzvgHNEYsstl8uATBZg/70b/i0tj63e0IqnYDeJyg=",
        files=["config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml"],
    ),
    Module(
        path="github.com/fluxcd/helm-controller@v1.4.0",
        sum="h1:rkm8rmB6Na7eNc4pJOnvtXEaJ19iKluRtayHKjBxcUM=",
        files=["config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml"],
    ),
    Module(
        path="github.com/fluxcd/kustomize-controller@v1.10.1",
        sum="h1:IjTnrkIy0ULJoTNC2ZKuMb32vkqj7dJ6zt6UqbTFxKA=",
        files=["config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"],
    ),
)
GATEWAY: Final = Module(
    path="sigs.k8s.io/gateway-api@v1.4.0",
    sum="h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
    files=["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
)
ALL: Final = (PROMETHEUS, GATEWAY, ARGO, *FLUX)


def crds(module: Module = PROMETHEUS) -> Path:
    """A folder with those files; the first time it takes some seconds."""
    kept = cache() / module.name
    if kept.exists():
        return kept
    source = _download(module)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        half = Path(folder) / "half"
        half.mkdir()
        for file in module.files:
            shutil.copyfile(source / file, half / Path(file).name)
        try:
            half.rename(kept)
        except OSError:  # another run was first
            if not kept.exists():
                raise
    return kept


def _download(module: Module) -> Path:
    """Where Go keeps the module."""
    try:
        go, _ = find_go()
    except BuildFailed as error:
        raise NoCrds(str(error)) from None
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    command = [str(go), "mod", "download", "-json", module.path]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "go.mod").write_text("module pointsman.dev/monitoring\n")
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=120, cwd=folder,
                env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NoCrds(f"go mod download {module.path} took longer than 2 minutes") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise NoCrds(f"go mod download {module.path}: {said}")
    found = json.loads(done.stdout)
    if found["Sum"] != module.sum:
        raise NoCrds(f"{module.path} has the checksum {found['Sum']}, not {module.sum}")
    return Path(found["Dir"])
