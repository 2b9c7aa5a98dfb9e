"""Every name that two parts must spell alike: group, labels, annotations, ports, headers."""

from typing import Final

GROUP: Final = "pointsman.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

MODEL_BACKEND: Final = "ModelBackend"
ROUTING_POLICY: Final = "RoutingPolicy"
EVALUATION_SUITE: Final = "EvaluationSuite"
PLURALS: Final = {
    MODEL_BACKEND: "modelbackends",
    ROUTING_POLICY: "routingpolicies",
    EVALUATION_SUITE: "evaluationsuites",
}

LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "pointsman"
LABEL_BACKEND: Final = f"{GROUP}/backend"
"""On the Deployment, pods and Service of a backend: the ModelBackend's name."""
LABEL_POLICY: Final = f"{GROUP}/policy"
"""On the ControllerRevisions of a policy: the RoutingPolicy's name."""
LABEL_TABLE: Final = f"{GROUP}/routing-table"
"""On the ConfigMaps of a RoutingTable; the value is the release's name. Routers watch it."""
LABEL_TABLE_PART: Final = f"{GROUP}/routing-table-part"
"""`manifest` or `blob`."""
LABEL_CREDENTIAL: Final = f"{GROUP}/credential"
"""A Secret without this label (value `true`) is never read."""
ANNOTATION_ALLOWED_HOSTS: Final = f"{GROUP}/allowed-hosts"
"""On a credential Secret: comma-separated hosts that may see the key; `*.example.com` covers one
label and more."""
LABEL_CALLERS: Final = f"{GROUP}/callers"
"""On a Secret whose entries are callers of a router (value `true`); without it nobody is let in."""

ANNOTATION_EVALUATE: Final = f"{GROUP}/evaluate"
"""On a ModelBackend with `evaluation`: each new value is an order to run the suite now, once."""

ANNOTATION_LOCAL_ADDRESS: Final = f"{GROUP}/local-address"
"""On a ModelBackend with `service`: where local mode finds that server, as `127.0.0.1:11434`."""
ANNOTATION_REPLAY: Final = f"{GROUP}/replay"
"""On the ControllerRevision of a candidate: what the replay of recent requests said, as JSON."""

ANNOTATION_DRIFT_REBASELINE: Final = f"{GROUP}/drift-rebaseline"
"""On a ModelBackend: each new value makes what it does now its baseline."""
LABEL_DRIFT: Final = f"{GROUP}/drift"
"""On the ConfigMap of what is known of a backend's drift: the ModelBackend's name."""

ANNOTATION_REDRAW: Final = f"{GROUP}/redraw"
"""On an EvaluationSuite with `ledger`: each new value is an order to draw anew."""
LABEL_DRAW: Final = f"{GROUP}/draw"
"""On the ConfigMap that says which requests were drawn: the EvaluationSuite's name."""

ROUTER_AUDIENCE: Final = "pointsman-router"
"""Audience of the token that the operator shows on a router's admin port."""
HEADER_EPOCH: Final = "x-pointsman-epoch"
HEADER_PIN: Final = "x-pointsman-pin"
"""On a router's admin port: the backend that a question goes to, and no other."""
MAX_QUESTION_BYTES: Final = 1024 * 1024
"""Its body; who asks is judged only when it is complete."""
EVALUATION: Final = "pointsman-evaluation"
"""The caller and team under which what the operator asks is counted; no policy answers it."""

DEFAULT_MODEL_PORT: Final = 8000
"""vLLM's default port, and so the simulator's."""


def service_name(backend: str) -> str:
    """Name of the Deployment and the Service that belong to a backend with `deployment`."""
    return f"{backend}-model"


def drift_name(backend: str) -> str:
    """Name of the ConfigMap with what is known of a backend's drift."""
    return f"{backend}-drift"


def draw_name(suite: str) -> str:
    """Name of the ConfigMap that says which requests were drawn for a suite; no texts."""
    return f"{suite}-draw"


def router_service_name(release: str) -> str:
    """Name of the Service before all routers of a release, as the chart calls it."""
    return f"{release}-router"
