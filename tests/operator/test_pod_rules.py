"""What a model server's pod may not ask for; on the bench the API server's own admission agrees."""

import json
from typing import Any, Final

import pytest

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator.plan.children import render_children
from pointsman.operator.plan.objects import parsed
from pointsman.operator.plan.pod_rules import CAPABILITIES, PodRules
from tests.bench import Bench, CommandFailed
from tests.operator.golden import IMAGES
from tests.operator.objects import NAMESPACE, backend

RULES: Final = PodRules("desk")


def model(**more: Any) -> dict[str, Any]:
    """A patch of the model server's container."""
    return {"containers": [{"name": "model", **more}]}


def secured(**more: Any) -> dict[str, Any]:
    return model(securityContext=more)


SIDECAR: Final = {"name": "beside", "image": "x"}
REFUSED: Final[dict[str, dict[str, Any]]] = {
    "hostNetwork": {"hostNetwork": True},
    "hostPID": {"hostPID": True},
    "hostIPC": {"hostIPC": True},
    "volumes[0].hostPath": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]},
    "securityContext.sysctls": {
        "securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}
    },
    "securityContext.seccompProfile.type": {
        "securityContext": {"seccompProfile": {"type": "Unconfined"}}
    },
    "securityContext.seLinuxOptions.type": {
        "securityContext": {"seLinuxOptions": {"type": "spc_t"}}
    },
    "securityContext.seLinuxOptions.user": {"securityContext": {"seLinuxOptions": {"user": "x"}}},
    "securityContext.seLinuxOptions.role": {"securityContext": {"seLinuxOptions": {"role": "x"}}},
    "securityContext.appArmorProfile.type": {
        "securityContext": {"appArmorProfile": {"type": "Unconfined"}}
    },
    "containers[0].securityContext.privileged": secured(
        privileged=True, allowPrivilegeEscalation=True
    ),
    "containers[0].securityContext.capabilities.add": secured(capabilities={"add": ["SYS_ADMIN"]}),
    "containers[0].securityContext.procMount": secured(procMount="Unmasked"),
    "containers[0].securityContext.seccompProfile.type": secured(
        seccompProfile={"type": "Unconfined"}
    ),
    "containers[0].ports[1].hostPort": model(ports=[{"containerPort": 9, "hostPort": 9}]),
    "containers[0].livenessProbe.httpGet.host": model(
        livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}}
    ),
    "containers[0].lifecycle.postStart.httpGet.host": model(
        lifecycle={"postStart": {"httpGet": {"host": "169.254.169.254", "port": 80}}}
    ),
    "containers[1].securityContext.privileged": {
        "containers": [{**SIDECAR, "securityContext": {"privileged": True}}]
    },
    "initContainers[0].securityContext.privileged": {
        "initContainers": [{**SIDECAR, "securityContext": {"privileged": True}}]
    },
}
"""Path -> overrides: each breaks the baseline standard in that place."""
INVALID: Final = {"containers[0].securityContext.procMount"}
"""Where no admission is asked: the API server refuses it without a user namespace."""
ALLOWED: Final[list[dict[str, Any]]] = [
    {},
    {"serviceAccountName": "weights", "runtimeClassName": "nvidia", "hostNetwork": False},
    {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}]},
    {"volumes": [{"name": "s", "secret": {"secretName": "s"}}]},
    {"containers": [SIDECAR]},
    {"securityContext": {"runAsNonRoot": False, "runAsUser": 0}},
    {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}},
    secured(capabilities={"add": sorted(CAPABILITIES)}, procMount="Default"),
    secured(seccompProfile={"type": "Localhost", "localhostProfile": "x.json"}),
    secured(seLinuxOptions={"type": "container_t", "level": "s0"}),
    model(ports=[{"containerPort": 9}]),
]
"""What the baseline standard lets through."""


def template(patch: dict[str, Any], rules: PodRules = RULES, **more: Any) -> dict[str, Any]:
    """The pod template of a backend with these overrides of its spec; raises Invalid."""
    deployment = {"engine": "Simulator", "podTemplate": {"spec": patch, **more}}
    value = parsed(ModelBackend, backend(deployment=deployment))
    assert isinstance(value, ModelBackend), value
    children = render_children(value, namespace=NAMESPACE, images=IMAGES, rules=rules)
    found: dict[str, Any] = children[0]["spec"]["template"]
    return found


@pytest.mark.parametrize("place", REFUSED)
def test_a_way_out_of_the_pod_is_refused_with_its_path(place: str) -> None:
    """Whatever the namespace enforces; Any lets it through, for those who run such clusters."""
    with pytest.raises(Invalid) as refused:
        template(REFUSED[place])
    (problem,) = refused.value.problems
    assert problem.path == f"spec.deployment.podTemplate.spec.{place}"
    assert template(REFUSED[place], PodRules("desk", anything=True))


@pytest.mark.parametrize("patch", ALLOWED, ids=json.dumps)
def test_what_stays_in_the_pod_is_allowed(patch: dict[str, Any]) -> None:
    """Accounts, volumes and sidecars of one's own."""
    assert template(patch)


@pytest.mark.parametrize("anything", [False, True])
@pytest.mark.parametrize("part", ["operator", "router", "ledger"])
def test_the_releases_own_accounts_are_nobody_elses(part: str, anything: bool) -> None:
    """A router's may read Secrets: whoever may write a backend would be one who may."""
    for name in ("serviceAccountName", "serviceAccount"):
        with pytest.raises(Invalid, match="an account of Pointsman itself"):
            template({name: f"desk-{part}"}, PodRules("desk", anything=anything))
        assert template({name: f"other-{part}"})


@pytest.mark.parametrize("source", ["dataSource", "dataSourceRef"])
def test_no_copy_of_the_ledgers_volume_is_made(source: str) -> None:
    """A volume of the pod's own may be a clone of a claim; of somebody else's it is."""
    for name in ("store-desk-ledger-0", "weights"):
        spec = {source: {"kind": "PersistentVolumeClaim", "name": name}}
        volume = {"name": "x", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
        if name == "weights":
            assert template({"volumes": [volume]})
            continue
        where = rf"volumes\[0\].ephemeral.volumeClaimTemplate.spec.{source}.name"
        with pytest.raises(Invalid, match=where):
            template({"volumes": [volume]})


def test_the_ledgers_volume_is_nobody_elses() -> None:
    """As a volume, and as a cache: it holds what callers said."""
    claim = {"persistentVolumeClaim": {"claimName": "store-desk-ledger-0"}}
    with pytest.raises(Invalid, match=r"volumes\[0\].persistentVolumeClaim.claimName"):
        template({"volumes": [{"name": "x", **claim}]})
    cached = {"engine": "Custom", "image": "x", "cache": {"claimName": "store-desk-ledger-12"}}
    value = parsed(ModelBackend, backend(deployment=cached))
    assert isinstance(value, ModelBackend)
    with pytest.raises(Invalid, match=r"spec\.deployment\.cache\.claimName"):
        render_children(value, namespace=NAMESPACE, images=IMAGES, rules=RULES)


def test_an_annotation_of_old_is_seen() -> None:
    """AppArmor's, which newer API servers still read."""
    name = "container.apparmor.security.beta.kubernetes.io/model"
    with pytest.raises(Invalid, match="appArmorProfile"):
        template({}, metadata={"annotations": {name: "unconfined"}})
    assert template({}, metadata={"annotations": {name: "runtime/default"}})


@pytest.mark.bench
def test_the_api_server_judges_alike(bench: Bench) -> None:
    """Its admission in a namespace that enforces the baseline: the same pods, one by one."""
    space = "pod-rules"
    label = "pod-security.kubernetes.io/enforce=baseline"
    bench.kubectl("create", "namespace", space)
    bench.kubectl("label", "namespace", space, label)
    rules = PodRules("desk", anything=True)
    try:
        bench.kubectl("create", "serviceaccount", "weights", "-n", space)
        known = {place: patch for place, patch in REFUSED.items() if place not in INVALID}
        judged = {place: admitted(bench, space, patch) for place, patch in known.items()}
        assert {place for place, allowed in judged.items() if allowed} == set()
        refused = [patch for patch in ALLOWED if not admitted(bench, space, patch, rules)]
        assert refused == []
    finally:
        bench.kubectl("delete", "namespace", space, "--wait=false")


def admitted(
    bench: Bench, space: str, patch: dict[str, Any], rules: PodRules | None = None
) -> bool:
    """Whether PodSecurity lets the pod through; any other refusal is this test's own mistake."""
    pod = template(patch, rules or PodRules("desk", anything=True))
    pod["spec"].pop("runtimeClassName", None)
    whole = {"apiVersion": "v1", "kind": "Pod", **pod}
    whole["metadata"] |= {"name": "one", "namespace": space}
    said = refusal_of(bench, whole)
    assert not said or 'violates PodSecurity "baseline' in said, said
    return not said


def refusal_of(bench: Bench, pod: dict[str, Any]) -> str:
    """What the API server says to it; empty if it would take it."""
    try:
        bench.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))
    except CommandFailed as error:
        return str(error)
    return ""
