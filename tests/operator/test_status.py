"""What status says, and that it never lies."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.api.v1alpha1.status import ModelBackendStatus, RoutingPolicyStatus
from pointsman.api.validation import parse
from pointsman.operator.plan.backend_status import (
    Surroundings,
    address_problem,
    backend_status,
    becomes_reachable,
)
from pointsman.operator.plan.objects import observed_backend
from pointsman.operator.plan.policy_status import RouterView, policy_status, premature
from pointsman.operator.plan.scaling_status import ScalingStatus
from tests.operator.objects import NAMESPACE, NOW, accepted, backend, compiled, policy, route
from tests.support.conditions import assert_well_formed, unexplained

OWNER = {"kind": "ModelBackend", "uid": "uid-a", "controller": True}
META = {"name": "a-model", "generation": 1, "ownerReferences": [OWNER]}
SERVICE = {"metadata": META, "spec": {"ports": [{"name": "http", "port": 8000}]}}


def deployment(*, desired: int = 1, **status: int) -> dict[str, Any]:
    return {"metadata": META, "spec": {"replicas": desired}, "status": status}


def rolled_out(count: int) -> dict[str, int]:
    return dict.fromkeys(
        ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count
    )


def status_of(
    item: Mapping[str, Any],
    *,
    allow_loopback: bool = False,
    unreached: str = "",
    scaling: ScalingStatus | None = None,
    stored: Mapping[str, Any] | None = None,
    **around: Any,
) -> dict[str, Any]:
    """The status, already checked against the rules and the CRD's schema."""
    status = backend_status(
        observed_backend(item),
        Surroundings(**around),
        namespace=NAMESPACE,
        stored=stored or {},
        now=NOW,
        allow_loopback=allow_loopback,
        unreached=unreached,
        scaling=scaling,
    )
    assert_well_formed(status, generation=item["metadata"]["generation"])
    assert unexplained("ModelBackend", status) == []
    parse(ModelBackendStatus, status)
    return status


def word(status: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """(status, reason) of one condition."""
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "metadata": {"name": "a-model-x"},
        "status": {"containerStatuses": [{"name": "model", "state": state, **more}]},
    }


def test_a_deployed_backend_is_ready_when_all_replicas_answer() -> None:
    """Endpoint, counts and the scale subresource's selector are there."""
    live = deployment(desired=2, observedGeneration=1, **rolled_out(2))
    status = status_of(backend(replicas=2), deployment=live, service=SERVICE)

    assert word(status, "Ready") == ("True", "Ready")
    assert word(status, "Progressing") == ("False", "RolloutComplete")
    assert status["endpoint"] == "a-model.ai.svc:8000"
    assert status["selector"] == "pointsman.dev/backend=a"
    assert status["readyReplicas"] == 2


def test_one_of_two_is_available_and_not_ready() -> None:
    """It answers, and it is not what was asked for."""
    live = deployment(
        desired=2, observedGeneration=1, replicas=2, updatedReplicas=2, availableReplicas=1
    )
    status = status_of(backend(replicas=2), deployment=live, service=SERVICE)

    assert word(status, "Available") == ("True", "MinimumReplicasAvailable")
    assert word(status, "Ready") == ("False", "MinimumReplicasUnavailable")
    assert word(status, "Reconciling")[0] == "True"


def test_an_unobserved_spec_is_never_ready() -> None:
    """The Deployment controller has not looked yet: its counts are yesterday's."""
    live = deployment(observedGeneration=0, **rolled_out(1))

    assert word(status_of(backend(), deployment=live, service=SERVICE), "Ready")[0] == "False"


def test_zero_replicas_on_request_are_ready_and_not_available() -> None:
    """As asked, and nobody answers."""
    live = deployment(desired=0, observedGeneration=1)
    status = status_of(backend(replicas=0), deployment=live, service=SERVICE)

    assert word(status, "Ready") == ("True", "ScaledToZero")
    assert word(status, "Available") == ("False", "ScaledToZero")


def test_an_image_that_does_not_come_is_named() -> None:
    """Pod, container, Kubernetes' own word; a person is needed."""
    status = status_of(
        backend(),
        deployment=deployment(observedGeneration=1, replicas=1, updatedReplicas=1),
        service=SERVICE,
        pods=[waiting("ImagePullBackOff", "not found")],
    )

    assert word(status, "Ready") == ("False", "PodFailing")
    assert word(status, "Stalled") == ("True", "PodFailing")
    assert status["lastFailure"] == {
        "pod": "a-model-x",
        "container": "model",
        "reason": "ImagePullBackOff",
        "message": "not found",
    }


@pytest.mark.parametrize(
    ("generation", "desired", "kept"), [(1, 0, True), (0, 0, False), (1, 1, False)]
)
def test_at_zero_it_is_known_why_the_last_one_did_not_start(
    generation: int, desired: int, kept: bool
) -> None:
    """Its pod is gone with the request that it was for; the next one, or an edit, says it anew."""
    failure = {"pod": "a-model-x", "reason": "ImagePullBackOff", "message": "not found"}
    status = status_of(
        backend(replicas=desired),
        deployment=deployment(desired=desired, observedGeneration=1),
        service=SERVICE,
        stored={"observedGeneration": generation, "lastFailure": failure},
    )

    assert status.get("lastFailure") == (failure if kept else None)


def test_a_crash_loop_says_the_exit_code() -> None:
    """`back-off 5m0s restarting failed container` helps nobody."""
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pod = waiting("CrashLoopBackOff", "back-off 5m0s", lastState=ended)
    status = status_of(
        backend(), deployment=deployment(observedGeneration=1), service=SERVICE, pods=[pod]
    )

    assert status["lastFailure"]["message"] == "exit code 137 (OOMKilled)"


def test_a_pod_without_a_node_is_waited_for() -> None:
    """A node may come: Reconciling, with the scheduler's own words."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes: Insufficient nvidia.com/gpu",
    }
    pod = {"metadata": {"name": "p"}, "status": {"conditions": [condition]}}
    status = status_of(
        backend(), deployment=deployment(observedGeneration=1), service=SERVICE, pods=[pod]
    )

    assert status["lastFailure"]["reason"] == "Unschedulable"
    assert word(status, "Reconciling") == ("True", "PodFailing")


def test_a_foreign_deployment_is_a_conflict() -> None:
    """It is not taken over."""
    foreign = {"metadata": {"name": "a-model"}}

    assert word(status_of(backend(), deployment=foreign), "Ready") == ("False", "NameConflict")


SLICE = {
    "ports": [{"name": "", "port": 9000}],
    "endpoints": [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
    ],
}


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        ({}, "ServiceNotFound"),
        ({"service": {"spec": {"ports": [{"port": 1}]}}}, "NoEndpoints"),
        ({"service": {"spec": {"ports": [{"port": 80}]}}}, "NoEndpoints"),
        (
            {"service": {"spec": {"ports": [{"port": 80}]}}, "slices": [SLICE]},
            "EndpointsAvailable",
        ),
    ],
)
def test_a_service_is_as_ready_as_its_endpoints(around: dict[str, Any], reason: str) -> None:
    """Not found, no such port, nobody ready, somebody ready."""
    status = status_of(backend(service={"name": "s", "port": 80}), **around)

    assert word(status, "Ready") == (str(reason == "EndpointsAvailable"), reason)


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://api.example.com/v1", False),
        ("https://10.1.2.3/v1", False),
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost/v1", True),
        ("https://[::1]/v1", True),
        ("https://[::ffff:127.0.0.1]/v1", True),
        ("https://169.254.169.254/v1", True),
        ("https://[fd00:ec2::254]/v1", True),
        ("https://metadata.google.internal/v1", True),
        ("https://0.0.0.0/v1", True),
    ],
)
def test_no_call_to_the_node_or_its_metadata(url: str, refused: bool) -> None:
    """Server-side request forgery begins with an address."""
    assert (address_problem(url, allow_loopback=False) is not None) == refused


def test_local_mode_may_call_loopback_and_nothing_else_more() -> None:
    """The metadata address stays closed."""
    assert address_problem("http://127.0.0.1:1/v1", allow_loopback=True) is None
    assert address_problem("https://169.254.169.254/v1", allow_loopback=True)


def test_an_external_backend_says_where_requests_go() -> None:
    """Host only: a URL may hold what is nobody's business."""
    status = status_of(backend(external={"url": "https://api.example.com/v1"}))

    assert word(status, "Ready") == ("True", "External")
    assert status["endpoint"] == "api.example.com"


def test_an_invalid_backend_says_which_field() -> None:
    """And needs a person."""
    status = status_of(backend(contextWindow="many"))

    assert word(status, "Stalled") == ("True", "Invalid")
    assert status["conditions"][0]["message"].startswith("spec.contextWindow: ")


PLAN = compiled(policy())
ENTRY = PLAN.entries[0]
GOOD = table.Ack(policy="desk", revision=ENTRY.revision, blob=ENTRY.blob)
OLD = table.Ack(policy="desk", revision="desk-0", blob="00")
REFUSED = table.Ack(
    policy="desk", revision="desk-0", blob="00", error="route x", refused_blob=ENTRY.blob
)


def router(pod: str, ack: table.Ack | None = GOOD, *, silent: bool = False) -> RouterView:
    return RouterView(pod=pod, silent=silent, acks={"desk": ack} if ack else {})


def policy_status_of(*routers: RouterView, plan: Any = PLAN) -> dict[str, Any]:
    status = policy_status(plan.verdicts["desk"], routers, stored={}, now=NOW)
    assert_well_formed(status, generation=1)
    assert unexplained("RoutingPolicy", status) == []
    parse(RoutingPolicyStatus, status)
    return status


@pytest.mark.parametrize(
    ("routers", "reason", "summary"),
    [
        ((), "NoRouters", "0/0"),
        ((router("r1"), router("r2")), "Programmed", "2/2"),
        ((router("r1"), router("r2", None)), "AwaitingRouters", "1/2"),
        ((router("r1"), router("r2", OLD)), "AwaitingRouters", "1/2"),
        ((router("r1"), router("r2", GOOD, silent=True)), "AwaitingRouters", "1/2"),
        ((router("r1"), router("r2", REFUSED)), "RouterRefused", "1/2"),
    ],
)
def test_programmed_is_what_routers_acknowledged(
    routers: tuple[RouterView, ...], reason: str, summary: str
) -> None:
    """Every router that is there, the wanted blob, by its own word and lately."""
    status = policy_status_of(*routers)

    assert word(status, "Programmed") == (str(reason == "Programmed"), reason)
    assert word(status, "Ready")[0] == str(reason == "Programmed")
    assert status["routers"]["summary"] == summary


def test_a_key_that_a_router_lacks_has_a_word_of_its_own() -> None:
    """The policy runs, and a part of it answers nobody."""
    keyless = table.Ack("desk", ENTRY.revision, ENTRY.blob, error='Secret "k" not found')
    status = policy_status_of(router("r1"), router("r2", keyless))

    assert word(status, "Programmed") == ("True", "KeyMissing")
    assert word(status, "Ready")[0] == "True"
    assert 'r2: Secret "k" not found' in status["conditions"][0]["message"]


def test_a_restarted_operator_takes_nothing_back() -> None:
    """Before the routers have answered it says nothing new, unless there is something new."""
    fresh = RouterView(pod="r1", silent=True, pending=True)
    stored = policy_status_of(router("r1"))
    verdict = PLAN.verdicts["desk"]

    assert premature(verdict, [fresh], stored=stored)
    assert not premature(verdict, [router("r1")], stored=stored)
    assert not premature(verdict, [fresh], stored={})
    assert not premature(verdict, [fresh], stored={**stored, "activeRevision": "desk-0"})
    assert not premature(verdict, [fresh], stored={**stored, "observedGeneration": 0})


def test_a_new_router_hides_no_other_news() -> None:
    """A backend that went, or a router that lags, is told while another has yet to answer."""
    item = policy()
    calm = compiled(item, last=accepted(item)).verdicts["desk"]
    lost = compiled(item, known={}, last=accepted(item)).verdicts["desk"]
    assert calm.entry
    assert lost.entry
    ack = table.Ack("desk", calm.entry.revision, calm.entry.blob)
    good = RouterView(pod="r1", acks={"desk": ack})
    lags = RouterView(pod="r1", acks={"desk": table.Ack("desk", "desk-0", "00")})
    stored = policy_status(calm, [good], stored={}, now=NOW)
    fresh = RouterView(pod="r2", pending=True)

    assert premature(calm, [good, fresh], stored=stored)
    assert not premature(lost, [good, fresh], stored=stored)
    assert not premature(calm, [lags, fresh], stored=stored)


def test_a_new_leader_takes_nothing_back() -> None:
    """A router that runs what is wanted has yet to see the new epoch; one that does not, lags."""
    same = RouterView(pod="r1", acks={"desk": GOOD}, position=(3, 7))
    behind = RouterView(pod="r1", acks={"desk": OLD}, position=(3, 7))
    stored, verdict = policy_status_of(router("r1")), PLAN.verdicts["desk"]

    assert premature(verdict, [same], stored=stored, since=(4, 7))
    assert not premature(verdict, [same], stored=stored, since=(3, 7))
    assert not premature(verdict, [behind], stored=stored, since=(4, 7))


def test_a_refusal_says_who_and_why() -> None:
    """The first of at most 16 laggards."""
    status = policy_status_of(*(router(f"r{i:02}", OLD) for i in range(20)), router("z", REFUSED))

    assert len(status["routers"]["laggards"]) == 16
    assert status["routers"]["laggards"][0] == {
        "pod": "z",
        "revision": "desk-0",
        "error": "route x",
    }


def test_an_ack_of_an_earlier_manifest_does_not_count() -> None:
    """The same blob, taken out and put in again: only what was said since then is true."""
    early = RouterView(pod="r1", acks={"desk": GOOD}, position=(3, 6))
    late = RouterView(pod="r2", acks={"desk": GOOD}, position=(3, 7))
    status = policy_status(PLAN.verdicts["desk"], (early, late), stored={}, now=NOW, since=(3, 7))

    assert word(status, "Programmed") == ("False", "AwaitingRouters")
    assert status["routers"]["laggards"] == [{"pod": "r1"}]


def test_a_refused_spec_is_not_ready_while_the_old_one_runs() -> None:
    """Programmed speaks of what is in force, Accepted of what was asked for."""
    good, bad = policy(), policy(default=route("gone"))
    plan = compiled(bad, last=accepted(good))
    entry = plan.entries[0]
    ack = table.Ack(policy="desk", revision=entry.revision, blob=entry.blob)
    status = policy_status_of(router("r1", ack), plan=plan)

    assert word(status, "Programmed")[0] == "True"
    assert word(status, "Ready") == ("False", "BackendNotFound")
    assert word(status, "Reconciling")[0] == "True"
    assert status["activeRevision"] == entry.revision


ACKS = st.sampled_from([None, GOOD, OLD, REFUSED])


@given(
    states=st.lists(st.tuples(ACKS, st.booleans()), max_size=20),
    bad=st.booleans(),
    was_accepted=st.booleans(),
)
def test_every_policy_status_obeys_the_rules(
    states: list[tuple[table.Ack | None, bool]], bad: bool, was_accepted: bool
) -> None:
    """FAIL0001-0009, in every mixture of acks, refusals and silence."""
    item = policy(default=route("gone")) if bad else policy()
    plan = compiled(item, last=accepted(policy()) if was_accepted else {})
    routers = [router(f"r{i}", ack, silent=silent) for i, (ack, silent) in enumerate(states)]
    status = policy_status_of(*routers, plan=plan)

    if word(status, "Ready")[0] == "True":
        assert routers
        assert all(r.acks["desk"] == GOOD and not r.silent for r in routers)


COUNTS = st.integers(0, 3)


@given(
    desired=COUNTS,
    status=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
            ),
            COUNTS,
        ),
    ),
    failing=st.sampled_from([(), ("CrashLoopBackOff",), ("ContainerCreating", "ErrImagePull")]),
    overdue=st.booleans(),
    scaled=st.booleans(),
)
def test_every_backend_status_obeys_the_rules(
    desired: int, status: dict[str, int], failing: tuple[str, ...], overdue: bool, scaled: bool
) -> None:
    """FAIL0001-0009, in every state that a Deployment can be in."""
    live = deployment(desired=desired, **status)
    if overdue:
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        live["status"]["conditions"] = [late]
    found = status_of(
        backend(replicas=desired),
        deployment=live,
        service=SERVICE,
        pods=[waiting(reason) for reason in failing],
        scaling=scale(least=2, pods_since=1) if scaled else None,
    )

    if word(found, "Ready")[0] == "True":
        assert status.get("availableReplicas", 0) >= (min(2, desired) if scaled else desired)


def test_a_server_that_a_router_cannot_reach_is_available_and_not_ready() -> None:
    """`kubectl wait --for=condition=Ready` must not return before requests are answered."""
    around: dict[str, Any] = {
        "deployment": deployment(**rolled_out(1), observedGeneration=1),
        "service": SERVICE,
    }
    there = status_of(backend("a"), **around)
    assert word(there, "Ready") == ("True", "Ready")
    status = status_of(backend("a"), unreached="r-1 has no endpoint of it yet", **around)
    assert word(status, "Ready") == ("False", "AwaitingRouters")
    assert word(status, "Available")[0] == "True"
    assert word(status, "Reconciling") == ("True", "AwaitingRouters")

    assert becomes_reachable(there, {})
    assert becomes_reachable(there, status)
    assert not becomes_reachable(there, there), "routers come and go"
    assert not becomes_reachable(status, {})


def test_who_has_no_servers_here_waits_for_no_router() -> None:
    """An external backend, and one that is scaled to zero on purpose."""
    around: dict[str, Any] = {
        "deployment": deployment(desired=0, observedGeneration=1, **rolled_out(0)),
        "service": SERVICE,
    }
    assert not becomes_reachable(status_of(backend("a"), **around), {})
    external = backend("a", deployment=None, external={"url": "https://models.example.com/v1"})
    assert not becomes_reachable(status_of(external), {})


def scale(*, least: int, pods_since: int) -> ScalingStatus:
    return ScalingStatus(fields={}, condition=None, least=least, pods_since=pods_since)


@pytest.mark.parametrize(
    ("desired", "counts", "ready"),
    [
        (3, {"observedGeneration": 2, **rolled_out(3), "availableReplicas": 1}, "True"),
        (3, {"observedGeneration": 1, **rolled_out(1)}, "True"),
        (1, {"observedGeneration": 2, **rolled_out(3)}, "True"),
        (3, {"observedGeneration": 2, **rolled_out(3), "availableReplicas": 0}, "False"),
        (3, {"observedGeneration": 2, **rolled_out(4), "updatedReplicas": 1}, "False"),
        (3, {"observedGeneration": 0, **rolled_out(1)}, "False"),
    ],
)
def test_a_backend_that_grows_with_its_load_is_ready(
    desired: int, counts: dict[str, int], ready: str
) -> None:
    """What was asked for is at least one: more on its way is no fault, another spec's are."""
    live = deployment(desired=desired, **counts)
    live["metadata"] = {**META, "generation": 2}
    around: dict[str, Any] = {"deployment": live, "service": SERVICE}
    status = status_of(backend(), scaling=scale(least=1, pods_since=1), **around)
    failing = status_of(
        backend(), scaling=scale(least=1, pods_since=1), pods=[waiting("ErrImagePull")], **around
    )

    assert word(status, "Ready")[0] == ready
    assert word(status, "Progressing") == ("True", "Progressing")
    assert word(failing, "Ready") == ("False", "PodFailing")
