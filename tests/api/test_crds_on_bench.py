"""The CRDs on a real API server: accepted, explained, and of one mind with our own parse()."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from pointsman.api.manifests.document import BadDocument, read
from pointsman.api.v1alpha1 import EvaluationSuite, ModelBackend, RoutingPolicy
from pointsman.api.v1alpha1.status import ModelBackendStatus, RoutingPolicyStatus
from pointsman.api.validation import ApiModel, Invalid, parse
from tests.api import governance_strategies
from tests.api.dry_run import DryRun
from tests.api.strategies import backends, behaviors, objects, policies, suites
from tests.api.test_examples import CRDS, EXAMPLES, INVALID, name
from tests.bench import Bench, CommandFailed

pytestmark = pytest.mark.bench

DEFAULT = {"targets": [{"backendRef": {"name": "a"}}]}
SAME_VERDICT = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def cluster(bench: Bench) -> Bench:
    """The bench with both CRDs established and served."""
    bench.apply(CRDS / "manifests")
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    end = time.monotonic() + 30
    while "pointsman" not in bench.kubectl("api-resources", "--api-group=pointsman.dev"):
        assert time.monotonic() < end
    return bench


@pytest.fixture(scope="module")
def dry_run(cluster: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DryRun]:
    """One kept connection for all examples of a property."""
    with DryRun(cluster.kubeconfig, tmp_path_factory.mktemp("admin")) as connection:
        yield connection


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_the_api_server_takes_an_example(cluster: Bench, folder: Path) -> None:
    """Every object of it, with strict validation."""
    said = cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(folder))
    text = "\n" + "\n".join(file.read_text() for file in folder.iterdir())
    assert said.count("created (server dry run)") == text.count("\nkind: ")


@pytest.fixture(scope="module")
def refusals(cluster: Bench) -> dict[str, str]:
    """What the API server says of each file, by one kubectl: one for each takes a second of CPU."""
    files = [argument for file in INVALID for argument in ("-f", str(file))]
    with pytest.raises(CommandFailed) as refused:
        cluster.kubectl("create", "--dry-run=server", "--validate=strict", *files)
    _, *said = str(refused.value).partition(" ended with ")[2].split('error when creating "')
    return {file: text for file, _, text in (one.partition('": ') for one in said)}


@pytest.mark.parametrize("file", INVALID, ids=name)
def test_the_api_server_refuses_with_the_message(refusals: dict[str, str], file: Path) -> None:
    """The first line of the file is in its answer."""
    expected = file.read_text().splitlines()[0].removeprefix("# ")
    assert expected in refusals[str(file)]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("rp.spec.rules", ["Rules in order", "match\t<Object>", "targets\t<[]Object>"]),
        ("rp.spec.rules.fallback.when", ["[]string", "Default: Error, Timeout"]),
        ("mb.spec", ["model\t<string> -required-", "contextWindow\t<integer>"]),
        (
            "mb.spec.deployment.engine",
            ["ENUM: VLLM SGLang LlamaCpp Ollama Simulator Custom", "a stand-in without a model"],
        ),
        ("mb.spec.deployment.resources.limits", ["map[string]", "GPUs belong here."]),
        ("mb.status.lastFailure", ["such as ImagePullBackOff"]),
    ],
)
def test_kubectl_explains_the_fields(cluster: Bench, field: str, words: list[str]) -> None:
    """What a user reads who has no documentation at hand."""
    shown = cluster.kubectl("explain", field)
    flat = " ".join(shown.replace("\t", "\x00").split()).replace("\x00", "\t")
    for word in words:
        assert word in flat or word in shown, shown


def test_columns_and_the_category_show_the_fleet(cluster: Bench) -> None:
    """`kubectl get pointsman` lists both kinds; the columns are filled from status."""
    cluster.apply(CRDS / "examples" / "01-one-model")
    try:
        for kind, status in (("mb/first-model", BACKEND_STATUS), ("rp/one-model", POLICY_STATUS)):
            patch = patch_of({"status": status})
            cluster.kubectl("patch", kind, "--subresource=status", "--type=merge", "-p", patch)
        shown = cluster.kubectl("get", "pointsman")
        backend, policy = (line.split() for line in shown.splitlines() if line.count("/") >= 1)
        assert backend[1:6] == ["True", "2", "5", "first-model", "EndpointsAvailable"]
        assert policy[1:6] == ["True", '["chat"]', "one-model-abc", "3/3", "Programmed"]
    finally:
        cluster.kubectl("delete", "-f", str(CRDS / "examples" / "01-one-model"))


def test_the_scale_subresource_works(cluster: Bench) -> None:
    """`kubectl scale` writes spec.replicas, also where it was absent; an HPA finds the selector."""
    cluster.apply(CRDS / "examples" / "01-one-model" / "backend.yaml")
    try:
        cluster.kubectl("scale", "mb/first-model", "--replicas=3")
        patch = patch_of({"status": BACKEND_STATUS})
        cluster.kubectl(
            "patch", "mb/first-model", "--subresource=status", "--type=merge", "-p", patch
        )
        scale = cluster.kubectl(
            "get", "mb/first-model", "--subresource=scale", "-o",
            "jsonpath={.spec.replicas} {.status.replicas} {.status.selector}",
        )  # fmt: skip
        assert scale == "3 2 pointsman.dev/backend=first-model"
    finally:
        cluster.kubectl("delete", "mb/first-model")


def test_who_scales_decides_who_may_write_replicas(cluster: Bench) -> None:
    """An HPA that names a backend with QueueDepth gets an answer that says what is wrong."""
    example = CRDS / "examples" / "07-scale-on-load" / "backend.yaml"
    cluster.apply(example)
    try:
        with pytest.raises(CommandFailed, match="replicas cannot be set with scaling mode"):
            cluster.kubectl("scale", "mb/desk-model", "--replicas=3")
    finally:
        cluster.kubectl("delete", "-f", str(example))


@SAME_VERDICT
@given(behaviors)
def test_a_behavior_gets_the_verdict_of_an_hpa(dry_run: DryRun, behavior: dict[str, Any]) -> None:
    """autoscaling/v2's validation is the one that users know."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, "behavior": behavior},
    }
    scaling = {"maxReplicas": 3, "targetRequests": 8, "behavior": behavior}
    spec = {"model": "m", "deployment": {"engine": "Simulator"}, "scaling": scaling}
    theirs, ours = dry_run.create(hpa), refusal(ModelBackend, {**BACKEND, "spec": spec})
    event("refused" if ours else "taken")
    assert bool(theirs) == bool(ours), f"an HPA: {theirs or 'taken'}; we: {ours or 'taken'}"


@SAME_VERDICT
@given(objects("ModelBackend", backends))
def test_a_backend_gets_one_verdict(dry_run: DryRun, value: dict[str, Any]) -> None:
    """What the API server takes, parse() takes, and nothing else."""
    same_verdict(dry_run, ModelBackend, value)


@SAME_VERDICT
@given(objects("RoutingPolicy", policies))
def test_a_policy_gets_one_verdict(dry_run: DryRun, value: dict[str, Any]) -> None:
    """What the API server takes, parse() takes, and nothing else."""
    same_verdict(dry_run, RoutingPolicy, value)


@SAME_VERDICT
@given(governance_strategies.of_backends, governance_strategies.of_policies, st.booleans())
def test_governance_gets_one_verdict(
    dry_run: DryRun, backend: dict[str, Any], policy: dict[str, Any], external: bool
) -> None:
    """Of a backend and of a policy that are good but for it."""
    place: dict[str, Any] = {"external": {"url": "https://a.example/v1"}}
    if not external:
        place = {"deployment": {"engine": "Simulator"}}
    for kind, spec in (
        (ModelBackend, {"model": "m", **place, "governance": backend}),
        (RoutingPolicy, {"modelNames": ["a"], "default": DEFAULT, "governance": policy}),
    ):
        whole = {
            "apiVersion": "pointsman.dev/v1alpha1",
            "kind": kind.__name__,
            "metadata": {"name": "a", "namespace": "default"},
            "spec": spec,
        }
        same_verdict(dry_run, kind, whole)


@SAME_VERDICT
@given(objects("EvaluationSuite", suites))
def test_a_suite_gets_one_verdict(dry_run: DryRun, value: dict[str, Any]) -> None:
    """What the API server takes, parse() takes, and nothing else."""
    same_verdict(dry_run, EvaluationSuite, value)


def same_verdict(dry_run: DryRun, model: type[ApiModel], value: dict[str, Any]) -> None:
    theirs, ours = dry_run.create(value), refusal(model, value)
    event("refused" if ours else "taken")
    assert bool(theirs) == bool(ours), f"the API server: {theirs or 'taken'}; we: {ours or 'taken'}"


def refusal(model: type[ApiModel], value: dict[str, Any]) -> str:
    """Why parse() refuses an object; empty if it takes it."""
    try:
        parse(model, value)
    except Invalid as error:
        return str(error)
    return ""


SCALARS = st.one_of(
    st.from_regex(r"[-+]?[0-9a-fxob_.eE:]{1,8}", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", fullmatch=True),
    st.sampled_from(["y", "Y", "yes", "n", "no", "NO", "on", "On", "off", "OFF", "true", "True"]),
    st.sampled_from(["null", "~", "Null", "y1", "nope", "1_0", "-017"]),
)


def plain(text: str) -> bool:
    """Whether a text can stand unquoted in a list, and JSON can hold its value."""
    try:
        document = read(f"- {text}")
    except BadDocument:
        return False
    return document is not None and not isinstance(document.value[0], dict)


@settings(max_examples=10, phases=[Phase.reuse, Phase.generate])  # shrinking: minutes of kubectl
@given(st.lists(SCALARS.filter(plain), min_size=50, max_size=100))
def test_yaml_is_read_as_kubectl_reads_it(bench: Bench, texts: list[str]) -> None:
    """The same text is the same JSON, for numbers, dates, and words that may be booleans."""
    head = "apiVersion: example.com/v1\nkind: Any\nmetadata: {name: x}\nspec:\n"
    text = head + "".join(f"- {scalar}\n" for scalar in texts)
    printed = bench.kubectl("annotate", "--local", "-f", "-", "a=b", "-o", "json", input=text)
    theirs = json.loads(printed)["spec"]
    document = read(text)
    assert document is not None
    ours = json.loads(json.dumps(document.value["spec"]))
    found = zip(texts, ours, theirs, strict=True)
    assert [one for one in found if one[1] != one[2] or type(one[1]) is not type(one[2])] == []


READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "message": "",
}
BACKEND: dict[str, Any] = {
    "apiVersion": "pointsman.dev/v1alpha1",
    "kind": "ModelBackend",
    "metadata": {"name": "a"},
}
SCALED = {
    "time": "2026-01-02T03:04:05Z",
    "reason": "LoadRose",
    "observed": 7,
    "previous": 1,
    "desired": 2,
    "clampedBy": "Max",
    "message": "m",
}
BACKEND_STATUS = {
    "observedGeneration": 1,
    "replicas": 2,
    "readyReplicas": 2,
    "queueDepth": 5,
    "lastScale": SCALED,
    "scalingHistory": [SCALED] * 5,
    "scalingMemory": "[1]",
    "selector": "pointsman.dev/backend=first-model",
    "endpoint": "first-model-model.default.svc:8000",
    "lastFailure": {"pod": "p", "container": "c", "reason": "OOMKilled", "message": "m"},
    "conditions": [READY | {"reason": "EndpointsAvailable"}],
}
POLICY_STATUS = {
    "observedGeneration": 1,
    "activeRevision": "one-model-abc",
    "routers": {
        "summary": "3/3",
        "programmed": 3,
        "total": 3,
        "laggards": [{"pod": "r", "revision": "one-model-old", "error": "refused"}],
    },
    "conditions": [READY | {"reason": "Programmed"}],
}


def patch_of(value: dict[str, Any]) -> str:
    """A patch; what is not in the status schema would be dropped, so it is checked here."""
    status = value["status"]
    parse(ModelBackendStatus if "replicas" in status else RoutingPolicyStatus, status)
    return json.dumps(value)
