"""helm as the bench has it, for what needs no cluster: `template` and `lint`."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.bench.build import BuildFailed, cached_binary, find_go
from tests.bench.client import WITHOUT_COLLECTING

CHARTS = Path(__file__).parent.parent.parent / "charts"


class NoHelm(Exception):
    """The bench, which holds helm, is not built; the message says how."""


class HelmFailed(Exception):
    """What helm said on its standard error."""


def command() -> list[str]:
    """POINTSMAN_HELM, or the bench's own, which is not built here, for that takes minutes."""
    if given := os.environ.get("POINTSMAN_HELM"):
        return [given]
    try:
        found = cached_binary(find_go()[1])
    except BuildFailed as error:
        raise NoHelm(str(error)) from None
    if not found.exists():
        raise NoHelm("helm is part of the bench: python -m tests.bench build")
    return [str(found), "helm"]


def helm(*arguments: str) -> str:
    """Its standard output; raises HelmFailed."""
    with tempfile.TemporaryDirectory() as folder:
        homes = {f"HELM_{what}_HOME": folder for what in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [*command(), *arguments], capture_output=True, text=True, check=False,
            timeout=60, env=os.environ | homes | WITHOUT_COLLECTING,
        )  # fmt: skip
    if done.returncode:
        raise HelmFailed(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Of what was rendered, by libyaml's loader where PyYAML has it: it is ten times as fast."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [item for item in yaml.load_all(text, loader) if item]


def template(
    options: Sequence[str], *, chart: str = "pointsman", release: str, namespace: str
) -> str:
    """`helm template`; monitoring and Gateway kinds are rendered whether they are served or not."""
    return helm("template", release, str(CHARTS / chart), "--namespace", namespace, *options)
