"""Why a model server does not start, read from its pods: the words that Kubernetes uses itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.operator.plan.objects import Json, conditions_of, meta, name_of
from pointsman.operator.plan.pods import ready_pods

FAILING: Final = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)
"""Waiting reasons that do not pass by themselves; ContainerCreating and PodInitializing do."""
UNSCHEDULABLE: Final = "Unschedulable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failing container, or a pod that finds no node (then `container` is empty)."""

    pod: str
    container: str
    reason: str
    message: str

    def __str__(self) -> str:
        place = f"pod {self.pod}" + (f", container {self.container}" if self.container else "")
        return f"{place}: {self.reason}" + (f": {self.message}" if self.message else "")

    def as_status(self) -> dict[str, str]:
        """`status.lastFailure`."""
        whole = {"pod": self.pod, "reason": self.reason, "message": self.message[:32768]}
        return whole | ({"container": self.container} if self.container else {})


def _exit_of(status: Json) -> str:
    for holder in (status.get("lastState") or {}, status.get("state") or {}):
        ended = holder.get("terminated")
        if ended:
            said = str(ended.get("message") or ended.get("reason") or "").strip()
            return f"exit code {ended.get('exitCode')}" + (f" ({said})" if said else "")
    return ""


def _of_container(pod: str, status: Json) -> Failure | None:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    container = str(status.get("name", ""))
    if reason in FAILING:
        message = str(waiting.get("message") or "").strip()
        if reason == "CrashLoopBackOff":
            message = _exit_of(status) or message
        return Failure(pod=pod, container=container, reason=reason, message=message)
    ended = state.get("terminated")
    if ended and ended.get("exitCode"):
        word = str(ended.get("reason") or "Error")
        return Failure(pod=pod, container=container, reason=word, message=_exit_of(status))
    return None


def failure_of(pod: Json) -> Failure | None:
    """What is wrong with one pod, or None."""
    if meta(pod).get("deletionTimestamp"):
        return None
    name, status = name_of(pod), pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            if failure := _of_container(name, container):
                return failure
    for condition in conditions_of(pod):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == UNSCHEDULABLE:
            message = str(condition.get("message") or "")
            return Failure(pod=name, container="", reason=UNSCHEDULABLE, message=message)
    if status.get("phase") == "Failed":  # evicted, or refused by its node
        reason, message = str(status.get("reason") or "Failed"), str(status.get("message") or "")
        return Failure(pod=name, container="", reason=reason, message=message)
    return None


def why_none_starts(deployment: Json | None, pods: Sequence[Json]) -> str:
    """The reason why no pod of a Deployment gets ready; empty if one is, or none is failing."""
    if ready_pods(pods):
        return ""
    if failure := first_failure(pods):
        return failure.reason
    for condition in conditions_of(deployment or {}):  # a quota, or an admission webhook
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("reason") or "ReplicaFailure")
    return ""


def first_failure(pods: Iterable[Json]) -> Failure | None:
    """The failure of the newest failing pod: it runs what was asked for last."""
    ordered = sorted(
        pods, key=lambda p: (str(meta(p).get("creationTimestamp", "")), name_of(p)), reverse=True
    )
    return next((failure for pod in ordered if (failure := failure_of(pod))), None)
