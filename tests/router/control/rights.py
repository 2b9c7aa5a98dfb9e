"""What the router's ServiceAccount may do, and nothing more: the chart must give the same."""

import json
from pathlib import Path

from tests.bench import Bench
from tests.router.control.objects import NAMESPACE, Json

_RIGHTS: list[Json] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "router", "namespace": NAMESPACE},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["configmaps", "services"],
                "verbs": ["list", "watch"],
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["list", "watch"],
            },
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "router-reviews"},
        "rules": [
            {
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["tokenreviews"],
                "verbs": ["create"],
            }
        ],
    },
]


def _binding(kind: str, name: str, role: str) -> Json:
    metadata = {"name": name} | ({"namespace": NAMESPACE} if kind == "RoleBinding" else {})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind.removesuffix("Binding"),
            "name": role,
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": "pointsman-router", "namespace": NAMESPACE}
        ],
    }


def grant(bench: Bench) -> Path:
    """Makes the namespace and both ServiceAccounts; a kubeconfig as the router."""
    bench.kubectl("create", "namespace", NAMESPACE)
    for name in ("pointsman-router", "pointsman-operator"):
        bench.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
    for thing in (
        *_RIGHTS,
        _binding("RoleBinding", "router", "router"),
        _binding("ClusterRoleBinding", "router-reviews", "router-reviews"),
    ):
        bench.apply(json.dumps(thing))
    return bench.service_account_kubeconfig(NAMESPACE, "pointsman-router")
