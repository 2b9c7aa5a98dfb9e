"""A backend that nests as deep as an API server takes: whoever writes it holds up nobody else."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.operator.objects import backend, policy, route

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
NAMESPACE: Final = "deep"
QUICK: Final = {"engine": "Simulator"}
DEEP: Final = {"deep": 900, "deeper": 1500, "deepest": 9990}
"""Levels: Python reads about a thousand, the API server ten thousand."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release of its own."""
    yield install(bench, NAMESPACE)
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def apply(fleet: Fleet, *items: dict[str, Any]) -> None:
    """As a user would."""
    for item in items:
        bare = {**item, "metadata": {"name": item["metadata"]["name"]}}
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(bare))


def deep(name: str, levels: int) -> str:
    """A backend as JSON; `json.dumps` itself takes no such depth."""
    whole = backend(name, deployment={**QUICK, "podTemplate": {"spec": "HERE"}})
    whole["metadata"] = {"name": name}
    return json.dumps(whole).replace('"HERE"', '{"a":' * levels + "1" + "}" * levels)


def test_it_holds_up_nobody(fleet: Fleet) -> None:
    """Neither an operator that runs nor one that starts; it is told why it is refused."""
    for name, levels in DEEP.items():
        fleet.kubectl("create", "-f", "-", stdin=deep(name, levels))
    apply(fleet, backend("a", deployment=QUICK), policy(default=route("a")))
    fleet.kubectl("wait", "--for=condition=Ready", "mb/a", "rp/desk", "--timeout=90s")
    for pod in fleet.pods("operator"):
        fleet.kubectl("delete", "pod", pod["metadata"]["name"])
    apply(fleet, policy("two", model_names=("two",), default=route("a")))
    fleet.kubectl("wait", "--for=condition=Ready", "mb/a", "rp/desk", "rp/two", "--timeout=90s")

    for name in DEEP:
        path = 'jsonpath={.status.conditions[?(@.type=="Ready")].message}'
        said = fleet.kubectl("get", "modelbackend", name, "-o", path)
        assert said.startswith("spec.deployment.podTemplate: nests deeper than 32 levels"), said
    restarts = [
        container["restartCount"]
        for pod in fleet.pods("operator")
        for container in pod["status"]["containerStatuses"]
    ]
    assert restarts == [0] * len(restarts)
