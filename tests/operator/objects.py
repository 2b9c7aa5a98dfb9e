"""Objects as the API server would hand them out."""

from collections.abc import Mapping
from typing import Any

from pointsman.api import names, table
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator.plan.objects import observed_policy, parsed
from pointsman.operator.plan.revisions import Revision, revision_name
from pointsman.operator.plan.table import TablePlan, compile_table

NAMESPACE = "ai"
NOW = "2026-01-02T03:04:05Z"


def target(name: str, weight: int = 1) -> dict[str, Any]:
    return {"backendRef": {"name": name}, "weight": weight}


def route(*backends: str, chain: tuple[str, ...] = ()) -> dict[str, Any]:
    value: dict[str, Any] = {"targets": [target(name) for name in backends]}
    if chain:
        value["fallback"] = {"chain": [{"name": name} for name in chain]}
    return value


def rule(name: str, match: Mapping[str, Any], *backends: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "match": dict(match), **route(*backends, **more)}


def policy(
    name: str = "desk",
    *,
    model_names: tuple[str, ...] = ("auto",),
    rules: tuple[dict[str, Any], ...] = (),
    default: Mapping[str, Any] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    generation: int = 1,
    rollout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"modelNames": list(model_names), "default": default or route("a")}
    if rollout is not None:
        spec["rollout"] = dict(rollout)
    if rules:
        spec["rules"] = list(rules)
    return {
        "apiVersion": names.API_VERSION,
        "kind": "RoutingPolicy",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "generation": generation,
            "creationTimestamp": created,
        },
        "spec": spec,
    }


def backend(name: str = "a", *, generation: int = 1, **spec: Any) -> dict[str, Any]:
    if not {"deployment", "service", "external"} & spec.keys():
        spec["deployment"] = {"engine": "Simulator"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ModelBackend",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "generation": generation,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"model": f"model-{name}", **spec},
    }


def backends(*objects: Mapping[str, Any]) -> dict[str, ModelBackend | Invalid]:
    return {item["metadata"]["name"]: parsed(ModelBackend, item) for item in objects}


def accepted(*objects: Mapping[str, Any]) -> dict[str, Revision]:
    """These objects' specs as the last accepted revisions."""
    return {
        name: Revision(
            name=revision_name(name, item["spec"]), policy=name, number=1, spec=item["spec"]
        )
        for item in objects
        for name in [item["metadata"]["name"]]
    }


def compiled(
    *policies: Mapping[str, Any],
    known: Mapping[str, ModelBackend | Invalid] | None = None,
    last: Mapping[str, Revision] | None = None,
    previous: Mapping[str, table.PolicyEntry] | None = None,
) -> TablePlan:
    """The table of these policies; backends a, b and c exist unless said otherwise."""
    everything = backends(backend("a"), backend("b"), backend("c"))
    return compile_table(
        namespace=NAMESPACE,
        backends=everything if known is None else known,
        policies=[observed_policy(item) for item in policies],
        accepted=last or {},
        previous=previous,
    )


def blob_of(plan: TablePlan, name: str = "desk") -> table.PolicyBlob:
    """The compiled policy, as a router would decode it."""
    entry = plan.verdicts[name].entry
    assert entry
    return table.decode_blob(plan.blobs[entry.blob])


def golden(count: int, *, name: str = "golden", namespace: str | None = None) -> dict[str, Any]:
    """A suite of prompts that a simulator answers right as often as its declared quality says."""
    prompts = [
        {
            "name": f"p{number}",
            "task": "Coding",
            "prompt": f"Mend program {number}.",
            "maxTokens": 64,
            "metadata": {"pointsman-simulator-task": "Coding"},
            "checks": [{"contains": "Declared right"}],
        }
        for number in range(count)
    ]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "EvaluationSuite",
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
        "spec": {"prompts": prompts},
    }
