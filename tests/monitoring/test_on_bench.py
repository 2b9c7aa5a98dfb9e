"""What the chart gives prometheus-operator, on an API server with its own CRDs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.bench.fixtures import required
from tests.monitoring.crds import KINDS, NoCrds, crds

pytestmark = pytest.mark.bench
CHART = Path(__file__).parent.parent.parent / "charts" / "pointsman"
NAMESPACE = "monitoring-bench"
_VALUES = (
    "monitoring.podMonitors.enabled=true,monitoring.rules.enabled=true,"
    "monitoring.rules.labels.release=prometheus,ledger.enabled=true,ledger.tokenSecret=ledger,"
    "networkPolicy.enabled=false"
)


@pytest.fixture(scope="module")
def served(bench: Bench) -> Iterator[Bench]:
    """The API server knows the kinds, and a namespace is there."""
    try:
        folder = crds()
    except NoCrds as error:
        if required():
            raise
        pytest.skip(f"not run: {error}")
    names = [f"crd/{kind}.monitoring.coreos.com" for kind in KINDS]
    bench.apply(folder)
    bench.kubectl("wait", "--for=condition=Established", "--timeout=120s", *names)
    bench.kubectl("create", "namespace", NAMESPACE)
    yield bench
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    bench.kubectl("delete", "--wait=false", *names)


def _objects(bench: Bench) -> list[dict[str, Any]]:
    options = ("--namespace", NAMESPACE, "--set", _VALUES)
    text = bench.helm("template", "desk", str(CHART), *options)
    kinds = ("PodMonitor", "PrometheusRule")
    return [item for item in yaml.safe_load_all(text) if item and item["kind"] in kinds]


def _apply(bench: Bench, objects: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump_all(objects)
    bench.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=text)


def test_its_kinds_take_what_the_chart_renders(served: Bench) -> None:
    """Unknown fields are refused, and what is stored is what was sent."""
    objects = _objects(served)
    assert [item["kind"] for item in objects] == ["PodMonitor"] * 3 + ["PrometheusRule"]
    _apply(served, objects)
    for item in objects:
        name = item["metadata"]["name"]
        kind = f"{item['kind'].lower()}.monitoring.coreos.com"
        text = served.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json")
        assert json.loads(text)["spec"] == item["spec"]


def test_they_would_refuse_what_is_wrong(served: Bench) -> None:
    """A duration that is none, a field that there is not: else the test before says nothing."""
    *_, monitor, rules = _objects(served)
    rules["spec"]["groups"][0]["rules"][0]["for"] = "five minutes"
    with pytest.raises(CommandFailed, match=r"rules\[0\]\.for"):
        _apply(served, [rules])
    monitor["spec"]["podMetricsEndpoints"][0]["every"] = "30s"
    with pytest.raises(CommandFailed, match="every"):
        _apply(served, [monitor])
