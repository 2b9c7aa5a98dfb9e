"""A backend is no way to a pod for who may make none: the chart's policy on a real API server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.charts.test_charts import CHARTS, render

pytestmark = pytest.mark.bench
NAMESPACE, OTHER = "workloads", "workloads-other"
WRITER = ("--as=eve", "--as-group=system:authenticated")
MAKER = ("--as=mia", "--as-group=system:authenticated")
REFUSAL = "only who may create Deployments in this namespace"
SECRET_READER = {"engine": "Custom", "image": "x", "command": ["sh"]}
OURS = {"apiGroups": ["pointsman.dev"], "resources": ["modelbackends"], "verbs": ["*"]}
DEPLOYMENTS = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]}


def backend(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "pointsman.dev/v1alpha1",
        "kind": "ModelBackend",
        "metadata": {"name": name},
        "spec": {"model": "m"} | spec,
    }


def refused(
    bench: Bench, who: tuple[str, ...], item: dict[str, Any], namespace: str = NAMESPACE
) -> str:
    """What the API server says to it; empty if it takes it (and then it is there)."""
    how = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    try:
        bench.kubectl("-n", namespace, *who, *how, input=json.dumps(item))
    except CommandFailed as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def guarded(bench: Bench) -> Iterator[Bench]:
    """Eve may write backends, Mia Deployments as well; the policy is for one of two namespaces."""
    bench.apply(CHARTS.parent / "crds" / "manifests")
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    rendered = render(bench, "--set", "governance.workloads.enabled=true", namespace=NAMESPACE)
    policies = [one for one in rendered if one["kind"].startswith("ValidatingAdmissionPolicy")]
    assert len(policies) == 2
    group = "rbac.authorization.k8s.io"
    rights: list[dict[str, Any]] = []
    for user, rules in (("eve", [OURS]), ("mia", [OURS, DEPLOYMENTS])):
        for namespace in (NAMESPACE, OTHER):
            about = {"name": user, "namespace": namespace}
            kind: dict[str, Any] = {"apiVersion": f"{group}/v1", "metadata": about}
            role = {"apiGroup": group, "kind": "Role", "name": user}
            who = [{"apiGroup": group, "kind": "User", "name": user}]
            rights += [
                {**kind, "kind": "Role", "rules": rules},
                {**kind, "kind": "RoleBinding", "roleRef": role, "subjects": who},
            ]
    for namespace in (NAMESPACE, OTHER):
        bench.kubectl("create", "namespace", namespace)
    text = yaml.safe_dump_all([*policies, *rights])
    bench.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=text)
    end = time.monotonic() + 60
    while not refused(
        bench, WRITER, backend(f"probe-{time.monotonic_ns()}", deployment=SECRET_READER)
    ):
        assert time.monotonic() < end, "the policy is not in force"
    yield bench
    for one in policies:
        bench.kubectl("delete", one["kind"], one["metadata"]["name"], check=False)
    for namespace in (NAMESPACE, OTHER):
        bench.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


def test_who_may_make_no_deployment_may_make_none_by_a_backend(guarded: Bench) -> None:
    """New, changed, and put where a Service was; who may make Deployments may."""
    bench = guarded
    served = {"service": {"name": "somebodys", "port": 8000}}
    assert REFUSAL in refused(bench, WRITER, backend("a", deployment=SECRET_READER))
    assert refused(bench, MAKER, backend("a", deployment=SECRET_READER)) == ""
    changed = SECRET_READER | {"podTemplate": {"spec": {"serviceAccountName": "strong"}}}
    assert REFUSAL in refused(bench, WRITER, backend("a", deployment=changed))
    assert refused(bench, WRITER, backend("b", **served)) == ""
    patch = json.dumps({"spec": {"service": None, "deployment": SECRET_READER}})
    with pytest.raises(CommandFailed, match=REFUSAL):
        bench.kubectl("-n", NAMESPACE, *WRITER, "patch", "mb", "b", "--type=merge", "-p", patch)


def test_what_a_server_loads_is_part_of_its_deployment(guarded: Bench) -> None:
    """Some engines run the code beside the weights, and a family brings arguments."""
    bench = guarded
    assert refused(bench, MAKER, backend("e", deployment=SECRET_READER)) == ""
    for changed in ({"model": "somebody/elses"}, {"family": "Qwen"}):
        item = backend("e", deployment=SECRET_READER, **changed)
        assert REFUSAL in refused(bench, WRITER, item), changed
        assert refused(bench, MAKER, item) == ""
    served = {"service": {"name": "somebodys", "port": 8000}}
    assert refused(bench, WRITER, backend("f", **served)) == ""
    assert refused(bench, WRITER, backend("f", model="another", **served)) == ""


def test_what_is_no_deployment_stays_open(guarded: Bench) -> None:
    """Other fields of a backend that somebody else deployed, and other namespaces."""
    bench = guarded
    item = backend("c", deployment=SECRET_READER)
    assert refused(bench, MAKER, item) == ""
    item["spec"] |= {"contextWindow": 4096, "replicas": 2}
    assert refused(bench, WRITER, item) == ""
    assert refused(bench, WRITER, backend("d", deployment=SECRET_READER), OTHER) == ""


def test_it_is_there_only_where_it_is_asked_for(bench: Bench) -> None:
    """It has no namespace: not everybody may make one."""
    assert not any(one["kind"].startswith("ValidatingAdmission") for one in render(bench))
