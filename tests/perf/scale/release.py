"""A release to be measured: three real routers, stand-ins for the rest, and no operator yet."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import Bench
from tests.bench.pods import CONFINED_CONTAINER, CONFINED_POD
from tests.e2e.fleet import RELEASE, ROUTERS, Fleet, install
from tests.perf.scale import objects

ROOT = Path(__file__).parents[3]
LABELS = {
    "app.kubernetes.io/name": "pointsman",
    "app.kubernetes.io/part-of": "pointsman",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/component": "router",
}


@contextmanager
def released(bench: Bench, namespace: str, *, routers: int) -> Iterator[Fleet]:
    """Installed as Helm would, its operator at zero: it is started as a process of its own."""
    fleet = install(bench, namespace)
    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=0")
    fleet.kubectl("apply", "-f", "-", stdin=objects.listed(objects.simulators()))
    bench.wait_for(lambda: not fleet.pods("operator"), 90, "the operator's end")
    fleet.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=180s")
    with stand_ins(fleet, routers - ROUTERS):
        yield fleet
    fleet.kubectl("scale", "deployment", "--all", "--replicas=0")
    bench.kubectl("delete", "namespace", namespace, "--wait=false")


@contextmanager
def stand_ins(fleet: Fleet, count: int) -> Iterator[None]:
    """So many router pods that no kubelet runs, at loopback addresses, played by one process."""
    if count <= 0:
        yield
        return
    addresses = [f"127.0.77.{number + 1}" for number in range(count)]
    account = fleet.bench.service_account_kubeconfig(fleet.namespace, f"{RELEASE}-router")
    command = [
        sys.executable, "-m", "tests.perf.scale.stand_ins", "--kubeconfig", str(account),
        "--namespace", fleet.namespace, "--release", RELEASE, "--addresses", ",".join(addresses),
    ]  # fmt: skip
    log = (fleet.bench.dir / "stand-ins.log").open("ab")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(Path(log.name).read_text()[-2000:])
            for number, address in enumerate(addresses):
                _pretend(fleet, f"stand-in-{number}", address)
            yield
        finally:
            process.terminate()
            log.close()


def _pretend(fleet: Fleet, name: str, address: str) -> None:
    """A pod that no scheduler takes, with the status of one that runs."""
    pod: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "schedulerName": "nobody",
            "securityContext": CONFINED_POD,
            "containers": [
                {
                    "name": "router",
                    "image": "pointsman/none",
                    "securityContext": CONFINED_CONTAINER,
                }
            ],
        },
    }  # fmt: skip
    fleet.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    status = {"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}
    fleet.kubectl(
        "patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
