"""Scaling on a real control plane: load through real routers, pods of the process kubelet."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.request import urlopen

import pytest

from pointsman.operator.plan.events import CONTROLLER
from tests.bench import Bench, CommandFailed
from tests.e2e.fleet import RELEASE, Fleet, install
from tests.e2e.traffic import Seen, traffic
from tests.operator.objects import backend, policy
from tests.operator.process import HEALTH_PORT, OperatorProcess
from tests.support.conditions import broken_rules, unexplained

pytestmark = pytest.mark.bench
NAMESPACE = "scaling-bench"
LONG = 200
"""Tokens of an answer that keeps a replica busy for some seconds."""
SCALING: dict[str, Any] = {
    "maxReplicas": 3,
    "targetRequests": 4,
    "scaleDownDelaySeconds": 5,
}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and nothing in it."""
    fleet = install(bench, NAMESPACE)
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


def _is_well_formed(fleet: Fleet, kind: str, name: str) -> bool:
    """An HPA may have changed the object a moment ago."""
    item = fleet.get(kind, name)
    return not broken_rules(item.get("status", {}), generation=item["metadata"]["generation"])


@pytest.fixture(autouse=True)
def _empty(fleet: Fleet) -> Iterator[None]:
    yield
    kinds = "modelbackends,routingpolicies"
    for item in fleet.every(kinds):
        kind, name = item["kind"].lower(), item["metadata"]["name"]
        settles(fleet, f"{kind} {name}", partial(_is_well_formed, fleet, kind, name))
        assert unexplained(item["kind"], item.get("status", {})) == []
    fleet.kubectl("delete", "hpa", "--all")
    fleet.kubectl("delete", kinds, "--all", "--wait=true")
    fleet.kubectl("delete", "deployments,services,pdb", "-l", "pointsman.dev/backend")


def apply(fleet: Fleet, *objects: dict[str, Any]) -> None:
    for item in objects:
        bare = {**item, "metadata": {"name": item["metadata"]["name"]}}
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(bare))


def settles(fleet: Fleet, what: str, holds: Callable[[], object], seconds: float = 60) -> None:
    try:
        fleet.bench.wait_for(lambda: bool(holds()), seconds, what)
    except BaseException as error:
        status = fleet.get("modelbackend", "a").get("status")
        raise AssertionError(f"{what}: {json.dumps(status, indent=1)}\n{fleet.story()}") from error


def replicas(fleet: Fleet) -> int:
    found: int = fleet.get("deployment", "a-model")["spec"]["replicas"]
    return found


def status(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = fleet.get("modelbackend", "a").get("status", {})
    return found


@asynccontextmanager
async def load(fleet: Fleet, clients: int) -> AsyncIterator[Seen]:
    """So many requests at once, each as long as the simulator takes for LONG tokens."""
    routers = fleet.routers()
    async with traffic(routers, clients=clients, pause_s=0.01, tokens=LONG, apart_s=0.15) as seen:
        yield seen


def metrics_of(address: str) -> str:
    with urlopen(f"http://{address}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


async def writes(fleet: Fleet, seconds: float) -> dict[str, float]:
    """Versions of the backend that appear in so long, looked for each second, and when."""
    clock = asyncio.get_running_loop().time
    began_s, found = clock(), dict[str, float]()
    while clock() - began_s < seconds:
        item = await asyncio.to_thread(fleet.get, "modelbackend", "a")
        found.setdefault(item["metadata"]["resourceVersion"], round(clock() - began_s, 1))
        await asyncio.sleep(1)
    return dict(list(found.items())[1:])  # the first was there before


def events_of(fleet: Fleet) -> list[dict[str, Any]]:
    """The operator's own."""
    found = fleet.every("events.events.k8s.io")
    return [one for one in found if one["reportingController"] == CONTROLLER]


@pytest.mark.timeout(600)
async def test_replicas_follow_the_load_up_and_down(fleet: Fleet) -> None:
    """1 -> 3 -> 1 without a failed request; status, events and metrics say why."""
    apply(fleet, backend("a", scaling=SCALING), policy())
    fleet.wait_ready("modelbackends", "routingpolicies")
    assert replicas(fleet) == 1
    generation = fleet.get("modelbackend", "a")["metadata"]["generation"]
    async with load(fleet, 16) as seen:
        await asyncio.to_thread(settles, fleet, "three", lambda: replicas(fleet) == 3)
        await asyncio.to_thread(
            settles, fleet, "three ready", lambda: status(fleet).get("readyReplicas") == 3
        )
        await asyncio.to_thread(
            settles, fleet, "the queue", lambda: status(fleet).get("queueDepth", 0) >= 5
        )
        pod = fleet.pods("operator")[0]["status"]["podIP"]
        told = ""

        def says_the_queue() -> bool:
            """Not in a moment in which some server has not told its own count."""
            nonlocal told
            told = metrics_of(f"{pod}:9902")
            return 'pointsman_operator_queue_depth{backend="a"}' in told

        await asyncio.to_thread(settles, fleet, "the queue's metric", says_the_queue)
        written = await writes(fleet, 75)
        up = status(fleet)
    await asyncio.to_thread(settles, fleet, "one", lambda: replicas(fleet) == 1, 240)
    await asyncio.to_thread(  # status and Event follow the Deployment
        settles, fleet, "one told", lambda: status(fleet)["lastScale"]["desired"] == 1
    )
    down = status(fleet)
    await asyncio.to_thread(
        settles, fleet, "all events",
        lambda: len(events_of(fleet)) >= len(down["scalingHistory"]),
    )  # fmt: skip

    assert seen.failures == []
    assert sum(seen.answered.values()) > 20
    assert 1 <= len(written) <= 5, f"its memory each minute, and at most 4 a minute: {written}"
    assert up["lastScale"]["desired"] == 3
    assert up["lastScale"]["observed"] >= 1, "of a load that rises it may be little yet"
    assert up["lastScale"]["reason"] in {"LoadRose", "Backlog", "Panic"}, up["lastScale"]
    assert "expected at once, 4 a replica: " in up["lastScale"]["message"]
    assert 'pointsman_operator_desired_replicas{backend="a"} 3.0' in told
    assert down["lastScale"]["desired"] == 1
    assert down["coldStartSeconds"] >= 1
    ours = events_of(fleet)
    log = fleet.bench.log(NAMESPACE, fleet.pods("operator")[0]["metadata"]["name"])
    assert {one["regarding"]["name"] for one in ours} == {"a"}, log
    assert len(ours) == len(down["scalingHistory"])
    assert "spec" in fleet.get("modelbackend", "a")
    assert fleet.get("modelbackend", "a")["metadata"]["generation"] == generation


def _active(fleet: Fleet) -> str:
    return str(fleet.condition("modelbackend", "a", "ScalingActive").get("reason", ""))


def _versions(fleet: Fleet) -> list[str]:
    found = (fleet.get("modelbackend", "a"), fleet.get("deployment", "a-model"))
    return [one["metadata"]["resourceVersion"] for one in found]


@pytest.fixture
def no_pod(fleet: Fleet) -> Iterator[None]:
    """The release without its operator's pod: a child process takes its place."""
    name = f"{RELEASE}-operator"
    fleet.kubectl("scale", "deployment", name, "--replicas=0")
    fleet.bench.wait_for(lambda: not fleet.pods("operator"), 30, "the pod's end")
    yield
    fleet.kubectl("scale", "deployment", name, "--replicas=1")
    fleet.kubectl("rollout", "status", "deployment", name, "--timeout=120s")


@pytest.mark.usefixtures("no_pod")
@pytest.mark.timeout(600)
def test_a_settled_backend_is_not_written(fleet: Fleet) -> None:
    """Neither it nor its Deployment, in ten reconciles and as many decisions."""
    with OperatorProcess(fleet) as operator:
        operator.kill()
        operator.start(POINTSMAN_RESYNC_SECONDS="2")
        apply(fleet, backend("a", scaling=SCALING), policy())
        fleet.wait_ready("modelbackends", "routingpolicies")
        settles(fleet, "ScalingActive", lambda: _active(fleet) == "FollowsLoad")
        settles(fleet, "a memory", lambda: status(fleet).get("scalingMemory"))
        before, versions = _reconciles(), _versions(fleet)
        settles(fleet, "ten reconciles", lambda: _reconciles() >= before + 10, 120)

        assert _versions(fleet) == versions


def _reconciles() -> float:
    """Of backends, by the operator that is a child process."""
    head = 'pointsman_operator_reconciles_total{controller="backend",outcome="Done"} '
    lines = metrics_of(f"127.0.0.1:{HEALTH_PORT}").splitlines()
    return next((float(one.removeprefix(head)) for one in lines if one.startswith(head)), 0.0)


@pytest.mark.usefixtures("no_pod")
@pytest.mark.timeout(600)
async def test_an_operator_that_is_killed_at_scale_takes_nothing_away(fleet: Fleet) -> None:
    """SIGKILL at three replicas, load gone meanwhile: the next life holds for its first minute."""
    with OperatorProcess(fleet) as operator:
        apply(fleet, backend("a", scaling=SCALING), policy())
        fleet.wait_ready("modelbackends", "routingpolicies")
        async with load(fleet, 16):
            await asyncio.to_thread(settles, fleet, "three", lambda: replicas(fleet) == 3)
            await asyncio.to_thread(
                settles, fleet, "its record", lambda: status(fleet)["lastScale"]["desired"] == 3
            )
            for _ in range(3):
                operator.kill()
                await asyncio.to_thread(operator.start)
                assert await asyncio.to_thread(operator.lives_on, 5)
                assert replicas(fleet) == 3
            operator.kill()
        operator.start()
        began = time.monotonic()
        await asyncio.to_thread(settles, fleet, "a fall", lambda: replicas(fleet) < 3, 240)
        held_s = time.monotonic() - began
        text = await asyncio.to_thread(metrics_of, f"127.0.0.1:{HEALTH_PORT}")

    assert held_s >= 50, "it fell before a stable window had passed in the new life"
    assert "pointsman_operator_scalings_total" in text


def hpa(name: str, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "pointsman.dev/v1alpha1", "kind": "ModelBackend", "name": "a"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "maxReplicas": 4, **spec},
    }


def said_by_hpa(fleet: Fleet) -> str:
    """The message of its AbleToScale."""
    conditions = fleet.get("hpa", "h").get("status", {}).get("conditions") or ()
    return next((c["message"] for c in conditions if c["type"] == "AbleToScale"), "")


def test_in_mode_external_a_real_hpa_scales(fleet: Fleet) -> None:
    """Through the scale subresource: up by its minimum, down by its maximum; kubectl does, too."""
    apply(fleet, backend("a", replicas=1, scaling={"mode": "External"}), policy())
    fleet.wait_ready("modelbackends")
    apply(fleet, hpa("h", minReplicas=2))
    settles(fleet, "two", lambda: replicas(fleet) == 2)
    assert fleet.get("modelbackend", "a")["spec"]["replicas"] == 2
    settles(fleet, "two ready", lambda: status(fleet).get("readyReplicas") == 2)
    settles(fleet, "its count", lambda: fleet.get("hpa", "h")["status"]["currentReplicas"] == 2)
    apply(fleet, hpa("h", minReplicas=1, maxReplicas=1))
    settles(fleet, "one", lambda: replicas(fleet) == 1)
    fleet.kubectl("delete", "hpa", "h")
    fleet.kubectl("scale", "mb/a", "--replicas=3")
    settles(fleet, "three", lambda: replicas(fleet) == 3)
    assert "lastScale" not in status(fleet)


def test_in_mode_queue_depth_an_hpa_is_told_no(fleet: Fleet) -> None:
    """It finds no count to begin with, and says so; a write through kubectl says what is wrong."""
    apply(fleet, backend("a", scaling={**SCALING, "minReplicas": 2}), policy())
    fleet.wait_ready("modelbackends")
    assert replicas(fleet) == 2
    with pytest.raises(CommandFailed, match="which counts them itself"):
        fleet.kubectl("scale", "mb/a", "--replicas=3")
    apply(fleet, hpa("h", minReplicas=4))
    settles(fleet, "its word", lambda: ".spec.replicas" in said_by_hpa(fleet))

    assert "replicas" not in fleet.get("modelbackend", "a")["spec"]
    assert replicas(fleet) == 2
