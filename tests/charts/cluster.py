"""What is in a cluster, and what an apply would change: for tests of installs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.bench import Bench

Json = dict[str, Any]
ROOT = Path(__file__).parent.parent.parent
CHART = str(ROOT / "charts" / "pointsman")
CRDS = str(ROOT / "charts" / "pointsman-crds")
PASSING = ("events", "events.events.k8s.io", "ipaddresses.networking.k8s.io")
"""Kinds that end by themselves: after an hour, or when the API server repairs its addresses."""


def inventory(bench: Bench) -> set[str]:
    """Every object of every kind that can be listed, as `namespace kind/name`."""
    listed = bench.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    kinds = ",".join(kind for kind in listed if kind not in PASSING)
    about = "{.metadata.namespace} {.apiVersion}/{.kind}/{.metadata.name}"
    form = f'jsonpath={{range .items[*]}}{about}{{"\\n"}}{{end}}'
    return set(bench.kubectl("get", kinds, "-A", "-o", form).splitlines())


def settles(found: Callable[[], object], wanted: object, seconds: float = 90) -> None:
    """Wait until `found()` is `wanted`; shows both where it never is."""
    end = time.monotonic() + seconds
    while (last := found()) != wanted:
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:g} s it is {last!r}, not {wanted!r}")
        time.sleep(0.5)


def restricted(bench: Bench, namespace: str) -> None:
    """A namespace that takes restricted pods only, and can be used at once."""
    bench.restricted_namespace(namespace)
    bench.wait_for(lambda: bench.get("serviceaccount", "default", namespace), 90, "an account")


def differences(bench: Bench, manifest: str, namespace: str, manager: str) -> list[str]:
    """
    What a sync would change: a server-side dry run of each object beside the live one.

    As Argo CD's server-side diff does: the field manager's own apply, forced. Empty is in sync.
    """
    found = []
    for item in yaml.safe_load_all(manifest):
        if not item:
            continue
        place = item["metadata"].get("namespace", namespace)
        name = f"{item['kind']}/{item['metadata']['name']}"
        live = json.loads(bench.kubectl("get", "-n", place, _typed(item), "-o", "json"))
        said = bench.kubectl(
            "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-n", place,
            f"--field-manager={manager}", "-o", "json", "-f", "-", input=json.dumps(item),
        )  # fmt: skip
        found += [f"{name}: {one}" for one in _paths(_plain(live), _plain(json.loads(said)))]
    return found


def conflicts(bench: Bench, manifest: str, namespace: str, manager: str) -> str:
    """What a server-side dry run without force says; raises CommandFailed at a conflict."""
    return bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "-n", namespace,
        f"--field-manager={manager}", "-f", "-", input=manifest,
    )  # fmt: skip


def _typed(item: Json) -> str:
    group = item["apiVersion"].rpartition("/")[0]
    return f"{item['kind']}{'.' if group else ''}{group}/{item['metadata']['name']}"


def _plain(item: Json) -> Json:
    """Without who set what, and without the version that counts the writes."""
    about = {
        k: v for k, v in item["metadata"].items() if k not in ("managedFields", "resourceVersion")
    }
    return {**item, "metadata": about}


def _paths(live: object, wanted: object, path: str = "") -> list[str]:
    if isinstance(live, dict) and isinstance(wanted, dict):
        keys = sorted(live.keys() | wanted.keys())
        return [p for key in keys for p in _paths(live.get(key), wanted.get(key), f"{path}.{key}")]
    return [] if live == wanted else [f"{path}: {live!r} would become {wanted!r}"]
