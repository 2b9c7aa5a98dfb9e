"""The operator as a pod of its chart, under its own ServiceAccount, on a real control plane."""

import base64
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from pointsman.api import table
from pointsman.operator.plan.revisions import revision_name
from tests.bench import Bench
from tests.e2e.fleet import RELEASE, ROUTERS, Fleet, install
from tests.operator.objects import backend, policy, route
from tests.operator.process import OperatorProcess
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = pytest.mark.bench
NAMESPACE = "operator-bench"
KINDS = ("modelbackends", "routingpolicies")


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and nothing in it."""
    fleet = install(bench, NAMESPACE)
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod) for pod in operator_pods(fleet))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said, "the Role does not allow what the operator does"


@pytest.fixture(autouse=True)
def _empty(fleet: Fleet) -> Iterator[None]:
    """Every test begins without models and policies, and all that was stored obeys the rules."""
    yield
    for item in every(fleet, *KINDS):
        generation = item["metadata"]["generation"]
        assert_well_formed(item.get("status", {}), generation=generation)
        assert unexplained(item["kind"], item.get("status", {})) == []
    clean(fleet)


def every(fleet: Fleet, *kinds: str, selector: str = "") -> list[dict[str, Any]]:
    return fleet.every(",".join(kinds), selector)


def owned(fleet: Fleet) -> list[dict[str, Any]]:
    return every(fleet, "deployments", "services", selector="pointsman.dev/backend") + every(
        fleet, "controllerrevisions", selector="pointsman.dev/policy"
    )


def operator_pods(fleet: Fleet) -> list[str]:
    return [pod["metadata"]["name"] for pod in fleet.pods("operator")]


def apply(fleet: Fleet, *objects: dict[str, Any]) -> None:
    """As a user would, without the fields that the API server fills."""
    for item in objects:
        bare = {**item, "metadata": {"name": item["metadata"]["name"]}}
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(bare))


def manifest(fleet: Fleet) -> table.Manifest:
    item = fleet.get("configmap", f"{RELEASE}-routing-table")
    return table.decode_manifest(base64.b64decode(item["binaryData"]["manifest"]))


def blob(fleet: Fleet, digest: str) -> table.PolicyBlob:
    item = fleet.get("configmap", f"{RELEASE}-table-{digest[:12]}")
    assert item["immutable"]
    packed = base64.b64decode(item["binaryData"]["blob"])
    return table.decode_blob(table.unpack(packed, digest))


def settles(fleet: Fleet, what: str, holds: Callable[[], object], seconds: float = 30) -> None:
    fleet.bench.wait_for(lambda: bool(holds()), seconds, what)


def is_(fleet: Fleet, name: str, kind: str, status: str, reason: str = "") -> bool:
    found = fleet.condition("routingpolicy", name, kind)
    generation = fleet.get("routingpolicy", name)["metadata"]["generation"]
    return (
        found.get("status") == status
        and found.get("observedGeneration") == generation
        and reason in {"", found.get("reason")}
    )


def ready(fleet: Fleet, name: str = "desk") -> Callable[[], bool]:
    return lambda: is_(fleet, name, "Ready", "True")


def test_the_support_desk_comes_up(fleet: Fleet) -> None:
    """Models, policy, table, and every router's word for it."""
    fleet.apply_example("02-support-desk")
    fleet.wait_ready("modelbackends", "routingpolicies")
    entry = manifest(fleet).policies[0]
    status = fleet.get("routingpolicy", "support-desk")["status"]

    assert status["activeRevision"] == entry.revision
    assert status["routers"]["summary"] == f"{ROUTERS}/{ROUTERS}"
    assert blob(fleet, entry.blob).revision == entry.revision
    assert fleet.get("controllerrevision", entry.revision)["data"]["modelNames"] == ["auto"]


def test_a_refused_edit_keeps_the_old_revision(fleet: Fleet) -> None:
    """And the manifest says the same as before."""
    apply(fleet, backend("a"), policy())
    settles(fleet, "Ready", ready(fleet))
    before = manifest(fleet)
    apply(fleet, policy(default=route("gone")))
    settles(fleet, "a refusal", lambda: is_(fleet, "desk", "Accepted", "False", "BackendNotFound"))

    assert manifest(fleet).policies == before.policies
    assert is_(fleet, "desk", "Programmed", "True")
    assert fleet.get("routingpolicy", "desk")["status"]["activeRevision"] == (
        before.policies[0].revision
    )


def test_a_policy_that_fails_its_tests_keeps_the_old_revision(fleet: Fleet) -> None:
    """An edit that its own tests refuse moves no traffic; one that they allow does."""
    tests = [{"name": "hi", "prompt": "Hello!", "expect": {"backend": "a"}}]
    good, bad = policy(), policy(default=route("b"))
    good["spec"]["tests"] = bad["spec"]["tests"] = tests
    apply(fleet, backend("a"), backend("b"), good)
    settles(fleet, "Ready", ready(fleet))
    assert is_(fleet, "desk", "TestsPassed", "True", "TestsPassed")
    before = manifest(fleet)
    apply(fleet, bad)
    settles(fleet, "a failing test", lambda: is_(fleet, "desk", "TestsPassed", "False"))

    assert is_(fleet, "desk", "Accepted", "False", "TestsFailed")
    message = fleet.condition("routingpolicy", "desk", "Accepted")["message"]
    assert "test hi: backend is b, not a" in message
    assert manifest(fleet).policies == before.policies
    apply(fleet, {**bad, "spec": {**bad["spec"], "tests": []}})
    settles(fleet, "the edit", lambda: manifest(fleet).policies != before.policies)


def test_a_backend_deleted_in_use_is_skipped(fleet: Fleet) -> None:
    """Accepted stays, ResolvedRefs names the field, the other target goes on."""
    apply(fleet, backend("a"), backend("b"), policy(default=route("a", "b")))
    settles(fleet, "Ready", ready(fleet))
    fleet.kubectl("delete", "modelbackend", "b")
    settles(fleet, "unresolved", lambda: is_(fleet, "desk", "ResolvedRefs", "False"))
    last = blob(fleet, manifest(fleet).policies[0].blob).routes[-1]

    assert is_(fleet, "desk", "Accepted", "True")
    assert [one.backend for one in last.targets] == ["a"]


def test_what_the_api_server_refuses_is_the_backends_condition(fleet: Fleet) -> None:
    """An override that merges and means nothing: said with the API server's words, and mended."""
    wrong = {"spec": {"dnsPolicy": "Sometimes"}}
    apply(fleet, backend("a", deployment={"engine": "Simulator", "podTemplate": wrong}))

    def told() -> bool:
        found = fleet.condition("modelbackend", "a", "Ready")
        return found.get("reason") == "Invalid" and "Sometimes" in found.get("message", "")

    settles(fleet, "the API server's words", told)
    right = {"metadata": {"annotations": {"team": "desk"}}, "spec": {"dnsPolicy": "ClusterFirst"}}
    apply(fleet, backend("a", deployment={"engine": "Simulator", "podTemplate": right}))
    fleet.wait_ready("modelbackends")
    template = fleet.get("deployment", "a-model")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"team": "desk"}


def test_a_disruption_budget_comes_and_goes_with_the_second_replica(fleet: Fleet) -> None:
    """Drained nodes take one replica at a time; with one there would be nothing to drain."""

    def budgets() -> list[dict[str, Any]]:
        return every(fleet, "poddisruptionbudgets", selector="pointsman.dev/backend=a")

    apply(fleet, backend("a", replicas=2))
    settles(fleet, "a budget", lambda: len(budgets()) == 1)
    fleet.wait_ready("modelbackends")
    settles(fleet, "a way to drain", lambda: budgets()[0]["status"]["disruptionsAllowed"] == 1)
    apply(fleet, backend("a", replicas=1))
    settles(fleet, "no budget", lambda: not budgets())


def test_a_server_that_cannot_start_says_why(fleet: Fleet) -> None:
    """Pod, container, word and exit code are in the status."""
    broken = {"engine": "Custom", "image": "x:1", "command": ["sh", "-c", "exit 7"]}
    apply(fleet, backend("a", deployment=broken))
    settles(
        fleet,
        "a crash loop",
        lambda: (
            fleet.get("modelbackend", "a").get("status", {}).get("lastFailure", {}).get("reason")
            == "CrashLoopBackOff"
        ),
        60,
    )
    failure = fleet.get("modelbackend", "a")["status"]["lastFailure"]

    assert failure["pod"].startswith("a-model-")
    assert failure["container"] == "model"
    assert "exit code 7" in failure["message"]


def test_what_is_touched_by_hand_comes_back(fleet: Fleet) -> None:
    """A deleted manifest, a deleted blob, an edited Deployment, a deleted Service; edits go on."""
    apply(fleet, backend("a"), policy())
    settles(fleet, "Ready", ready(fleet))
    entry = manifest(fleet).policies[0]
    name = f"{RELEASE}-table-{entry.blob[:12]}"
    fleet.kubectl("delete", "configmap", f"{RELEASE}-routing-table", name)
    fleet.kubectl("scale", "deployment", "a-model", "--replicas=3")
    fleet.kubectl("delete", "service", "a-model")

    settles(fleet, "the manifest", lambda: manifest(fleet).policies == (entry,))
    settles(fleet, "the blob", lambda: fleet.get("configmap", name))
    settles(fleet, "the scale", lambda: fleet.get("deployment", "a-model")["spec"]["replicas"] == 1)
    settles(fleet, "the Service", lambda: fleet.get("service", "a-model"))
    # Routers refuse what is older than what they run: the new manifest must not count from 1.
    for name in ("one", "two"):
        apply(fleet, policy(model_names=("auto", name)))
        settles(fleet, "Ready", ready(fleet))


def test_children_of_a_backend_that_moved_out_go(fleet: Fleet) -> None:
    """From deployment to service: Deployment and Service are not needed any more."""
    apply(fleet, backend("a"))
    settles(fleet, "the children", lambda: len(owned(fleet)) == 2)
    apply(fleet, {**backend("a"), "spec": {"model": "m", "service": {"name": "s", "port": 80}}})

    settles(fleet, "their end", lambda: not owned(fleet))
    settles(
        fleet,
        "ServiceNotFound",
        lambda: fleet.condition("modelbackend", "a", "Ready").get("reason") == "ServiceNotFound",
    )
    fleet.kubectl("create", "service", "clusterip", "s", "--tcp=80")
    settles(
        fleet,
        "NoEndpoints",
        lambda: fleet.condition("modelbackend", "a", "Ready").get("reason") == "NoEndpoints",
    )
    fleet.kubectl("delete", "service", "s")


def state(fleet: Fleet) -> dict[str, Any]:
    """
    Everything that the operator made, without what differs from run to run.

    Revisions in force only: edits that follow each other quickly may become one.
    """
    found: dict[str, Any] = {}
    in_force = {entry.revision for entry in manifest(fleet).policies}
    for item in owned(fleet):
        if item["kind"] == "ControllerRevision" and item["metadata"]["name"] not in in_force:
            continue
        spec = {**item.get("spec", {}), "clusterIP": None, "clusterIPs": None}
        found[f"{item['kind']}/{item['metadata']['name']}"] = [spec, item.get("data")]
    for item in every(fleet, *KINDS):
        status = json.loads(json.dumps(item["status"]))
        for condition in status["conditions"]:
            del condition["lastTransitionTime"], condition["observedGeneration"]
        del status["observedGeneration"]
        found[f"{item['kind']}/{item['metadata']['name']}"] = status
    found["table"] = [(e.name, e.revision, e.blob) for e in manifest(fleet).policies]
    return found


def story(fleet: Fleet) -> Iterator[None]:
    """A day's edits; yields where something may go wrong."""
    apply(fleet, backend("a"), backend("b"))
    yield
    apply(fleet, policy())
    yield
    apply(fleet, policy(default=route("b", chain=("a",))), policy("two", model_names=("x",)))
    yield
    apply(fleet, policy("two", model_names=("x",), default=route("b")), backend("c"))
    yield
    apply(fleet, policy(default=route("c", "b")))
    yield
    apply(fleet, {**backend("a"), "spec": {**backend("a")["spec"], "contextWindow": 4096}})


def finish(fleet: Fleet) -> dict[str, Any]:
    fleet.wait_ready(*KINDS)
    settles(fleet, "desk", ready(fleet), 60)
    settles(fleet, "two", ready(fleet, "two"), 60)
    fleet.kubectl("rollout", "status", "deployment", "a-model", "--timeout=120s")
    settles(
        fleet,
        "backends",
        lambda: all(
            one["status"]["observedGeneration"] == one["metadata"]["generation"]
            for one in every(fleet, "modelbackends")
        ),
    )
    fleet.wait_ready(*KINDS)
    return state(fleet)


@pytest.fixture
def no_pod(fleet: Fleet) -> Iterator[None]:
    """The release without its operator's pod: a child process takes its place."""
    name = f"{RELEASE}-operator"
    fleet.kubectl("scale", "deployment", name, "--replicas=0")
    settles(fleet, "the pod's end", lambda: not fleet.pods("operator"))
    yield
    fleet.kubectl("scale", "deployment", name, "--replicas=1")
    fleet.kubectl("rollout", "status", "deployment", name, "--timeout=120s")


def clean(fleet: Fleet) -> None:
    """Children by hand: the garbage collector looks for new kinds each 30 s only."""
    fleet.kubectl("delete", ",".join(KINDS), "--all", "--wait=true")
    fleet.kubectl("delete", "deployments,services", "--wait=false", "-l", "pointsman.dev/backend")
    fleet.kubectl("delete", "controllerrevisions", "--wait=false", "-l", "pointsman.dev/policy")
    settles(fleet, "an empty namespace", lambda: not owned(fleet))


@pytest.mark.extended
@pytest.mark.usefixtures("no_pod")
@pytest.mark.timeout(600)
def test_wherever_it_dies_it_ends_in_the_same_state(fleet: Fleet) -> None:
    """Lives of two, one, two and three writes in turn (each write: tests/faults/objects.py)."""
    with OperatorProcess(fleet):
        for _ in story(fleet):
            pass
        calm = finish(fleet)
        clean(fleet)
    lives = sum(die_until(fleet, lambda: at_rest(fleet)) for _ in story(fleet))
    lives += die_until(fleet, None)
    with OperatorProcess(fleet):
        after_each_write = finish(fleet)
    print(f"{lives} lives of one to three writes each")

    assert lives >= 15
    assert after_each_write == calm


def at_rest(fleet: Fleet) -> bool:
    """Everything is Ready, and said so of the present generation."""
    found = every(fleet, *KINDS)
    return all(
        {"Ready": "True"}.items()
        <= {c["type"]: c["status"] for c in item.get("status", {}).get("conditions", ())}.items()
        and item["status"]["observedGeneration"] == item["metadata"]["generation"]
        for item in found
    )


def die_until(fleet: Fleet, done: Callable[[], bool] | None) -> int:
    """
    Lives of an operator that dies after its first, second or third write, until `done`; without
    it, until one has nothing left to write for 4 s.
    """
    dying, lives = OperatorProcess(fleet, "tests.operator.dying"), fleet.bench.dir / "lives"
    lives.write_bytes(b"")
    count, since = 0, time.monotonic()
    dying.start(LIVES=str(lives))
    try:
        while lives.stat().st_size < 60:
            assert dying.lives_on(0.2), dying.log.read_text()[-3000:]
            if lives.stat().st_size > count:
                count, since = lives.stat().st_size, time.monotonic()
            if done() if done else time.monotonic() > since + 4:
                return lives.stat().st_size
    finally:
        dying.kill()
    raise AssertionError("it writes for ever: " + dying.log.read_text()[-3000:])


def test_an_edit_reaches_all_routers_quickly(
    fleet: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """From the API server's answer to the last ack of three routers; target p99 250 ms."""
    apply(fleet, backend("a"), backend("b"), policy())
    settles(fleet, "Ready", ready(fleet))
    address = fleet.bench.pod_ip(NAMESPACE, operator_pods(fleet)[0])
    took_ms = []
    for n in range(15):
        item = policy(default=route("a", "b"), model_names=("auto", f"n{n}"))
        apply(fleet, item)
        answered = time.time()
        wanted = revision_name("desk", item["spec"])
        settles(fleet, "acks", lambda wanted=wanted: _acked(address, wanted))  # type: ignore[misc]
        took_ms.append(1000 * (max(_times(address)) - answered))
    took_ms.sort()
    figures = {"median_ms": round(statistics.median(took_ms)), "max_ms": round(took_ms[-1])}
    record_property("propagation", figures)
    print(figures)

    assert figures["median_ms"] <= 250


def _debug(address: str) -> dict[str, Any]:
    with urlopen(f"http://{address}:9902/debug/programmed", timeout=5) as answer:
        value: dict[str, Any] = json.load(answer)["desk"]
    return value


def _times(address: str) -> list[float]:
    return [at for at in _debug(address)["routers"].values() if at]


def _acked(address: str, revision: str) -> bool:
    return _debug(address)["revision"] == revision and len(_times(address)) == ROUTERS


def test_a_frozen_leader_is_replaced_and_writes_no_more(fleet: Fleet) -> None:
    """SIGSTOP past the Lease, then SIGCONT: the standby leads, the old one has exited."""
    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=2")
    fleet.kubectl("rollout", "status", "deployment", f"{RELEASE}-operator", "--timeout=120s")
    lease = f"{RELEASE}-operator"
    leader = fleet.get("lease", lease)["spec"]["holderIdentity"]
    epoch = manifest(fleet).epoch
    frozen = fleet.bench.pid(NAMESPACE, leader)
    fleet.bench.kill(NAMESPACE, leader, sig=19)
    begun = time.monotonic()
    settles(
        fleet,
        "a new leader",
        lambda: fleet.get("lease", lease)["spec"]["holderIdentity"] != leader,
        25,
    )
    took_s = time.monotonic() - begun
    fleet.bench.kill(NAMESPACE, leader, sig=18)
    settles(fleet, "the old one's end", lambda: fleet.bench.pid(NAMESPACE, leader) != frozen, 20)
    apply(fleet, backend("a"), policy())
    settles(fleet, "Ready", ready(fleet), 40)
    print(f"takeover after {took_s:.1f} s")

    assert took_s <= 20
    assert manifest(fleet).epoch > epoch
    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=1")


def test_the_garbage_collector_takes_all_that_was_made(fleet: Fleet) -> None:
    """Everything has an owner; last, since the collector looks for new kinds each 30 s only."""
    apply(fleet, backend("a"), policy())
    settles(fleet, "Ready", ready(fleet))
    assert owned(fleet)
    fleet.kubectl("delete", ",".join(KINDS), "--all", "--wait=true")

    settles(fleet, "the garbage collector", lambda: not owned(fleet), 60)
