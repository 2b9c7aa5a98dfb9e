"""The examples are good, and the refused manifests are refused, each with its message."""

from pathlib import Path

import pytest
import yaml

from pointsman.api.conditions import Reason
from pointsman.api.manifests import Severity, cross_check, load
from pointsman.api.schema import definition
from pointsman.api.schema.crd import KINDS
from pointsman.simulator.settings import parse as simulator_settings

CRDS = Path(__file__).parents[2] / "crds"
EXAMPLES = sorted(path for path in (CRDS / "examples").iterdir() if path.is_dir())
INVALID = sorted((CRDS / "invalid").glob("*.yaml"))


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_an_example_loads_and_explains_itself(folder: Path) -> None:
    """No problem in any file, and a comment at the top of each."""
    loaded = load([folder])
    assert loaded.problems == ()
    assert loaded.policies
    assert all(file.read_text().startswith("# ") for file in folder.iterdir())


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_an_example_is_complete(folder: Path) -> None:
    """Nothing is missing or shadowed; 03 adds to 02, and refers to its backends."""
    found = cross_check(load([folder]))
    if folder.name.startswith("03"):
        found = tuple(f for f in found if f.problem.reason is not Reason.BACKEND_NOT_FOUND)
    assert found == ()


def test_the_fifth_model_joins_the_support_desk() -> None:
    """02 and 03 together are complete, but for the policy that 03 replaces."""
    both = [path for path in EXAMPLES if path.name[:2] in ("02", "03")]
    (replaced,) = cross_check(load(both))
    assert replaced.problem.reason is Reason.NAME_CONFLICT


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_simulators_understand_their_arguments(folder: Path) -> None:
    """Flags of pointsman-simulator, with the operator's --model before them."""
    for backend in load([folder]).backends:
        deployment = backend.value.spec.deployment
        if deployment is not None and deployment.engine == "Simulator":
            settings = simulator_settings(["--model", "m", *deployment.args])
            assert settings.model == "m"


def test_an_autoscaler_of_an_example_has_what_it_divides_by() -> None:
    """A utilization is of what pods request: without it an HPA says FailedGetResourceMetric."""
    found = 0
    for file in (CRDS / "examples").glob("*/hpa.yaml"):
        scaler = yaml.safe_load(file.read_text())["spec"]
        backends = {one.value.metadata.name: one.value for one in load([file.parent]).backends}
        deployment = backends[scaler["scaleTargetRef"]["name"]].spec.deployment
        assert deployment is not None
        assert deployment.resources is not None
        for metric in scaler["metrics"]:
            assert metric["resource"]["name"] in deployment.resources.requests
            found += 1
    assert found


@pytest.mark.parametrize("file", INVALID, ids=name)
def test_a_refused_manifest_is_refused_with_its_message(file: Path) -> None:
    """The first line says what the API server answers; we say the same."""
    expected = file.read_text().splitlines()[0].removeprefix("# ")
    problems = [p for p in load([file]).problems if p.severity is Severity.ERROR]
    assert any(expected in str(problem) for problem in problems), problems


def test_every_rule_has_a_refused_manifest() -> None:
    """A rule that no example breaks is a rule that nobody tried."""
    tried = "\n".join(
        str(problem.problem.message) for file in INVALID for problem in load([file]).problems
    )

    def messages(node: object) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(messages, node))
        if not isinstance(node, dict):
            return set()
        own = {rule["message"] for rule in node.get("x-kubernetes-validations", ())}
        return own.union(*map(messages, node.values()))

    missing = {m for kind in KINDS for m in messages(definition(kind)) if m not in tried}
    assert missing == set()
