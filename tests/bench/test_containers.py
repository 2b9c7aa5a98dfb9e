"""The process kubelet treats pods as a kubelet does."""

import json
import signal
from pathlib import Path

import pytest

from tests.bench import Bench, Refused
from tests.bench.kubelet.pod import processes_in
from tests.bench.pods import (
    HTTP_READY,
    SERVE,
    Json,
    create,
    main_container,
    pod,
    status,
    wait_ready,
)

pytestmark = pytest.mark.bench


def test_killed_container_restarts(bench: Bench, namespace: str) -> None:
    """restartCount 1, the last exit code is 137, its emptyDir is still there."""
    script = "cat /data/mark; echo survived > /data/mark; exec sleep inf"
    body = pod("one", ["sh", "-c", script], volumeMounts=[{"name": "data", "mountPath": "/data"}])
    body["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    bench.wait_for((bench.volume(namespace, "one", "data") / "mark").exists, 10, "the mark")
    bench.kill(namespace, "one")
    found = bench.wait_for(
        lambda: (s := main_container(bench, namespace, "one")).get("restartCount") == 1 and s,
        20,
        "the restart",
    )
    assert found
    assert found["lastState"]["terminated"]["exitCode"] == 137
    bench.wait_for(lambda: "survived" in bench.log(namespace, "one"), 10, "the mark to be read")
    assert not Path("/data").exists(), "the mount point must not appear on the host"


def test_frozen_container_fails_liveness_and_restarts(bench: Bench, namespace: str) -> None:
    """SIGSTOP: the liveness probe times out, SIGKILL ends the grace period, a new one starts."""
    liveness = {"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 1}
    http = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1, "failureThreshold": 2}
    body = pod("one", SERVE, readinessProbe=liveness, livenessProbe=http | {"timeoutSeconds": 1})
    body["spec"]["containers"][0]["startupProbe"] = {**HTTP_READY, "failureThreshold": 30}
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    bench.kill(namespace, "one", sig=signal.SIGSTOP)
    bench.wait_for(
        lambda: main_container(bench, namespace, "one").get("restartCount") == 1, 30, "a restart"
    )
    wait_ready(bench, namespace, "one")


def test_environment_and_configmap_volume(bench: Bench, namespace: str) -> None:
    """References, $(VAR) and fields arrive; a changed ConfigMap reaches the mounted file."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(NOPE)-$$(A)"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "c"}}},
    ]
    mount = {"name": "files", "mountPath": "/etc/pointsman-test"}
    script = 'echo "$B|$IP|$K|$C|$(hostname)"; exec sleep inf'
    body = pod("one", ["sh", "-c", script], env=env, volumeMounts=[mount])
    body["spec"]["volumes"] = [{"name": "files", "configMap": {"name": "settings"}}]
    create(bench, namespace, body)
    bench.wait_for(
        lambda: '"settings" not found' in (status(bench, namespace, "one").get("message") or ""),
        20,
        "the pod to say what it waits for",
    )
    create(bench, namespace, settings | {"data": {"c": "old"}}, secret | {"stringData": {"k": "s"}})
    wait_ready(bench, namespace, "one")
    address = bench.pod_ip(namespace, "one")
    line = bench.wait_for(lambda: bench.log(namespace, "one"), 10, "its output")
    assert line.strip() == f"1-$(NOPE)-$(A)|{address}|s|old|one"
    patch = json.dumps({"data": {"c": "new"}})
    bench.kubectl("patch", "configmap", "settings", "-n", namespace, "-p", patch)
    bench.wait_for(
        lambda: bench.exec(namespace, "one", "cat", "/etc/pointsman-test/c") == "new", 20, "new"
    )
    assert not Path("/etc/pointsman-test").exists()


def test_init_containers_and_sidecar_run_in_order(bench: Bench, namespace: str) -> None:
    """Each init container ends before the next starts; a sidecar keeps running."""
    mounts = [{"name": "data", "mountPath": "/data"}]

    def step(name: str, script: str, **more: object) -> Json:
        command = ["sh", "-c", script]
        return {
            "name": name,
            "image": "pointsman/x",
            "command": command,
            "volumeMounts": mounts,
        } | more

    body = pod("one", ["sh", "-c", "cat /data/order; exec sleep inf"], volumeMounts=mounts)
    body["spec"]["volumes"] = [{"name": "data", "emptyDir": {"medium": "Memory"}}]
    body["spec"]["initContainers"] = [
        step("first", "echo 1 >> /data/order"),
        step("side", "echo 2 >> /data/order; exec sleep inf", restartPolicy="Always"),
        step("last", "until grep -q 2 /data/order; do :; done; echo 3 >> /data/order"),
    ]
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    bench.wait_for(
        lambda: bench.log(namespace, "one", "main").split() == ["1", "2", "3"], 10, "1 2 3"
    )
    assert bench.volume(namespace, "one", "data").is_relative_to("/dev/shm")
    assert bench.pid(namespace, "one", "side")


def test_a_volume_over_the_checkout_does_not_hide_the_software(
    bench: Bench, namespace: str
) -> None:
    """A checkout in /tmp and a pod with a volume there: it runs all the same."""
    above = str(Path(__file__).parents[3])
    script = "pointsman-simulator --help > /dev/null && echo found; exec sleep inf"
    body = pod("one", ["sh", "-c", script], volumeMounts=[{"name": "over", "mountPath": above}])
    body["spec"]["volumes"] = [{"name": "over", "emptyDir": {}}]
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")

    bench.wait_for(lambda: "found" in bench.log(namespace, "one"), 20, "the software to be found")


def test_deletion_respects_grace_and_leaves_nothing(bench: Bench, namespace: str) -> None:
    """preStop runs before SIGTERM; process, children, namespace and volumes are gone."""
    script = "trap 'echo term; exit 0' TERM; setsid sleep 1000 & while :; do sleep 0.1; done"
    body = pod("one", ["sh", "-c", script], volumeMounts=[{"name": "data", "mountPath": "/data"}])
    body["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    body["spec"]["terminationGracePeriodSeconds"] = 20
    body["spec"]["containers"][0]["lifecycle"] = {
        "preStop": {"exec": {"command": ["sh", "-c", "echo hook"]}}
    }
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    volume, pid = bench.volume(namespace, "one", "data"), bench.pid(namespace, "one")
    inode = Path(f"/proc/{pid}/ns/net").stat().st_ino
    assert inode != Path("/proc/self/ns/net").stat().st_ino
    bench.wait_for(lambda: len(processes_in(inode)) >= 3, 10, "the script and its children")
    bench.kubectl("delete", "pod", "one", "-n", namespace, "--timeout=15s")
    assert bench.log(namespace, "one").split() == ["hook", "term"]
    assert processes_in(inode) == []
    assert not volume.exists()
    with pytest.raises(Refused):
        bench.pid(namespace, "one")


def test_stubborn_container_is_killed_after_its_grace(bench: Bench, namespace: str) -> None:
    """A process that ignores SIGTERM is gone when the grace period is."""
    body = pod("one", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    bench.kubectl("delete", "pod", "one", "-n", namespace, "--timeout=15s")
    assert bench.get("pod", "one", namespace) is None


def test_image_that_cannot_be_pulled_is_shown(bench: Bench, namespace: str) -> None:
    """An image we cannot play is ImagePullBackOff with a message, the pod is Pending."""
    body = pod("one", [])
    body["spec"]["containers"][0] = {"name": "main", "image": "vllm/vllm-openai:v1"}
    create(bench, namespace, body)
    waiting = bench.wait_for(
        lambda: main_container(bench, namespace, "one").get("state", {}).get("waiting"),
        20,
        "a waiting state",
    )
    waiting = bench.wait_for(
        lambda: (
            (w := main_container(bench, namespace, "one")["state"]["waiting"])["reason"]
            == "ImagePullBackOff"
            and w
        ),
        20,
        "ImagePullBackOff",
    )
    assert waiting
    assert "vllm/vllm-openai:v1" in waiting["message"]
    assert status(bench, namespace, "one")["phase"] == "Pending"


def test_crash_loop_backs_off(bench: Bench, namespace: str) -> None:
    """A container that fails at once shows CrashLoopBackOff and its exit code."""
    create(bench, namespace, pod("one", ["sh", "-c", "exit 3"]))
    found = bench.wait_for(
        lambda: (
            (s := main_container(bench, namespace, "one")).get("restartCount", 0) >= 1
            and s["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            and s
        ),
        20,
        "CrashLoopBackOff",
    )
    assert found
    assert found["lastState"]["terminated"]["exitCode"] == 3


def test_read_only_root_leaves_volumes_writable(bench: Bench, namespace: str) -> None:
    """readOnlyRootFilesystem: only volumes take writes, and not those mounted read-only."""
    script = "touch /data/a && ! touch /new && ! touch /config/b && ls /data /config && ls /proc/1"
    mounts = [
        {"name": "data", "mountPath": "/data"},
        {"name": "config", "mountPath": "/config", "readOnly": True},
    ]
    body = pod(
        *("one", ["sh", "-c", script]),
        volumeMounts=mounts,
        securityContext={"readOnlyRootFilesystem": True},
    )
    body["spec"] |= {
        "restartPolicy": "Never",
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "emptyDir": {}}],
    }
    create(bench, namespace, body)
    bench.wait_for(
        lambda: status(bench, namespace, "one").get("phase") in {"Succeeded", "Failed"},
        20,
        "the pod to end",
    )
    log = bench.log(namespace, "one")
    assert status(bench, namespace, "one")["phase"] == "Succeeded", log
    assert log.count("Read-only file system") == 2
