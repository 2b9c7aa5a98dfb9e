"""One broken policy is refused by name and holds up no other."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.fleet import ROOT, Fleet

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
POLICY = {
    "apiVersion": "pointsman.dev/v1alpha1",
    "kind": "RoutingPolicy",
    "metadata": {"name": "fragile"},
    "spec": {
        "modelNames": ["fragile"],
        "rules": [
            {
                "name": "long",
                "match": {"contextTokens": {"min": 10, "max": 100}},
                "targets": [{"backendRef": {"name": "kimi-long"}}],
                "fallback": {"chain": [{"name": "qwen-light"}]},
            }
        ],
        "default": {"targets": [{"backendRef": {"name": "qwen-light"}}]},
    },
}


def wait_condition(fleet: Fleet, kind: str, name: str, wanted: str, **fields: str) -> str:
    """The condition's message once its fields are as given, for the present generation."""

    def so() -> str | None:
        generation = fleet.get(kind, name)["metadata"]["generation"]
        got = fleet.condition(kind, name, wanted)
        if got.get("observedGeneration") != generation:
            return None
        return str(got["message"]) if all(got[k] == v for k, v in fields.items()) else None

    return fleet.cluster.wait_for(so, 60, f"{kind}/{name} {wanted} {fields}")


def answered_by(fleet: Fleet, model: str) -> str:
    """The backend that answers a short question on every router; they must agree."""
    found = set()
    for url in fleet.routers():
        with fleet.client(url) as sdk:
            raw = sdk.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=2
            )
            found.add(raw.headers["x-pointsman-backend"])
    assert len(found) == 1
    return found.pop()


@pytest.fixture
def fragile(fleet: Fleet) -> Iterator[str]:
    """A policy that was good, accepted and in force; gone after the test."""
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps(POLICY))
    wait_condition(fleet, "rp", "fragile", "Ready", status="True")
    yield str(fleet.get("rp", "fragile")["status"]["activeRevision"])
    fleet.kubectl("delete", "rp", "fragile")


@pytest.fixture
def older_schema(fleet: Fleet) -> Iterator[None]:
    """The CRD as a release without rules had it: it stores what today's refuses."""
    path = ROOT / "crds" / "manifests" / "pointsman.dev_routingpolicies.yaml"
    crd = yaml.safe_load(path.read_text())
    fleet.cluster.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        input=json.dumps(without_rules(crd)),
    )
    yield
    fleet.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path))


def without_rules(node: object) -> object:
    """The schema without CEL."""
    if isinstance(node, dict):
        return {k: without_rules(v) for k, v in node.items() if k != "x-kubernetes-validations"}
    return [without_rules(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("patch", "reason", "field"),
    [
        (
            [
                {
                    "op": "replace",
                    "path": "/spec/rules/0/targets/0/backendRef/name",
                    "value": "nobody",
                }
            ],
            "BackendNotFound",
            "spec.rules[0].targets[0].backendRef.name",
        ),
        (
            [
                {
                    "op": "replace",
                    "path": "/spec/rules/0/fallback/chain/0/name",
                    "value": "kimi-long",
                }
            ],
            "FallbackCycle",
            "spec.rules[0].fallback",
        ),
        (
            [{"op": "replace", "path": "/spec/rules/0/match/contextTokens/min", "value": 101}],
            "InvalidRange",
            "spec.rules[0].match.contextTokens.min",
        ),
    ],
    ids=["missing-backend", "fallback-cycle", "bad-range"],
)
@pytest.mark.usefixtures("older_schema")
def test_a_broken_edit_is_refused_and_the_last_accepted_revision_stays(
    fleet: Fleet, fragile: str, patch: list[dict[str, object]], reason: str, field: str
) -> None:
    """The condition names the field; traffic goes on; another policy's edit is not held up."""
    fleet.kubectl("patch", "rp", "fragile", "--type=json", "-p", json.dumps(patch))
    message = wait_condition(fleet, "rp", "fragile", "Accepted", status="False", reason=reason)
    assert message.startswith(field)
    assert fleet.get("rp", "fragile")["status"]["activeRevision"] == fragile
    assert answered_by(fleet, "fragile") == "qwen-light"

    other = '{"spec": {"default": {"timeouts": {"request": "177s"}}}}'
    fleet.kubectl("patch", "rp", "support-desk", "--type=merge", "-p", other)
    wait_condition(fleet, "rp", "support-desk", "Programmed", status="True")


@pytest.fixture
def tidy(fleet: Fleet) -> Iterator[None]:
    """What the test applied is gone after it, also if it failed: others compare all there is."""
    yield
    fleet.kubectl("delete", "rp/early", "mb/late", "--ignore-not-found")


@pytest.mark.usefixtures("tidy")
def test_a_policy_before_its_backend_converges_by_itself(fleet: Fleet) -> None:
    """Refused while the backend is missing, in force once it is there; nothing is touched."""
    early = json.loads(json.dumps(POLICY))
    early["metadata"]["name"] = "early"
    early["spec"] = {
        "modelNames": ["early"],
        "default": {"targets": [{"backendRef": {"name": "late"}}]},
    }
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps(early))
    wait_condition(fleet, "rp", "early", "ResolvedRefs", status="False", reason="BackendNotFound")
    late = fleet.get("mb", "qwen-light")
    backend = {**late, "metadata": {"name": "late"}}
    backend.pop("status")
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps(backend))
    wait_condition(fleet, "rp", "early", "Ready", status="True")
    wait_condition(fleet, "mb", "late", "Ready", status="True")
    assert answered_by(fleet, "early") == "late"

    fleet.kubectl("delete", "mb", "late")
    message = wait_condition(fleet, "rp", "early", "ResolvedRefs", status="False")
    assert message.startswith("spec.default.targets[0].backendRef.name")
    assert fleet.condition("rp", "early", "Accepted")["status"] == "True"
