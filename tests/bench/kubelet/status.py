"""A pod's status from its containers: a pure function of what was observed.

Guarantees: phases, conditions and container statuses as a kubelet reports them; a condition's
lastTransitionTime changes only with its status.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.kubelet.container import Container

Json = dict[str, Any]


def pod_status(
    pod: Json,
    *,
    init: Sequence[Container],
    main: Sequence[Container],
    initialized: bool,
    pod_ip: str,
    host_ip: str,
    before: Mapping[str, Json],
    now: str,
    message: str | None = None,
) -> Json:
    """The status to patch; `before` holds the conditions last reported, by type."""
    sidecars = [c for c in init if c.spec.get("restartPolicy") == "Always"]
    unready = [c.name for c in [*sidecars, *main] if not c.ready]
    gates = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", ())}
    closed = [
        gate["conditionType"]
        for gate in pod["spec"].get("readinessGates", ())
        if gates.get(gate["conditionType"]) != "True"
    ]
    unready_message = f"containers with unready status: {unready}"
    facts = [
        ("PodReadyToStartContainers", bool(pod_ip), "", ""),
        ("Initialized", initialized, "ContainersNotInitialized", "init containers are not done"),
        ("ContainersReady", not unready, "ContainersNotReady", unready_message),
        (
            "Ready",
            not unready and not closed,
            "ContainersNotReady" if unready else "ReadinessGatesNotReady",
            unready_message if unready else f"readiness gates not true: {closed}",
        ),
        ("PodScheduled", True, "", ""),
    ]
    conditions = []
    for kind, true, reason, text in facts:
        condition: Json = {"type": kind, "status": "True" if true else "False"}
        # null, not absent: the patch must take away the reason of an earlier False.
        condition |= (
            {"reason": None, "message": None} if true else {"reason": reason, "message": text}
        )
        held = before.get(kind)
        same = held is not None and held["status"] == condition["status"]
        condition["lastTransitionTime"] = held["lastTransitionTime"] if same and held else now
        conditions.append(condition)
    status: Json = {
        "phase": phase(init, main, initialized=initialized),
        "conditions": conditions,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "message": message,
        "containerStatuses": [_container_status(c) for c in main],
    }
    if init:
        status["initContainerStatuses"] = [_container_status(c) for c in init]
    if pod_ip:
        status |= {"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}
    return status


def phase(init: Sequence[Container], main: Sequence[Container], *, initialized: bool) -> str:
    """Pending until initialized and every container has run; Succeeded or Failed when all ended."""
    failed_init = any(c.done.is_set() and c.exit_code not in {0, None} for c in init)
    if failed_init and not initialized:
        return "Failed"
    if not initialized:
        return "Pending"
    if all(c.done.is_set() for c in main):
        return "Succeeded" if all(c.exit_code == 0 for c in main) else "Failed"
    never_ran = [c for c in main if "waiting" in c.state and not c.last_state]
    return "Pending" if never_ran else "Running"


def _container_status(container: Container) -> Json:
    image = container.spec["image"]
    status: Json = {
        "name": container.name,
        "image": image,
        "imageID": "",
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restart_count,
        "state": container.state,
        "lastState": container.last_state,
    }
    if "waiting" not in container.state or container.last_state:
        status["containerID"] = f"process://{container.name}-{container.restart_count}"
        status["imageID"] = f"process://{image}"
    return status
