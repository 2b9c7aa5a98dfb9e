"""The objects of a backend with `deployment`, and whether live ones differ.

Guarantees pods that pass the restricted Pod Security Standard, with overrides the baseline one, and
rollouts that never take the last good pod away. Refuses to decide about objects that another owner
controls.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from pointsman.api import names
from pointsman.api.v1alpha1 import Deployment, Engine, ModelBackend
from pointsman.api.validation import Invalid, Problem
from pointsman.operator.plan.draining import grace_s
from pointsman.operator.plan.engines import container_of, init_containers_of, volumes_of
from pointsman.operator.plan.objects import Json, annotations_of, controller_of, labels_of
from pointsman.operator.plan.pod_rules import PodRules
from pointsman.operator.plan.strategic_merge import MergeRefused, merge_template

ANNOTATION_HASH: Final = f"{names.GROUP}/spec-hash"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
"""Router pods and model pods both carry it: one watch sees both."""
PART_OF: Final = "pointsman"
MAX_LEVELS: Final = 32
"""Of overrides: a pod template has a dozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Default images by engine."""

    simulator: str
    vllm: str


Ownership = Literal["Absent", "Ours", "Predecessor", "Foreign"]


def ownership(live: Json | None, *, uid: str) -> Ownership:
    """Whose an object is; `Predecessor` waits for the garbage collector of a deleted backend."""
    if live is None:
        return "Absent"
    owner = controller_of(live)
    if owner.get("uid") == uid:
        return "Ours"
    return "Predecessor" if owner.get("kind") == names.MODEL_BACKEND else "Foreign"


def selector_of(backend: str) -> dict[str, str]:
    """Labels that select a backend's pods; immutable in a Deployment, so few."""
    return {names.LABEL_BACKEND: backend}


def labels_of_backend(backend: str) -> dict[str, str]:
    """Labels of everything that belongs to a backend."""
    return {
        "app.kubernetes.io/name": "model-server",
        "app.kubernetes.io/instance": backend,
        LABEL_PART_OF: PART_OF,
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        **selector_of(backend),
    }


def _meta(namespace: str, backend: ModelBackend) -> dict[str, Any]:
    return {
        "name": names.service_name(backend.metadata.name),
        "namespace": namespace,
        "labels": labels_of_backend(backend.metadata.name),
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.MODEL_BACKEND,
                "name": backend.metadata.name,
                "uid": backend.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def _pod_security(engine: Engine) -> dict[str, Any]:
    # A Custom image may name its own user; ours and vLLM's would start as root.
    user = {} if engine == Engine.CUSTOM else {"runAsUser": 65532, "runAsGroup": 65532}
    return {
        "runAsNonRoot": True,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
        **user,
    }


def _deployment(
    namespace: str, backend: ModelBackend, deployment: Deployment, images: Images, rules: PodRules
) -> dict[str, Any]:
    name = backend.metadata.name
    container = container_of(backend.spec, deployment, simulator=images.simulator, vllm=images.vllm)
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s(deployment.engine),
        "securityContext": _pod_security(deployment.engine),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_of(name)},
            }
        ],
        "containers": [container],
    }
    if first := init_containers_of(backend.spec, deployment, container):
        pod["initContainers"] = first
    if volumes := volumes_of(deployment):
        pod["volumes"] = volumes
    if deployment.cache and rules.owns_claim(deployment.cache.claim_name):
        message = "is the volume of Pointsman's own ledger"
        raise Invalid((Problem("spec.deployment.cache.claimName", message),))
    template = overridden(
        {"metadata": {"labels": labels_of_backend(name)}, "spec": pod},
        deployment.pod_template or {},
    )
    if problems := rules.problems(template):
        raise Invalid(problems)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(namespace, backend),
        "spec": {
            "replicas": backend.spec.replicas_at_first,
            "selector": {"matchLabels": selector_of(name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "progressDeadlineSeconds": 600,
            "template": template,
        },
    }


def overridden(template: dict[str, Any], patch: Json) -> dict[str, Any]:
    """
    The pod template with `podTemplate` merged in; raises Invalid where that breaks the backend.

    Labels that select the pods, the container `model` and its port `http` have to stay: without
    them the Deployment, the Service and the routers would look past each other.
    """
    place = "spec.deployment.podTemplate"
    unknown = sorted(patch.keys() - {"metadata", "spec"})
    if unknown:
        raise Invalid((Problem(f"{place}.{unknown[0]}", "is neither metadata nor spec"),))
    if _nests(patch, MAX_LEVELS):
        raise Invalid((Problem(place, f"nests deeper than {MAX_LEVELS} levels"),))
    try:
        merged = merge_template(template, patch)
    except MergeRefused as error:
        where = f"{place}.{error.path}" if error.path else place
        raise Invalid((Problem(where, error.message),)) from error
    labels, kept = labels_of(merged), labels_of(template)
    lost = next((key for key in kept if labels.get(key) != kept[key]), None)
    if lost:
        raise Invalid((Problem(f"{place}.metadata.labels", f"the label {lost} has to stay"),))
    containers = (merged.get("spec") or {}).get("containers") or ()
    model: Json = next((one for one in containers if one.get("name") == "model"), {})
    if all(port.get("name") != "http" for port in model.get("ports") or ()):
        message = "the container model and its port http have to stay"
        raise Invalid((Problem(f"{place}.spec.containers", message),))
    return merged


def _nests(value: object, levels: int) -> bool:
    """Whether something in it is deeper."""
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_nests(one, levels - 1) for one in parts)


def _disruption_budget(namespace: str, backend: ModelBackend) -> dict[str, Any]:
    """A drained node takes one replica at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(namespace, backend),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector_of(backend.metadata.name)},
        },
    }


def _service(namespace: str, backend: ModelBackend, deployment: Deployment) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(namespace, backend),
        "spec": {
            "type": "ClusterIP",
            "selector": selector_of(backend.metadata.name),
            "ports": [
                {
                    "name": "http",
                    "protocol": "TCP",
                    "port": deployment.port or names.DEFAULT_MODEL_PORT,
                    "targetPort": "http",
                }
            ],
        },
    }


def _stamped(child: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(child, sort_keys=True, separators=(",", ":"))
    child["metadata"]["annotations"] = {
        ANNOTATION_HASH: hashlib.sha256(text.encode()).hexdigest()[:16]
    }
    return child


def render_children(
    backend: ModelBackend, *, namespace: str, images: Images, rules: PodRules
) -> tuple[dict[str, Any], ...]:
    """
    Deployment, Service and, where there may be several replicas, PodDisruptionBudget.

    Nothing for a backend that is not deployed by us; raises Invalid. With scaling mode QueueDepth
    the replicas are those that it begins with.
    """
    deployment = backend.spec.deployment
    if deployment is None:
        return ()
    children = [
        _deployment(namespace, backend, deployment, images, rules),
        _service(namespace, backend, deployment),
    ]
    if backend.spec.scaling or backend.spec.replicas_at_first > 1:
        children.append(_disruption_budget(namespace, backend))
    return tuple(map(_stamped, children))


_SUFFIX: Final[dict[str, Decimal | int]] = {
    "": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def _quantity(text: str) -> Decimal | None:
    digits = text.rstrip("mkMGTi")
    try:
        return Decimal(digits) * _SUFFIX[text[len(digits) :]]
    except (InvalidOperation, KeyError):
        return None


def _holds(live: object, wanted: object) -> bool:
    """True if `live` has all of `wanted`; what the API server defaulted does not count."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and _holds(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list) and len(live) == len(wanted) and all(map(_holds, live, wanted))
        )
    if isinstance(wanted, str) and isinstance(live, str) and wanted != live:
        quantity = _quantity(wanted)
        return quantity is not None and quantity == _quantity(live)
    return live == wanted


def differs(live: Json, wanted: Json) -> bool:
    """True if the live child must be applied again: its hash or any field that is ours differs."""
    wanted_hash = annotations_of(wanted).get(ANNOTATION_HASH)
    if annotations_of(live).get(ANNOTATION_HASH) != wanted_hash:
        return True
    return not _holds(
        {"labels": (live.get("metadata") or {}).get("labels"), "spec": live.get("spec")},
        {"labels": wanted["metadata"]["labels"], "spec": wanted["spec"]},
    )
