"""What bench tests create and look at: pods, a web Deployment, their status."""

import urllib.request
from typing import Any

import yaml

from tests.bench.cluster import Bench

Json = dict[str, Any]
SERVE = ["python3", "-m", "http.server", "8000"]
HTTP_READY = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
SLEEP = ["sleep", "inf"]
CONFINED_CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CONFINED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""The security contexts that Pod Security `restricted` asks for."""


def pod(name: str, command: list[str], **container: object) -> Json:
    """A pod of one container; spec fields that belong to the pod are set by the caller."""
    body: Json = {"name": "main", "image": "pointsman/test", "command": command, **container}
    spec = {"containers": [body], "terminationGracePeriodSeconds": 2}
    labels = {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def create(bench: Bench, namespace: str, *objects: Json) -> None:
    bench.kubectl("create", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(objects))


def status(bench: Bench, namespace: str, name: str) -> Json:
    """The pod's status; {} before there is one."""
    found = bench.get("pod", name, namespace) or {}
    result: Json = found.get("status", {})
    return result


def main_container(bench: Bench, namespace: str, name: str) -> Json:
    statuses = status(bench, namespace, name).get("containerStatuses") or [{}]
    result: Json = statuses[0]
    return result


def wait_ready(bench: Bench, namespace: str, name: str) -> None:
    bench.wait_for(
        lambda: main_container(bench, namespace, name).get("ready"), 30, f"{name} to be ready"
    )


def http_get(address: str, port: int = 8000) -> int:
    with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
        return int(answer.status)


def ready_addresses(bench: Bench, namespace: str) -> list[str]:
    return [
        endpoint["addresses"][0]
        for piece in bench.list("endpointslices", namespace)
        for endpoint in piece.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    ]


def web(probe: Json, command: list[str] = SERVE) -> list[Json]:
    """A Deployment of two web servers and its Service."""
    selector = {"app": "web"}
    template = pod("web", command, readinessProbe=probe)
    metadata = {"name": "web"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": template["spec"]},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    return [deployment, service]
