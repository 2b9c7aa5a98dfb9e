"""A kubelet alone, without a control plane: what it and containerd make of a restricted pod."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import BenchBroken, BuildFailed, NoNamespace
from tests.pods import machine
from tests.pods.alone import Alone, standing
from tests.pods.images import build_images
from tests.pods.node import hierarchies
from tests.pods.real.conftest import not_run
from tests.pods.real.objects import restricted
from tests.pods.settings import CGROUP

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
IMAGE = "docker.io/pointsman/router:0.1.0"
READY = {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1}
SIMULATOR = ["pointsman-simulator", "--model=m", "--host=0.0.0.0", "--port=8000"]
LOOK = """
import json, os
said = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
try:
    open('/written', 'w')
    root = 'writable'
except OSError as error:
    root = error.strerror
print(json.dumps([os.getuid(), os.getgid(), root, said['CapBnd'].strip(),
    said['Seccomp'].strip(), said['NoNewPrivs'].strip()]))
"""


@pytest.fixture(scope="module")
def alone() -> Iterator[Alone]:
    """A node in a network of its own; nothing of it is left afterwards."""
    try:
        router = next(tar for tar in build_images() if tar.stem == "router")
        made = standing([router])
        node = made.__enter__()
    except (machine.NoPods, BuildFailed, NoNamespace, BenchBroken) as error:
        not_run(error)
    try:
        yield node
    finally:
        made.__exit__(None, None, None)
    owned = f"{CGROUP}.{os.getpid()}.*"
    assert [left for each in hierarchies() for left in each.glob(owned)] == []
    assert str(node.folder) not in Path("/proc/self/mountinfo").read_text()


def is_ready(container: dict[str, object]) -> bool:
    return bool(container.get("ready"))


def test_a_restricted_pod_is_confined_probed_and_restarted(alone: Alone) -> None:
    """User, root, capabilities, seccomp, memory limit; ready, killed, ready again."""
    limits = {"limits": {"memory": "512Mi"}}
    pod = restricted(
        "simulator", SIMULATOR, image=IMAGE, readinessProbe=READY, livenessProbe=READY,
        resources=limits,
    )  # fmt: skip
    alone.run(pod)
    first = alone.until("simulator", is_ready, "ready container")
    address = alone.status("simulator")["podIP"]
    with urllib.request.urlopen(f"http://{address}:8000/health", timeout=30) as answer:
        assert answer.status == 200

    task = first["containerID"].removeprefix("containerd://")
    seen = json.loads(alone.node.run_inside(task, "python3", "-c", LOOK))
    assert seen == [65532, 65532, "Read-only file system", "0000000000000000", "2", "1"]
    assert 512 * 2**20 in alone.node.memory_limits()

    alone.node.run_ctr("tasks", "kill", "--signal", "9", task)
    again = alone.until(
        "simulator", lambda one: is_ready(one) and one["restartCount"] == 1, "restart"
    )
    assert again["containerID"] != first["containerID"]


def test_a_pod_that_is_not_ready_is_said_to_be_so_and_is_not_restarted(alone: Alone) -> None:
    """A readiness probe that fails only takes the pod out."""
    never = {"httpGet": {"path": "/nothing-here", "port": 8000}, "periodSeconds": 1}
    alone.run(restricted("unready", SIMULATOR, image=IMAGE, readinessProbe=never))

    found = alone.until("unready", lambda one: bool(one.get("started")), "start")
    assert (found["ready"], found["restartCount"]) == (False, 0)
    alone.end("unready")


def test_a_liveness_probe_that_fails_restarts_the_container(alone: Alone) -> None:
    """By the kubelet, after as many failures as the pod allows."""
    never = {"httpGet": {"path": "/nothing-here", "port": 8000}, "periodSeconds": 1}
    pod = restricted(
        "unwell", SIMULATOR, image=IMAGE, livenessProbe=never | {"failureThreshold": 2}
    )
    pod["spec"]["terminationGracePeriodSeconds"] = 2
    alone.run(pod)

    alone.until("unwell", lambda one: int(str(one.get("restartCount", 0))) >= 1, "restart")
    alone.end("unwell")


def test_a_prestop_hook_runs_while_the_container_still_serves(alone: Alone) -> None:
    """The server is asked for /bye before it is ended."""
    command = ["python3", "-u", "-m", "http.server", "8000", "--directory", "/usr"]
    pod = restricted(
        "hooked", command, image=IMAGE,
        lifecycle={"preStop": {"httpGet": {"path": "/bye", "port": 8000}}},
        readinessProbe={"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
    )  # fmt: skip
    pod["spec"]["terminationGracePeriodSeconds"] = 5
    alone.run(pod)
    alone.until("hooked", is_ready, "ready container")
    (written,) = (alone.node.plan.folder / "pod-logs").glob("default_hooked-*/main/0.log")
    with written.open("rb") as log:  # the kubelet removes the file, and we hold it
        alone.end("hooked")
        said = b""
        end_s = time.monotonic() + 60
        while b"GET /bye" not in said:
            assert time.monotonic() < end_s, said
            said += log.read()
            time.sleep(0.1)


def test_a_kubelet_that_was_killed_adopts_what_runs(alone: Alone) -> None:
    """It is started again and restarts no container."""
    before = alone.until("simulator", is_ready, "ready container")
    old = alone.node.part_pid("kubelet")
    os.kill(old, signal.SIGKILL)

    alone.until("simulator", lambda _: alone.node.part_pid("kubelet") not in (0, old), "kubelet")
    after = alone.until("simulator", is_ready, "ready container")
    assert after["containerID"] == before["containerID"]
