"""The Node object and its lease: registered Ready, kept Ready.

Refuses to give up: after an outage of the API server the node says Ready again by itself.
"""

import asyncio
import datetime as dt
import logging
import os
import platform
from typing import Any

from tests.bench.kubelet.api import Api, Away, Rejected, persist
from tests.bench.kubelet.container import timestamp
from tests.bench.netns import HOST_IP

Json = dict[str, Any]
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "100Gi"}
LEASE_S = 40
RENEW_S = 10
_log = logging.getLogger(__name__)


async def register(api: Api, name: str, log_port: int) -> None:
    """Create the node and say Ready; returns when pods can be scheduled to it."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        ),
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    await persist(lambda: api.call("POST", "/api/v1/nodes", node))
    await persist(
        lambda: api.patch(f"/api/v1/nodes/{name}/status", {"status": _status(name, log_port)})
    )
    # The node controller takes this taint away too, but only after a second or more.
    await persist(lambda: api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}}))


async def keep_ready(api: Api, name: str, log_port: int) -> None:
    """Renew the lease forever; say Ready again after every failure to do so."""
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    missed = False
    while True:
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_S,
            "renewTime": _precise_now(),
        }
        try:
            try:
                await api.patch(f"{path}/{name}", {"spec": spec})
            except Rejected as error:
                if error.status != 404:
                    raise
                await api.call("POST", path, {"metadata": {"name": name}, "spec": spec})
            if missed:
                await api.patch(f"/api/v1/nodes/{name}/status", {"status": _status(name, log_port)})
            missed = False
        except (Away, Rejected) as error:
            missed = True
            _log.info("lease not renewed: %s", error)
        await asyncio.sleep(1 if missed else RENEW_S)


def _status(name: str, log_port: int) -> Json:
    now = timestamp()
    facts = [("Ready", "True", "KubeletReady")]
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    facts += [(kind, "False", "KubeletHasSufficientResources") for kind in pressures]
    return {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": "bench",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            for kind, status, reason in facts
        ],
        "addresses": [
            {"type": "InternalIP", "address": HOST_IP},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}},
        "nodeInfo": {
            "architecture": platform.machine(),
            "bootID": name,
            "containerRuntimeVersion": "process://1",
            "kernelVersion": os.uname().release,
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.37.2",
            "machineID": name,
            "operatingSystem": "linux",
            "osImage": "bench",
            "systemUUID": name,
        },
    }


def _precise_now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
