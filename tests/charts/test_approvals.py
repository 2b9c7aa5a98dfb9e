"""Only members of a named group approve of a model: the chart's policy on a real API server."""

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.charts.test_charts import CHARTS, render

pytestmark = pytest.mark.bench
NAMESPACE, OTHER, GROUP = "approvals", "approvals-other", "model-approvers"
DIGEST = "sha256:" + "5f" * 32
EDITOR = ("--as=eve", "--as-group=system:authenticated")
APPROVER = ("--as=ada", f"--as-group={GROUP}", "--as-group=system:authenticated")
RIGHTS = [
    {"apiGroups": ["pointsman.dev"], "resources": ["modelbackends"], "verbs": ["*"]},
]


def backend(name: str = "desk", *, approved: bool = True, **spec: Any) -> dict[str, Any]:
    governance: dict[str, Any] = {"license": "MIT", "provenance": {"digest": DIGEST}}
    if approved:
        governance["approval"] = {
            "by": "ada@example.org", "evidence": "https://example.org/1", "modelDigest": DIGEST,
            "approvedAt": "2026-01-01T00:00:00Z", "expiresAt": "2090-01-01T00:00:00Z",
        }  # fmt: skip
    return {
        "apiVersion": "pointsman.dev/v1alpha1",
        "kind": "ModelBackend",
        "metadata": {"name": name},
        "spec": {
            "model": "m",
            "deployment": {"engine": "Simulator", "resources": {"requests": {"cpu": "10m"}}},
            "governance": governance,
            **spec,
        },
    }


def put(
    bench: Bench, who: tuple[str, ...], item: dict[str, Any], namespace: str = NAMESPACE
) -> str:
    return bench.kubectl(
        "-n", namespace, *who, "apply", "--server-side", "--force-conflicts", "-f", "-",
        input=json.dumps(item),
    )  # fmt: skip


@pytest.fixture(scope="module")
def guarded(bench: Bench) -> Iterator[Bench]:
    """Two namespaces whose editors may write backends; the chart's policy is for one of them."""
    bench.apply(CHARTS.parent / "crds" / "manifests")
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    rendered = render(bench, "--set", f"governance.approvers.group={GROUP}", namespace=NAMESPACE)
    policies = [one for one in rendered if one["kind"].startswith("ValidatingAdmissionPolicy")]
    assert len(policies) == 2
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    bind: dict[str, Any] = {"apiVersion": role["apiVersion"], "kind": "ClusterRoleBinding"}
    users = [
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": n} for n in ("eve", "ada")
    ]
    rights = [
        {**role, "metadata": {"name": "approvals-editors"}, "rules": RIGHTS},
        {
            **bind,
            "metadata": {"name": "approvals-editors"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "approvals-editors",
            },
            "subjects": users,
        },
    ]  # fmt: skip
    for namespace in (NAMESPACE, OTHER):
        bench.kubectl("create", "namespace", namespace, check=False)
    bench.kubectl(
        "apply", "--server-side", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all([*policies, *rights]),
    )  # fmt: skip
    end = time.monotonic() + 60
    while not refused(bench, EDITOR, backend(f"probe-{time.monotonic_ns()}")):
        assert time.monotonic() < end, "the policy is not in force"
    yield bench
    for one in (*policies, *rights):
        bench.kubectl("delete", one["kind"], one["metadata"]["name"], check=False)
    for namespace in (NAMESPACE, OTHER):
        bench.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


def refused(
    bench: Bench, who: tuple[str, ...], item: dict[str, Any], namespace: str = NAMESPACE
) -> str:
    """What the API server says to it; empty if it takes it (and then it is there)."""
    try:
        put(bench, who, item, namespace)
    except CommandFailed as error:
        return str(error)
    return ""


def test_only_approvers_set_an_approval(guarded: Bench) -> None:
    """By create, by apply and by patch; without an approval everybody may write."""
    bench = guarded
    assert "only members of the group model-approvers" in refused(bench, EDITOR, backend("a"))
    assert refused(bench, EDITOR, backend("a", approved=False)) == ""
    assert "only members" in refused(bench, EDITOR, backend("a"))
    patch = json.dumps({"spec": {"governance": {"approval": approval_of(backend("a"))}}})
    with pytest.raises(CommandFailed, match="only members"):
        bench.kubectl("-n", NAMESPACE, *EDITOR, "patch", "mb", "a", "--type=merge", "-p", patch)
    assert refused(bench, APPROVER, backend("a")) == ""


def approval_of(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["governance"]["approval"]
    return found


def test_what_is_approved_of_stays_what_it_is(guarded: Bench) -> None:
    """Model, image, arguments and statements are approvers'; resources, costs and scale are not."""
    bench = guarded
    good = backend("b")
    assert refused(bench, APPROVER, good) == ""
    longer = deepcopy(good)
    approval_of(longer)["expiresAt"] = "2091-01-01T00:00:00Z"
    louder = deepcopy(good)
    louder["spec"]["governance"]["dataHandling"] = {"maxDataClass": "Restricted"}
    moved = [
        longer,
        louder,
        backend("b", model="another"),
        backend("b", family="Qwen"),
        backend("b", deployment={"engine": "Simulator", "args": ["--ttft=1s"]}),
        backend("b", deployment={"engine": "Simulator", "image": "example.org/else:1"}),
        backend("b", deployment={
            "engine": "Simulator", "podTemplate": {"spec": {"hostNetwork": True}}}),
        {**backend("b"), "spec": {
            **{k: v for k, v in backend("b")["spec"].items() if k != "deployment"},
            "service": {"name": "elsewhere", "port": 80}}},
    ]  # fmt: skip
    for item in moved[:-1]:
        assert "only members" in refused(bench, EDITOR, item), item
    patch = [
        {"op": "remove", "path": "/spec/deployment"},
        {"op": "add", "path": "/spec/service", "value": {"name": "elsewhere", "port": 80}},
    ]
    with pytest.raises(CommandFailed, match="only members"):
        bench.kubectl(
            "-n", NAMESPACE, *EDITOR, "patch", "mb", "b", "--type=json", "-p", json.dumps(patch)
        )
    larger = backend(
        "b",
        deployment={"engine": "Simulator", "resources": {"requests": {"cpu": "20m"}}},
        cost={"inputPerMillion": "1", "outputPerMillion": "2"},
        replicas=2,
    )
    assert refused(bench, EDITOR, larger) == ""
    assert refused(bench, APPROVER, backend("b", model="another")) == ""


def test_everybody_may_take_an_approval_away(guarded: Bench) -> None:
    """It only makes things stricter; to give it back is for approvers."""
    bench = guarded
    assert refused(bench, APPROVER, backend("c")) == ""
    patch = [{"op": "remove", "path": "/spec/governance/approval"}]
    bench.kubectl(
        "-n", NAMESPACE, *EDITOR, "patch", "mb", "c", "--type=json", "-p", json.dumps(patch)
    )
    assert "only members" in refused(bench, EDITOR, backend("c"))


def test_other_namespaces_are_not_its_business(guarded: Bench) -> None:
    """A release is for its own namespace."""
    assert refused(guarded, EDITOR, backend("d"), OTHER) == ""


def test_without_a_group_there_is_no_policy(bench: Bench) -> None:
    """And a group's name that would end the quotes of its expression is refused."""
    kinds = {one["kind"] for one in render(bench)}
    assert not any(kind.startswith("ValidatingAdmission") for kind in kinds)
    with pytest.raises(CommandFailed, match="group"):
        render(bench, "--set", "governance.approvers.group=a' in ['a")
