"""The Kubernetes kinds that the operator touches, and the paths of their objects."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pointsman.api import names


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of namespaced objects."""

    name: str
    api_version: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """URL path of the collection, or of one object."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{root}{self.api_version}/namespaces/{namespace}/{self.plural}{tail}"


MODEL_BACKEND: Final = Kind(
    names.MODEL_BACKEND, names.API_VERSION, names.PLURALS[names.MODEL_BACKEND]
)
ROUTING_POLICY: Final = Kind(
    names.ROUTING_POLICY, names.API_VERSION, names.PLURALS[names.ROUTING_POLICY]
)
EVALUATION_SUITE: Final = Kind(
    names.EVALUATION_SUITE, names.API_VERSION, names.PLURALS[names.EVALUATION_SUITE]
)
CONTROLLER_REVISION: Final = Kind("ControllerRevision", "apps/v1", "controllerrevisions")
DEPLOYMENT: Final = Kind("Deployment", "apps/v1", "deployments")
SERVICE: Final = Kind("Service", "v1", "services")
POD_DISRUPTION_BUDGET: Final = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
POD: Final = Kind("Pod", "v1", "pods")
CONFIG_MAP: Final = Kind("ConfigMap", "v1", "configmaps")
ENDPOINT_SLICE: Final = Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
LEASE: Final = Kind("Lease", "coordination.k8s.io/v1", "leases")
DOCUMENT: Final = Kind("OpenAPI", "v3", "openapi")
"""No kind: what an API server says of its kinds."""
EVENT: Final = Kind("Event", "events.k8s.io/v1", "events")
