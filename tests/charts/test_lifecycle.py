"""A release from `helm install` to `helm uninstall`, with the real helm on a real API server."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.charts.cluster import (
    CHART,
    CRDS,
    ROOT,
    conflicts,
    differences,
    inventory,
    restricted,
    settles,
)

pytestmark = pytest.mark.bench
NAMESPACE = "lifecycle"
EXAMPLE = ROOT / "crds" / "examples" / "02-support-desk"
VALUES = (
    "callers.mode=Open,router.minReadySeconds=1,router.shutdownDelaySeconds=1,"
    "router.autoscaling.enabled=true,router.autoscaling.minReplicas=2,"
    "ledger.enabled=true,ledger.tokenSecret=ledger,ledger.sqlite.retain=false,"
    "governance.approvers.group=model-approvers"
)
NO_NODE = "router.nodeSelector.none=here,operator.nodeSelector.none=here"
"""Pods that stay Pending: where only the API server's answer matters."""


@dataclass(frozen=True, slots=True)
class Installed:
    bench: Bench
    before: set[str]
    """What was there before anything of ours was."""


@pytest.fixture(scope="module")
def installed(bench: Bench) -> Iterator[Installed]:
    """Both charts by helm, a ledger, an autoscaler, and a support desk that is Ready."""
    restricted(bench, NAMESPACE)
    bench.kubectl(
        "-n", NAMESPACE, "create", "secret", "generic", "ledger", f"--from-literal=token={'t' * 32}"
    )
    before = inventory(bench)
    # Other tests may have applied the kinds already, and others may still use them.
    bench.helm("install", "pointsman-crds", CRDS, "--namespace", NAMESPACE, "--take-ownership")
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
    bench.helm("install", "desk", CHART, "--namespace", NAMESPACE, "--set", VALUES)
    bench.kubectl(
        "-n", NAMESPACE, "apply", "--server-side", "--field-manager=gitops", "-f", str(EXAMPLE)
    )
    try:
        _ready(bench)
        yield Installed(bench, before)
    finally:
        bench.helm("uninstall", "desk", "--namespace", NAMESPACE, "--ignore-not-found")
        bench.helm("uninstall", "pointsman-crds", "--namespace", NAMESPACE, "--ignore-not-found")
        bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")


def _ready(bench: Bench) -> None:
    where = ("-n", NAMESPACE)
    settles(
        lambda: bench.kubectl(
            *where, "get", "deployment", "desk-router", "-o", "jsonpath={.status.readyReplicas}"
        ),
        "2",
        120,
    )
    bench.kubectl(
        *where, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s"
    )
    bench.kubectl(*where, "wait", "--for=condition=Ready", "mb,rp", "--all", "--timeout=120s")


def test_one_of_two_operators_leads(installed: Installed) -> None:
    """And both are ready; the Lease and the table belong to the release."""
    bench = installed.bench
    pods = bench.list("pods", NAMESPACE, "app.kubernetes.io/component=operator")
    assert len(pods) == 2
    lease = bench.get("lease", "desk-operator", NAMESPACE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] in {pod["metadata"]["name"] for pod in pods}
    owner = bench.get("configmap", "desk-owner", NAMESPACE)
    assert owner is not None
    tables = bench.list("configmaps", NAMESPACE, "pointsman.dev/routing-table=desk")
    assert len(tables) >= 2
    for item in (lease, *tables):
        (reference,) = item["metadata"]["ownerReferences"]
        assert reference["uid"] == owner["metadata"]["uid"]


def test_an_upgrade_to_the_same_finds_nothing_to_do(installed: Installed) -> None:
    """After operator, autoscaler and scheduler have worked: nothing would change."""
    bench = installed.bench
    text = bench.helm("get", "manifest", "desk", "--namespace", NAMESPACE)
    items = [item for item in yaml.safe_load_all(text) if item]
    assert len(items) > 20
    for item in items:  # helm adds them when it applies
        item["metadata"]["annotations"] = {
            "meta.helm.sh/release-name": "desk", "meta.helm.sh/release-namespace": NAMESPACE,
        }  # fmt: skip
    assert differences(bench, yaml.safe_dump_all(items), NAMESPACE, "helm") == []


def test_a_sync_of_the_chart_finds_nothing_to_do(installed: Installed) -> None:
    """By a tool that has applied the charts itself, as Argo CD does: server-side diff is empty."""
    bench, manager = installed.bench, "argocd-controller"
    for text in (
        bench.helm("template", "desk", CHART, "--namespace", NAMESPACE, "--set", VALUES),
        bench.helm("template", "pointsman-crds", CRDS, "--namespace", NAMESPACE),
    ):
        bench.kubectl(
            "apply", "--server-side", "--force-conflicts", "-n", NAMESPACE,
            f"--field-manager={manager}", "-f", "-", input=text,
        )  # fmt: skip
        _ready(bench)
        assert differences(bench, text, NAMESPACE, manager) == []
        assert conflicts(bench, text, NAMESPACE, manager).count("(server dry run)") >= 5


def test_a_sync_of_models_and_policies_finds_nothing_to_do(installed: Installed) -> None:
    """What the operator says of them is in their status only, and it has written some."""
    bench = installed.bench
    manager = "gitops"
    text = "\n---\n".join(path.read_text() for path in sorted(EXAMPLE.glob("*.yaml")))
    assert differences(bench, text, NAMESPACE, manager) == []
    assert conflicts(bench, text, NAMESPACE, manager).count("(server dry run)") == 5
    for item in bench.list("modelbackends.pointsman.dev", NAMESPACE):
        assert item["status"]["conditions"]
        assert "finalizers" not in item["metadata"]
        assert "annotations" not in item["metadata"]


def test_a_sync_sees_what_somebody_edited(installed: Installed) -> None:
    """Else an empty difference would say nothing."""
    bench = installed.bench
    text = bench.helm("template", "desk", CHART, "--namespace", NAMESPACE, "--set", VALUES)
    patch = json.dumps({"spec": {"minReadySeconds": 7}})
    bench.kubectl(
        "-n", NAMESPACE, "patch", "deployment", "desk-router", "--type=merge", "-p", patch
    )
    found = differences(bench, text, NAMESPACE, "argocd-controller")
    assert "Deployment/desk-router: .spec.minReadySeconds: 7 would become 1" in found
    assert all(one.startswith("Deployment/desk-router: ") for one in found)
    bench.kubectl(
        "-n",
        NAMESPACE,
        "patch",
        "deployment",
        "desk-router",
        "--type=merge",
        "-p",
        json.dumps({"spec": {"minReadySeconds": 1}}),
    )


def test_uninstalled_it_leaves_only_its_kinds(installed: Installed) -> None:
    """Every kind of every API is listed before and after; models go with their ModelBackends."""
    bench = installed.bench
    assert bench.list("persistentvolumeclaims", NAMESPACE), "the ledger's volume is there first"
    bench.helm("uninstall", "desk", "--namespace", NAMESPACE)
    settles(lambda: {one for one in _left(installed) - KEPT if not _of_models(one)}, set(), 120)
    models = bench.list("deployments", NAMESPACE)
    assert len(models) == 4, "model servers are their ModelBackends', which are the user's"
    bench.kubectl("-n", NAMESPACE, "delete", "mb,rp", "--all", "--timeout=60s")
    bench.helm("uninstall", "pointsman-crds", "--namespace", NAMESPACE)
    settles(lambda: _left(installed) - KINDS, set(), 120)
    assert {one for one in inventory(bench) if "/CustomResourceDefinition/" in one} >= CRD_NAMES


CRD_NAMES = {
    f" apiextensions.k8s.io/v1/CustomResourceDefinition/{kind}.pointsman.dev"
    for kind in ("modelbackends", "routingpolicies", "evaluationsuites")
}
KINDS = CRD_NAMES | {" apiregistration.k8s.io/v1/APIService/v1alpha1.pointsman.dev"}
"""What stays: the kinds, and what the API server makes of them."""
KEPT = KINDS | {
    *(f" rbac.authorization.k8s.io/v1/ClusterRole/pointsman-{may}" for may in ("edit", "view")),
    f"{NAMESPACE} v1/Secret/sh.helm.release.v1.pointsman-crds.v1",
}
"""Of the chart of the kinds, while it is installed."""


def _left(installed: Installed) -> set[str]:
    return inventory(installed.bench) - installed.before


def _of_models(one: str) -> bool:
    """Whether it is a user's object, or one that belongs to such."""
    own = "ModelBackend|RoutingPolicy|ControllerRevision|ConfigMap"
    served = "Deployment|ReplicaSet|Pod|Service|Endpoints|EndpointSlice|PodDisruptionBudget"
    return re.search(f"/({own}|{served})/", one) is not None and "/desk-" not in one


@pytest.fixture
def taken(bench: Bench) -> Iterator[str]:
    """A namespace for a release whose pods stay Pending."""
    name = f"taken-{uuid4().hex[:6]}"
    bench.kubectl("create", "namespace", name)
    bench.wait_for(lambda: bench.get("serviceaccount", "default", name), 90, "an account")
    bench.wait_for(lambda: bench.get("configmap", "kube-root-ca.crt", name), 90, "certificates")
    yield name
    bench.helm("uninstall", "desk", "--namespace", name, "--ignore-not-found")
    bench.kubectl("delete", "namespace", name, "--wait=false")


def test_helm_takes_nothing_that_is_somebody_elses(bench: Bench, taken: str) -> None:
    """It names the object, and makes nothing of the release; neither at first nor later."""
    foreign = ("-n", taken, "create", "serviceaccount", "desk-router")
    bench.kubectl(*foreign)
    before = inventory(bench)
    options = ("desk", CHART, "--namespace", taken, "--set", NO_NODE)
    with pytest.raises(CommandFailed) as refused:
        bench.helm("install", *options)
    assert f'ServiceAccount "desk-router" in namespace "{taken}" exists' in str(refused.value)
    assert "cannot be imported into the current release" in str(refused.value)
    assert {one for one in inventory(bench) - before if _is_part_of(one, taken)} == set()

    bench.kubectl("-n", taken, "delete", "serviceaccount", "desk-router")
    bench.helm("install", *options)
    scaler = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "desk-router"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            "maxReplicas": 2,
        },
    }  # fmt: skip
    bench.kubectl("-n", taken, "create", "-f", "-", input=json.dumps(scaler))
    with pytest.raises(CommandFailed, match='HorizontalPodAutoscaler "desk-router" in namespace'):
        bench.helm("upgrade", *options, "--set", "router.autoscaling.enabled=true")


@pytest.mark.parametrize("side", ["true", "false"])
def test_a_release_that_gets_an_autoscaler_keeps_its_routers(
    bench: Bench, taken: str, side: str
) -> None:
    """By either kind of apply: to let go of `replicas` means one router."""
    how = f"--server-side={side}"
    options = ("desk", CHART, "--namespace", taken, how, "--set", NO_NODE)
    bench.helm("install", *options, "--set", "router.replicas=4")
    scaled = ("--set", "router.autoscaling.enabled=true,router.autoscaling.minReplicas=5")

    def replicas() -> int:
        found = bench.get("deployment", "desk-router", taken)
        assert found is not None
        return int(found["spec"]["replicas"])

    bench.helm("upgrade", *options, *scaled)
    assert replicas() in (4, 5), "as it was, or as the autoscaler said since"
    settles(replicas, 5)
    for level in ("debug", "info"):
        bench.helm("upgrade", *options, *scaled, "--set", f"router.logLevel={level}")
        assert replicas() == 5
    more = ("--set", "router.autoscaling.enabled=true,router.autoscaling.minReplicas=6")
    bench.helm("upgrade", *options, *more)
    settles(replicas, 6)
    bench.helm("upgrade", *options, *more, "--set", "router.logLevel=debug")
    assert replicas() == 6
    bench.helm("rollback", "desk", "4", "--namespace", taken)
    assert replicas() == (6 if side == "true" else 5), "as the autoscaler says, or said then"
    back = ("upgrade", *options, "--set", "router.replicas=2")
    if side == "true":
        with pytest.raises(
            CommandFailed, match=r"conflict with \"kube-controller-manager\".*replicas"
        ):
            bench.helm(*back)
    bench.helm(*back, *(["--force-conflicts"] if side == "true" else []))
    assert replicas() == 2


def test_another_volume_of_the_ledger_is_refused_with_the_way_to_it(
    bench: Bench, taken: str
) -> None:
    """
    Before anything changes; by the command of the message pod and volume go on as they are.

    And without a ledger for a while, as docs/upgrade.md goes back, the volume stays.
    """
    where = ("-n", taken)
    bench.kubectl(*where, "create", "secret", "generic", "l", f"--from-literal=token={'t' * 32}")
    ledger = "ledger.enabled=true,ledger.tokenSecret=l,ledger.sqlite.retain=false"
    values = f"{NO_NODE},ledger.nodeSelector.none=here,{ledger}"
    options = ("desk", CHART, "--namespace", taken, "--set", values, "--set")
    claim, pod = "store-desk-ledger-0", "desk-ledger-0"

    def kept() -> list[str | None]:
        found = [bench.get("persistentvolumeclaim", claim, taken), bench.get("pod", pod, taken)]
        about = [(one or {}).get("metadata", {}) for one in found]
        return [None if "deletionTimestamp" in one else one.get("uid") for one in about]

    bench.helm("install", *options, "ledger.sqlite.size=1024Mi")
    bench.wait_for(lambda: None not in kept(), 90, "a pod and its claim")
    before = kept()
    bench.helm("upgrade", *options, "ledger.sqlite.size=1024Mi,router.minReadySeconds=1")
    for change in ("size=2Gi", "storageClassName=fast", "persistent=false"):
        with pytest.raises(CommandFailed, match="StatefulSet desk-ledger in") as refused:
            bench.helm("upgrade", *options, f"ledger.sqlite.{change},router.minReadySeconds=7")
    router = bench.get("deployment", "desk-router", taken)
    assert router is not None
    assert router["spec"]["minReadySeconds"] == 1

    said = re.search(r"kubectl (-n \S+ delete \S+ \S+ --cascade=orphan)", str(refused.value))
    assert said is not None
    bench.kubectl(*said[1].split())
    assert kept() == before
    bench.helm("upgrade", *options, "ledger.sqlite.size=2Gi")
    made = bench.get("statefulset", "desk-ledger", taken)
    assert made is not None
    (volume,) = made["spec"]["volumeClaimTemplates"]
    assert volume["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert kept() == before

    again = ("upgrade", "desk", CHART, "--namespace", taken, "--reset-then-reuse-values", "--set")
    bench.helm(*again, "ledger.replicas=0")
    settles(lambda: kept() == [before[0], None], True)
    bench.helm(*again, "ledger.replicas=1")
    bench.wait_for(lambda: None not in kept(), 90, "a pod again")
    assert kept()[0] == before[0]


def test_a_sync_that_gets_an_autoscaler_keeps_them_after_a_scale(bench: Bench, taken: str) -> None:
    """As docs/install.md says: kubectl scale first; without it one router is left."""

    def sync(values: str) -> int:
        text = bench.helm(
            "template", "desk", CHART, "--namespace", taken, "--set", f"{NO_NODE},{values}",
            "--show-only", "templates/router-deployment.yaml",
        )  # fmt: skip
        said = bench.kubectl(
            "apply", "--server-side", "--field-manager=argocd-controller", "-o", "json", "-f", "-",
            input=text,
        )  # fmt: skip
        return int(json.loads(said)["spec"]["replicas"])

    scaled = "router.autoscaling.enabled=true"
    assert sync("router.replicas=4") == 4
    assert sync(scaled) == 1
    assert sync("router.replicas=4") == 4
    bench.kubectl("-n", taken, "scale", "deployment/desk-router", "--replicas=3")
    assert sync(scaled) == 3
    bench.kubectl("-n", taken, "delete", "deployment", "desk-router")


def test_releases_live_side_by_side(bench: Bench, taken: str) -> None:
    """Two names in two namespaces share nothing; one is uninstalled and the other is as it was."""
    beside = f"beside-{uuid4().hex[:6]}"
    bench.kubectl("create", "namespace", beside)
    try:
        for namespace in (taken, beside):
            bench.helm("install", "desk", CHART, "--namespace", namespace, "--set", NO_NODE)
        mine = {one for one in inventory(bench) if _is_part_of(one, beside)}
        bench.helm("uninstall", "desk", "--namespace", taken)
        assert {one for one in inventory(bench) if _is_part_of(one, beside)} >= {
            one for one in mine if "/Pod/" not in one and "ReplicaSet" not in one
        }
        assert any(f"{beside}:desk:router" in one for one in mine)
    finally:
        bench.helm("uninstall", "desk", "--namespace", beside, "--ignore-not-found")
        bench.kubectl("delete", "namespace", beside, "--wait=false")


def _is_part_of(one: str, namespace: str) -> bool:
    return one.startswith(f"{namespace} ") or f"/{namespace}:" in one
