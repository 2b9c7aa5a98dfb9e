"""What status says of a model server that does not come up: which pod, why, and until when."""

from typing import Any

import pytest

from pointsman.operator.plan.failures import why_none_starts
from tests.operator.objects import NOW, backend
from tests.operator.scaled import World
from tests.operator.test_status import SERVICE, deployment, rolled_out, scale, status_of, word

QUOTA = 'pods "a-model-x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1'
DENIED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


def of(*pods: dict[str, Any], conditions: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The status of a backend whose one replica does not answer."""
    live = deployment(observedGeneration=1, replicas=1, updatedReplicas=1)
    live["status"]["conditions"] = list(conditions)
    return status_of(backend(), deployment=live, service=SERVICE, pods=pods)


def pod(
    name: str = "a-model-x", *, created: str = "2026-01-02T03:00:00Z", **status: Any
) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": created}, "status": status}


def running(*, started: bool, **more: Any) -> dict[str, Any]:
    """A pod whose container runs and is not ready."""
    container = {"name": "model", "state": {"running": {}}, "started": started, **more}
    return pod(phase="Running", containerStatuses=[container])


def message(status: dict[str, Any], kind: str = "Ready") -> str:
    return str(next(c["message"] for c in status["conditions"] if c["type"] == kind))


def test_pods_that_may_not_be_made_are_told() -> None:
    """A quota, Pod Security, a webhook: no pod is there to say it, and it may pass."""
    live = deployment(observedGeneration=1)
    live["status"]["conditions"] = [DENIED]
    status = status_of(backend(), deployment=live, service=SERVICE)

    assert word(status, "Ready") == ("False", "PodFailing")
    assert message(status) == f"no pod can be made: FailedCreate: {QUOTA}"
    assert status["lastFailure"] == {"reason": "FailedCreate", "message": QUOTA}
    assert word(status, "Reconciling")[0] == "True"

    live["status"]["conditions"] = [DENIED, LATE]
    status = status_of(backend(), deployment=live, service=SERVICE)
    assert word(status, "Stalled") == ("True", "PodFailing")

    live["status"] = {"observedGeneration": 1, **rolled_out(1)}
    assert word(status_of(backend(), deployment=live, service=SERVICE), "Ready")[0] == "True"


def test_a_volume_that_is_not_made_in_time_is_told() -> None:
    """A claim that waits for its first consumer is the scheduler's to bind: an error of its own."""
    why = "binding volumes: context deadline exceeded"
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulerError"}
    status = of(pod(conditions=[{**condition, "message": why}]))

    assert status["lastFailure"]["reason"] == "SchedulerError"
    assert why in message(status)
    assert word(status, "Reconciling")[0] == "True"
    gated = {**condition, "reason": "SchedulingGated"}  # by who queues pods, for a moment
    assert "lastFailure" not in of(pod(conditions=[gated]))


def test_a_container_is_told_by_how_it_ended_last() -> None:
    """Not by how it ended before."""
    before = {"terminated": {"exitCode": 1, "reason": "Error"}}
    container = {"name": "model", "state": ENDED, "lastState": before}

    assert of(pod(containerStatuses=[container]))["lastFailure"] == {
        "pod": "a-model-x",
        "container": "model",
        "reason": "OOMKilled",
        "message": "exit code 137 (OOMKilled)",
    }


def test_a_pod_that_was_evicted_says_so() -> None:
    """Not what its containers then did."""
    ended = {"name": "model", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    evicted = pod(
        phase="Failed",
        reason="Evicted",
        message="low on memory",
        containerStatuses=[ended],
        created=NOW,
    )

    assert message(of(evicted)) == "pod a-model-x: Evicted: low on memory"


def test_a_pod_that_was_evicted_long_ago_explains_nothing() -> None:
    """Nobody removes it: requests would never wait for a server again."""
    old = pod(phase="Failed", reason="Evicted", created="2026-01-01T00:00:00Z")
    comes = pod("a-model-y", phase="Pending", created=NOW)

    assert why_none_starts(None, [old, comes], NOW) == ""
    assert why_none_starts(None, [{**old, "metadata": comes["metadata"]}], NOW) == "Evicted"
    few = {**rolled_out(1), "replicas": 2, "updatedReplicas": 2}
    live = deployment(desired=2, observedGeneration=1, **few)
    status = status_of(
        backend(),
        deployment=live,
        service=SERVICE,
        pods=[old],
        scaling=scale(least=1, pods_since=1),
    )
    assert word(status, "Ready") == ("True", "Ready"), "as many as minReplicas do"


async def test_a_first_request_waits_in_spite_of_an_old_eviction() -> None:
    """From zero replicas: it would end at once with a reason of last week."""
    world = World(minReplicas=0)
    await world.reconcile()
    await world.pass_time(1200, load=0)
    assert world.replicas == 0
    labels = {"pointsman.dev/backend": "a"}
    about = {"name": "old", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"}
    world.api.put({"kind": "Pod", "metadata": about, "status": {"phase": "Failed"}})
    await world.pass_time(2, load=1)

    assert world.replicas == 1
    assert world.orders._meant == {}


def test_a_server_that_was_killed_and_loads_again_says_why() -> None:
    """For most of a crash loop of large models the container runs."""
    status = of(running(started=False, restartCount=3, lastState=ENDED))

    assert word(status, "Ready") == ("False", "MinimumReplicasUnavailable")
    assert message(status) == (
        "0 of 1 replicas available; pod a-model-x runs and is not ready; "
        "container model ended, restarts: 3, exit code 137 (OOMKilled)"
    )


@pytest.mark.parametrize(
    ("late", "does"),
    [
        (running(started=True), "runs and is not ready"),
        (
            pod(
                phase="Pending", containerStatuses=[{"state": {"waiting": {"reason": "Creating"}}}]
            ),
            "is not ready: Creating",
        ),
        (pod(phase="Pending"), "is not ready: Pending"),
    ],
)
def test_what_never_becomes_ready_is_named(late: dict[str, Any], does: str) -> None:
    """When it is late; until then a status for each step of a start would be written for nobody."""
    assert message(of(late)) == "0 of 1 replicas available"

    status = of(late, conditions=(LATE,))
    assert message(status) == f"0 of 1 replicas available; pod a-model-x {does}"
    assert word(status, "Stalled")[0] == "True"


def test_a_model_that_loads_for_long_needs_nobody() -> None:
    """A Deployment gives up on it after 10 minutes, its startup probe after an hour."""
    status = of(running(started=False), conditions=(LATE,))

    assert word(status, "Reconciling")[0] == "True"
    assert message(status) == "0 of 1 replicas available"
