"""Manifests of tests, and how to apply several at once."""

import json
from typing import Any

from tests.bench.pods import CONFINED_CONTAINER, CONFINED_POD
from tests.e2e.fleet import Fleet

Json = dict[str, Any]
VERSION = "pointsman.dev/v1alpha1"


def backend(name: str, **spec: Any) -> Json:
    """A ModelBackend; a simulator unless said otherwise. The model's name is the backend's."""
    if not {"deployment", "service", "external"} & spec.keys():
        spec["deployment"] = {"engine": "Simulator", "args": ["--ttft=1ms"]}
    return {
        "apiVersion": VERSION,
        "kind": "ModelBackend",
        "metadata": {"name": name},
        "spec": {"model": f"{name[:40]}-llm", **spec},
    }


def policy(name: str, model: str, *targets: str, chain: tuple[str, ...] = ()) -> Json:
    """A RoutingPolicy that answers for one model name."""
    route: Json = {"targets": [{"backendRef": {"name": target}} for target in targets]}
    if chain:
        route["fallback"] = {"chain": [{"name": one} for one in chain]}
    spec = {"modelNames": [model], "default": route}
    return {
        "apiVersion": VERSION,
        "kind": "RoutingPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def server(fleet: Fleet, name: str, port: int) -> Json:
    """Somebody's own Deployment: a simulator as model `<name>-llm` with a named port."""
    # Any router's image has the simulator, and the cluster has the image.
    image = fleet.pods("router")[0]["spec"]["containers"][0]["image"]
    labels = {"app": name, "tier": "legacy"}
    command = ["pointsman-simulator", f"--model={name}-llm", "--host=0.0.0.0", f"--port={port}"]
    container = {
        "name": "llm",
        "image": image,
        "command": command,
        "ports": [{"name": "api", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "api"}, "periodSeconds": 1},
        "securityContext": CONFINED_CONTAINER,
    }
    pod = {"securityContext": CONFINED_POD, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"owner": "somebody"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def service(name: str, *ports: Json, **spec: Any) -> Json:
    """A Service."""
    body = {"ports": list(ports), **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def apply(fleet: Fleet, *items: Json) -> None:
    """`kubectl apply` of all of them."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps(whole))
