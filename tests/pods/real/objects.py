"""What tests of real pods create and ask."""

import json
from pathlib import Path
from typing import Any

from tests.bench.client import Cluster
from tests.e2e.fleet import Fleet

Json = dict[str, Any]


def ledger_volume(store: Path) -> Json:
    """A volume of the first node's, as a local provisioner would make it."""
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-0"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "ledger-store"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete",
            "local": {"path": str(store)},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]},
            },
        },
    }


def restricted(name: str, command: list[str], *, image: str, **container: Any) -> Json:
    """A pod that Pod Security `restricted` lets in; more fields of its container."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    main = {"name": "main", "image": image, "command": command, "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [{**main, **container}],
            "terminationGracePeriodSeconds": 30,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }


def router_image(fleet: Fleet) -> str:
    """What the release's routers run."""
    found: str = fleet.pods("router")[0]["spec"]["containers"][0]["image"]
    return found


def ready_addresses(fleet: Fleet, service: str) -> set[str]:
    """The endpoints that kube-proxy sends to."""
    slices = json.loads(
        fleet.kubectl(
            "get", "endpointslices", "-l", f"kubernetes.io/service-name={service}", "-o", "json"
        )
    )["items"]
    return {
        endpoint["addresses"][0]
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
    }


def container(fleet: Fleet, pod: str) -> Json:
    """The status of a pod's first container."""
    found: Json = fleet.get("pod", pod)["status"]["containerStatuses"][0]
    return found


def python(cluster: Cluster, namespace: str, pod: str, code: str) -> str:
    """What a line of Python prints inside a pod (kubectl exec)."""
    return cluster.exec(namespace, pod, "python3", "-c", code)
