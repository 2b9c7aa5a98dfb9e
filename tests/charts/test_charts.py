"""The charts on a real API server: rendered, admitted, and allowed to do what the code does."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.charts.rbac import rights_of_code

pytestmark = pytest.mark.bench
CHARTS = Path(__file__).parent.parent.parent / "charts"


def render(bench: Bench, *options: str, chart: str = "pointsman") -> list[dict[str, Any]]:
    text = bench.helm("template", "desk", str(CHARTS / chart), "--namespace", "ai", *options)
    return [item for item in yaml.safe_load_all(text) if item]


def one(items: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(i for i in items if i["kind"] == kind and i["metadata"]["name"] == name)


@pytest.fixture(scope="module")
def rendered(bench: Bench) -> list[dict[str, Any]]:
    return render(bench)


@pytest.mark.parametrize("chart", ["pointsman", "pointsman-crds"])
def test_helm_finds_nothing_wrong(bench: Bench, chart: str) -> None:
    """`helm lint`, warnings included."""
    assert "0 chart(s) failed" in bench.helm("lint", "--strict", str(CHARTS / chart))


@pytest.mark.parametrize("chart", ["pointsman", "pointsman-crds"])
def test_the_api_server_takes_every_object(bench: Bench, chart: str) -> None:
    """Server-side dry run, unknown fields refused."""
    bench.kubectl("create", "namespace", "ai", check=False)
    text = yaml.safe_dump_all(render(bench, chart=chart))
    said = bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text
    )

    assert said.count("(server dry run)") == len(render(bench, chart=chart))


def test_pods_pass_the_restricted_standard(bench: Bench, rendered: list[dict[str, Any]]) -> None:
    """The API server's own admission says so."""
    namespace = "charts-restricted"
    label = "pod-security.kubernetes.io/enforce=restricted"
    bench.kubectl("create", "namespace", namespace)
    bench.kubectl("label", "namespace", namespace, label)
    try:
        for part in ("operator", "router"):
            template = one(rendered, "Deployment", f"desk-{part}")["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"]["name"] = part
            account: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount"}
            account |= {"metadata": {"name": template["spec"]["serviceAccountName"]}}
            bench.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(account))
            bench.kubectl(
                "-n", namespace, "create", "--dry-run=server", "-f", "-", input=json.dumps(pod)
            )
    finally:
        bench.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_role_is_exactly_what_the_code_uses(rendered: list[dict[str, Any]]) -> None:
    """Not a verb more, and none on Secrets."""
    role = one(rendered, "Role", "desk-operator")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert granted == rights_of_code()
    assert not [right for right in granted if right[1] == "secrets"]


def test_only_the_router_may_review_tokens(rendered: list[dict[str, Any]]) -> None:
    """The one right beyond the namespace."""
    role = one(rendered, "ClusterRole", "ai-desk-router")

    assert role["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    assert len([i for i in rendered if i["kind"] == "ClusterRole"]) == 1


def test_the_admin_port_is_the_operators(rendered: list[dict[str, Any]]) -> None:
    """By default; callers reach the data port only."""
    policy = one(rendered, "NetworkPolicy", "desk-router")
    ports = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}

    assert ports["http"] is None
    assert [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in ports["admin"]
    ] == ["operator"]


def test_a_single_router_has_no_disruption_budget(bench: Bench) -> None:
    """It could never be drained."""
    alone = render(bench, "--set", "router.replicas=1")

    assert "PodDisruptionBudget" not in {item["kind"] for item in alone}


def test_a_misspelled_value_is_refused(bench: Bench) -> None:
    """By the schema, before anything is installed."""
    with pytest.raises(CommandFailed, match="additional properties 'replica' not allowed"):
        render(bench, "--set", "router.replica=3")


def test_the_simulator_is_the_operators_own_image(rendered: list[dict[str, Any]]) -> None:
    """A simulator never differs from its operator."""
    container = one(rendered, "Deployment", "desk-operator")["spec"]["template"]["spec"][
        "containers"
    ][0]

    assert f"--image={container['image']}" in container["args"]
