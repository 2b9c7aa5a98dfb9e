"""What only a kubelet does: hooks before the end, from zero and back, its own restart."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.fleet import EXAMPLES
from tests.pods.real.conftest import Release
from tests.pods.real.objects import container, restricted, router_image

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]


def test_a_prestop_hook_runs_before_the_signal(release: Release, tmp_path: Path) -> None:
    """The server is asked for /bye while it still answers, and only then ended."""
    fleet = release.fleet
    hook = {"preStop": {"httpGet": {"path": "/bye", "port": 8000}}}
    command = ["python3", "-u", "-m", "http.server", "8000", "--directory", "/usr"]
    ready = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    pod = restricted(
        "hooked", command, image=router_image(fleet), lifecycle=hook, readinessProbe=ready
    )
    pod["spec"]["terminationGracePeriodSeconds"] = 3
    fleet.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    fleet.kubectl("wait", "--for=condition=Ready", "pod/hooked", "--timeout=110s")
    log = tmp_path / "log"
    with log.open("wb") as out:
        follow = subprocess.Popen(
            ["kubectl", "logs", "-f", "-n", fleet.namespace, "hooked"],
            stdout=out, stderr=out, env=release.bench.environment(),
        )  # fmt: skip
        try:
            release.bench.wait_for(lambda: b"GET / " in log.read_bytes(), 60, "the log")
            fleet.kubectl("delete", "pod", "hooked", "--timeout=110s")
            follow.wait(timeout=60)
        finally:
            follow.kill()
            follow.wait()

    assert b"GET /bye" in log.read_bytes()


def test_a_request_brings_a_backend_from_zero_and_it_goes_back(release: Release) -> None:
    """The example 09-from-zero: no pod, then an answer that waited for one, then no pod again."""
    fleet = release.fleet
    example = EXAMPLES / "09-from-zero"
    fleet.kubectl("apply", "-f", f"{example}/")
    objects = json.loads(fleet.kubectl("get", "-f", f"{example}/", "-o", "json"))["items"]
    backend = next(one for one in objects if one["kind"] == "ModelBackend")["metadata"]["name"]
    policy = next(one for one in objects if one["kind"] == "RoutingPolicy")
    model = policy["spec"]["modelNames"][0]
    selector = f"pointsman.dev/backend={backend}"

    def count() -> int:
        found = json.loads(fleet.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return len(found)

    try:
        quick = json.dumps({"spec": {"scaling": {"scaleDownDelaySeconds": 5}}})
        fleet.kubectl("patch", "mb", backend, "--type=merge", "-p", quick)
        fleet.wait_ready("rp", seconds=110)
        release.bench.wait_for(lambda: count() == 0, 240, "no pod of the idle backend")
        with fleet.client(release.url) as sdk:
            answer = sdk.with_options(timeout=170).chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=2
            )
        assert answer.choices[0].finish_reason
        assert count() >= 1
        release.bench.wait_for(lambda: count() == 0, 240, "the end of what idles again")
    finally:
        fleet.kubectl("delete", "-f", f"{example}/")


def test_a_restarted_kubelet_adopts_the_pods_that_run(release: Release) -> None:
    """Killed and started again, it restarts no container and the node stays Ready."""
    fleet = release.fleet
    before = {
        pod["metadata"]["name"]: container(fleet, pod["metadata"]["name"])["containerID"]
        for pod in fleet.pods("router")
    }
    old = release.bench.part_pid(0, "kubelet")
    os.kill(old, signal.SIGKILL)

    release.bench.wait_for(
        lambda: release.bench.part_pid(0, "kubelet") not in (0, old), 60, "another kubelet"
    )
    release.bench.wait_for(
        lambda: fleet.are_ready("router", len(before)), 120, "the routers to be ready"
    )
    after = {name: container(fleet, name)["containerID"] for name in before}
    assert after == before
