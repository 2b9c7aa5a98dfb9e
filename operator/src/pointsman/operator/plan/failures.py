"""Why a model server does not start, read from its pods: the words that Kubernetes uses itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
NO_NODE: Final = frozenset({UNSCHEDULABLE, "SchedulerError"})
"""Reasons of PodScheduled; the second is a volume that is not made in time, among others. Not
SchedulingGated: who queues pods gates each of them for a moment."""
OVER_S: Final = 120.0
"""A pod that is over, evicted or refused by its node, tells of what starts now for so long after it
was made. Nobody removes it: a year later it would still keep requests from waiting for a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failing container; a pod that finds no node has none, and one that is not made no name."""

    pod: str
    container: str
    reason: str
    message: str

    @property
    def passes(self) -> bool:
        """Whether it may pass without a person: a node or a quota becomes free."""
        return not self.pod or self.reason in NO_NODE

    def __str__(self) -> str:
        place = f"pod {self.pod}" if self.pod else "no pod can be made"
        place += f", container {self.container}" if self.container else ""
        return f"{place}: {self.reason}" + (f": {self.message}" if self.message else "")

    def as_status(self) -> dict[str, str]:
        """`status.lastFailure`."""
        named = {"pod": self.pod, "container": self.container}
        whole = {"reason": self.reason, "message": self.message[:32768]}
        return {key: value for key, value in named.items() if value} | whole


def _exit_of(status: Json) -> str:
    for holder in (status.get("state") or {}, status.get("lastState") or {}):
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


def failure_of(pod: Json, now: str) -> Failure | None:
    """What is wrong with one pod, or None; `now` is RFC 3339."""
    name, status = name_of(pod), pod.get("status") or {}
    over = status.get("phase") == "Failed"
    if meta(pod).get("deletionTimestamp") or (over and _made_s_ago(pod, now) > OVER_S):
        return None
    if over and status.get("reason"):  # what became of its containers follows from it
        reason, message = str(status["reason"]), str(status.get("message") or "")
        return Failure(pod=name, container="", reason=reason, message=message)
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            if failure := _of_container(name, container):
                return failure
    for condition in conditions_of(pod):
        reason = str(condition.get("reason") or "")
        if condition.get("type") == "PodScheduled" and reason in NO_NODE:
            message = str(condition.get("message") or "")
            return Failure(pod=name, container="", reason=reason, message=message)
    if over:
        message = str(status.get("message") or "")
        return Failure(pod=name, container="", reason="Failed", message=message)
    return None


def _made_s_ago(pod: Json, now: str) -> float:
    try:
        made = datetime.fromisoformat(str(meta(pod).get("creationTimestamp")))
        return (datetime.fromisoformat(now) - made).total_seconds()
    except ValueError:
        return 0.0


def why_none_starts(deployment: Json | None, pods: Sequence[Json], now: str) -> str:
    """The reason why no pod of a Deployment gets ready; empty if one is, or none is failing."""
    if ready_pods(pods):
        return ""
    failure = first_failure(pods, now) or unmade(deployment)
    return failure.reason if failure else ""


def unmade(deployment: Json | None) -> Failure | None:
    """Why pods are not even made: a quota, Pod Security, a LimitRange, an admission webhook."""
    for condition in conditions_of(deployment or {}):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            reason = str(condition.get("reason") or "ReplicaFailure")
            message = str(condition.get("message") or "")
            return Failure(pod="", container="", reason=reason, message=message)
    return None


def _newest_first(pods: Iterable[Json]) -> list[Json]:
    def made(pod: Json) -> tuple[str, str]:
        return str(meta(pod).get("creationTimestamp", "")), name_of(pod)

    return sorted(pods, key=made, reverse=True)


def first_failure(pods: Iterable[Json], now: str) -> Failure | None:
    """The failure of the newest failing pod: it runs what was asked for last."""
    failures = (failure_of(pod, now) for pod in _newest_first(pods))
    return next((failure for failure in failures if failure), None)


@dataclass(frozen=True, slots=True)
class Unready:
    """A pod that neither fails nor is ready."""

    pod: str
    does: str
    restarts: str = ""
    """How its container ended last, if it did."""
    starts: bool = False
    """Its startup probe has time left, and large models take it."""

    def __str__(self) -> str:
        return f"pod {self.pod} {self.does}" + (f"; {self.restarts}" if self.restarts else "")


def unready(pods: Iterable[Json]) -> Unready | None:
    """The newest one, or None."""
    for pod in _newest_first(pods):
        status = pod.get("status") or {}
        over = meta(pod).get("deletionTimestamp") or status.get("phase") == "Failed"
        if not over and not ready_pods([pod]):
            return _unready(name_of(pod), status)
    return None


def _unready(pod: str, status: Json) -> Unready:
    kinds = ("initContainerStatuses", "containerStatuses")
    containers = [one for kind in kinds for one in status.get(kind) or ()]
    one: Json = next((one for one in containers if not one.get("ready")), {})
    state, last = one.get("state") or {}, _exit_of({"lastState": one.get("lastState")})
    runs = "running" in state
    waits = (state.get("waiting") or {}).get("reason") or status.get("phase") or "Pending"
    restarts = f"container {one.get('name')} ended, restarts: {one.get('restartCount')}, {last}"
    return Unready(
        pod=pod,
        does="runs and is not ready" if runs else f"is not ready: {waits}",
        restarts=restarts if last else "",
        starts=runs and one.get("started") is False,
    )
