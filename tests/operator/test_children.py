"""What is deployed for a backend."""

from typing import Any

import pytest

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.children import Images, differs, ownership, render_children
from pointsman.operator.plan.objects import parsed
from pointsman.operator.plan.pod_rules import PodRules
from tests.operator.objects import NAMESPACE, backend

IMAGES = Images(simulator="pointsman/pointsman:1", vllm="vllm/vllm-openai:v1")
RULES = PodRules("pointsman")


def children(**spec: Any) -> tuple[dict[str, Any], ...]:
    value = parsed(ModelBackend, backend(**spec))
    assert isinstance(value, ModelBackend), value
    return render_children(value, namespace=NAMESPACE, images=IMAGES, rules=RULES)


def container(**spec: Any) -> dict[str, Any]:
    value: dict[str, Any] = children(**spec)[0]["spec"]["template"]["spec"]["containers"][0]
    return value


ENGINES: list[dict[str, Any]] = [
    {"engine": "Simulator"},
    {"engine": "VLLM"},
    {"engine": "SGLang", "image": "x:1"},
    {"engine": "LlamaCpp", "image": "x:1"},
    {"engine": "Ollama", "image": "x:1"},
    {"engine": "Custom", "image": "x:1"},
]


@pytest.mark.parametrize("deployment", ENGINES)
def test_pods_pass_the_restricted_standard(deployment: dict[str, Any]) -> None:
    """Whatever the engine; and no token of the API server is inside."""
    pod = children(deployment=deployment)[0]["spec"]["template"]["spec"]
    security = pod["containers"][0]["securityContext"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("deployment", ENGINES)
def test_a_rollout_keeps_the_last_good_pod(deployment: dict[str, Any]) -> None:
    """One more first, then one less."""
    spec = children(deployment=deployment)[0]["spec"]

    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["progressDeadlineSeconds"] == 600


def test_the_simulator_is_told_model_and_window() -> None:
    """The spec's own arguments come last."""
    one = container(contextWindow=4096, deployment={"engine": "Simulator", "args": ["--seed", "7"]})

    assert one["image"] == "pointsman/pointsman:1"
    assert one["command"] == ["pointsman-simulator"]
    assert one["args"] == [
        "--model", "model-a", "--host", "0.0.0.0", "--port", "8000",
        "--context-window", "4096", "--seed", "7",
    ]  # fmt: skip
    assert one["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    ("args", "size"),
    [
        ([], "8192"),
        (["-np", "4"], "32768"),
        (["--parallel", "4"], "32768"),
        (["--parallel=4"], "32768"),
        (["-np", "1"], "8192"),
        (["-np", "-1"], "8192"),
        (["-np", "4", "--kv-unified"], "8192"),
        (["-np", "4", "-kvu", "-no-kvu"], "32768"),
        (["-np", "many"], "8192"),
    ],
)
def test_each_slot_of_llama_server_has_the_window(args: list[str], size: str) -> None:
    """It divides its context among them, unless they share one cache."""
    deployment = {"engine": "LlamaCpp", "image": "x:1", "args": args}
    given = container(contextWindow=8192, deployment=deployment)["args"]

    assert given[given.index("--ctx-size") + 1] == size


def test_vllm_gets_shared_memory_and_a_patient_probe() -> None:
    """Weights of hundreds of gigabytes may take most of an hour."""
    deployment, _ = children(deployment={"engine": "VLLM", "port": 9000, "args": ["--seed", "7"]})
    pod = deployment["spec"]["template"]["spec"]
    one = pod["containers"][0]

    assert {"name": "shm", "emptyDir": {"medium": "Memory"}} in pod["volumes"]
    assert one["startupProbe"]["periodSeconds"] * one["startupProbe"]["failureThreshold"] == 3600
    assert one["command"] == ["vllm", "serve"]
    assert one["args"][:7] == [
        "model-a", "--served-model-name", "model-a", "--host", "0.0.0.0", "--port", "9000",
    ]  # fmt: skip
    assert one["args"][-2:] == ["--seed", "7"]


def test_a_custom_server_is_started_as_given() -> None:
    """Its own entrypoint unless a command is set; only its port is probed."""
    one = container(deployment={"engine": "Custom", "image": "x:1", "args": ["-v"]})

    assert "command" not in one
    assert one["args"] == ["-v"]
    assert one["readinessProbe"]["tcpSocket"] == {"port": "http"}


def test_only_deployments_have_children() -> None:
    """A Service that is already there belongs to somebody else."""
    assert children(service={"name": "s", "port": 80}) == ()


def test_what_the_api_server_defaults_is_no_difference() -> None:
    """Extra fields and quantities in their canonical form."""
    resources = {"requests": {"cpu": "0.5"}, "limits": {"memory": "1024Mi"}}
    wanted = children(deployment={"engine": "Simulator", "resources": resources})[0]
    live = children(deployment={"engine": "Simulator", "resources": resources})[0]
    pod = live["spec"]["template"]["spec"]
    pod["dnsPolicy"] = "ClusterFirst"
    pod["containers"][0]["resources"] = {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}

    assert not differs(live, wanted)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["spec"].update(replicas=9),
        lambda d: d["metadata"].pop("annotations"),
        lambda d: d["metadata"]["labels"].clear(),
        lambda d: d["spec"]["template"]["spec"]["containers"][0].update(image="other"),
        lambda d: d["spec"]["template"]["spec"]["containers"].append({"name": "sidecar"}),
    ],
)
def test_an_edit_by_hand_is_seen(edit: Any) -> None:
    """Every field that is ours, whoever changed it."""
    live = children()[0]
    edit(live)

    assert differs(live, children()[0])


def test_nothing_is_taken_from_another_owner() -> None:
    """Foreign is left alone; a deleted backend's children are waited for."""
    ours = children()[0]
    deployment = {"kind": "Deployment", "uid": "u", "controller": True}

    assert ownership(None, uid="uid-a") == "Absent"
    assert ownership(ours, uid="uid-a") == "Ours"
    assert ownership(ours, uid="uid-later") == "Predecessor"
    assert ownership({"metadata": {"ownerReferences": [deployment]}}, uid="x") == "Foreign"
    assert ownership({"metadata": {}}, uid="x") == "Foreign"


SCALED: dict[str, Any] = {"scaling": {"minReplicas": 2, "maxReplicas": 5, "targetRequests": 8}}


def test_a_scaled_deployment_begins_with_the_minimum() -> None:
    """And a change of bounds alone is no change of what its pods are."""
    wider: dict[str, Any] = {"scaling": {**SCALED["scaling"], "maxReplicas": 9}}

    assert children(**SCALED)[0]["spec"]["replicas"] == 2
    assert not differs(children(**SCALED)[0], children(**wider)[0])


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        ({}, False),
        ({"replicas": 1}, False),
        ({"replicas": 2}, True),
        (SCALED, True),
        ({"replicas": 1, "scaling": {"mode": "External"}}, True),
    ],
)
def test_a_disruption_budget_does_not_come_and_go_with_the_load(
    spec: dict[str, Any], budget: bool
) -> None:
    """Where somebody scales it is always there."""
    assert ("PodDisruptionBudget" in [one["kind"] for one in children(**spec)]) is budget
