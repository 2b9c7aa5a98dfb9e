"""Two real nodes and the charts' whole fleet on them; its namespace enforces `restricted`."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from tests.bench import BenchBroken, BuildFailed, NoNamespace
from tests.bench.fixtures import required
from tests.e2e.fleet import EXAMPLES, RELEASE, Fleet, callers
from tests.pods import machine
from tests.pods.cluster import PodsBench
from tests.pods.images import build_images
from tests.pods.real.objects import ledger_volume

ROOT = Path(__file__).parents[3]
NAMESPACE = "fleet"
USER = 65532
LEDGER_TOKEN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "ledger-token"},
    "stringData": {"token": "t" * 40},
}


def not_run(error: Exception) -> NoReturn:
    """Skip aloud; with CI set, fail: a skipped proof is none."""
    reason = f"not run: no real pods: {error}"
    if required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def pods() -> Iterator[PodsBench]:
    """The cluster; this process stands in its network."""

    try:
        machine.prepare()
        cluster = PodsBench(nodes=2, images=build_images()).__enter__()
    except (machine.NoPods, BuildFailed, NoNamespace, BenchBroken, OSError) as error:
        not_run(error)
    try:
        yield cluster
    finally:
        cluster.close()


@dataclass(frozen=True, slots=True)
class Release:
    """The fleet, and where its Service answers."""

    fleet: Fleet
    bench: PodsBench

    @property
    def url(self) -> str:
        """The routers' Service by its cluster IP, as any client inside has it."""
        service = self.fleet.get("service", f"{RELEASE}-router")["spec"]
        return f"http://{service['clusterIP']}:{service['ports'][0]['port']}/v1"


@pytest.fixture(scope="session")
def release(pods: PodsBench) -> Iterator[Release]:
    """Both charts by helm: operator, three routers, ledger; and the support desk's simulators."""
    fleet = Fleet(pods, NAMESPACE)
    enforced = {f"pod-security.kubernetes.io/{key}": "restricted" for key in ("enforce", "warn")}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": enforced},
    }
    pods.apply(yaml.safe_dump(namespace))
    fleet.kubectl("apply", "-f", "-", stdin=callers())
    fleet.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(LEDGER_TOKEN))
    store = pods.dir / "node-0" / "ledger-store"
    store.mkdir(exist_ok=True)
    os.chown(store, 0, USER)
    store.chmod(0o770)
    pods.apply(json.dumps(ledger_volume(store)))
    charts = ROOT / "charts"
    pods.helm(
        "upgrade", "--install", "pointsman-crds", str(charts / "pointsman-crds"), "-n", NAMESPACE
    )
    pods.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    try:
        pods.helm(
            "upgrade", "--install", RELEASE, str(charts / "pointsman"), "-n", NAMESPACE, "--set",
            "router.replicas=3,router.minReadySeconds=1,ledger.enabled=true,"
            "ledger.tokenSecret=ledger-token,ledger.sqlite.size=1Gi",
        )  # fmt: skip
        pods.publish_names()
        for kind in ("deployment", "statefulset"):
            for each in json.loads(fleet.kubectl("get", kind, "-o", "json"))["items"]:
                name = each["metadata"]["name"]
                fleet.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=110s")
        fleet.kubectl("apply", "-f", f"{EXAMPLES / '02-support-desk'}/")
        fleet.wait_ready("mb", "rp", seconds=110)
    except Exception as error:
        wide = fleet.kubectl("get", "pods,pvc,events", "-o", "wide")
        raise BenchBroken(f"{error}\n{wide}") from error
    yield Release(fleet, pods)
    pods.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
