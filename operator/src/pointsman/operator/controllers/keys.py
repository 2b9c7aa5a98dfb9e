"""PURE: what is watched, and which keys an event of it concerns."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman.api import names
from pointsman.operator.cluster.client import FIELD_MANAGER
from pointsman.operator.cluster.mirror import LABEL_SERVICE
from pointsman.operator.cluster.tables import manifest_name
from pointsman.operator.plan.reevaluating.evidence import drift_said
from pointsman.operator.plan.rollout.ordering import said_of_rollout

OWN_SERVICE: Final = names.service_name("")
ORDERS: Final = (
    names.ANNOTATION_EVALUATE,
    names.ANNOTATION_DRIFT_REBASELINE,
    names.ANNOTATION_REDRAW,
)
"""Annotations by which a person asks for something now."""
Event = Mapping[str, Any]


class Keys:
    """Which keys an event concerns; called in kopf's thread only."""

    def __init__(self, release: str, services: Mapping[str, frozenset[str]]) -> None:
        self._manifest = manifest_name(release)
        self._services = services
        self._generations: dict[str, Any] = {}

    def _unchanged(self, event: Event) -> bool:
        """
        A MODIFIED without a new generation is a status's echo, unless somebody gave an order,
        a model was found to have drifted, or somebody else wrote the status.

        The resync covers the rest.
        """
        about = event["object"]["metadata"]
        notes = about.get("annotations") or {}
        orders = (*sorted(said_of_rollout(notes).items()), *map(notes.get, ORDERS))
        drifted = drift_said(event["object"])
        seen = (about.get("generation"), about.get("deletionTimestamp"), orders, drifted)
        before = self._generations.get(about["uid"])
        if event["type"] == "DELETED":
            self._generations.pop(about["uid"], None)
        else:
            self._generations[about["uid"]] = seen
        return event["type"] == "MODIFIED" and before == seen and not is_meddled(event["object"])

    def backend(self, event: Event) -> list[str]:
        """Its own key, and the table that refers to it."""
        if self._unchanged(event):
            return []
        return [f"backend/{event['object']['metadata']['name']}", "table"]

    def policy(self, event: Event) -> list[str]:
        """The table."""
        return [] if self._unchanged(event) else ["table"]

    def suite(self, event: Event) -> list[str]:
        """Its own key."""
        return [] if self._unchanged(event) else [f"suite/{event['object']['metadata']['name']}"]

    def pod(self, event: Event) -> list[str]:
        """A backend, or else the table, for it is a router."""
        labels = event["object"]["metadata"].get("labels") or {}
        owner = labels.get(names.LABEL_BACKEND)
        return [f"backend/{owner}"] if owner else ["table"]

    def slice(self, event: Event) -> list[str]:
        """The backends that refer to this Service."""
        labels = event["object"]["metadata"].get("labels") or {}
        service = labels.get(LABEL_SERVICE, "")
        return [f"backend/{name}" for name in self._services.get(service, ())]

    def service(self, event: Event) -> list[str]:
        """Those backends, and the one whose own it is."""
        name = event["object"]["metadata"]["name"]
        return _keys(_children_of(event) | self._services.get(name, frozenset()))

    def deployment(self, event: Event) -> list[str]:
        """The backend whose own it is."""
        return _keys(_children_of(event))

    def config_map(self, event: Event) -> list[str]:
        """The table, when it was touched; a new blob is our own doing."""
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED" or (event["type"] and name == self._manifest):
            return ["table"]
        return []


def is_meddled(item: Mapping[str, Any]) -> bool:
    """
    Whether somebody else wrote the status when, or after, the operator did for the last time.

    By metadata.managedFields, whose times are whole seconds of the API server's clock. One who only
    has fields from before is none: each of our own writes would be news for ever.
    """
    fields = item["metadata"].get("managedFields") or ()
    written = [one for one in fields if one.get("subresource") == "status"]
    ours = [str(one.get("time")) for one in written if one.get("manager") == FIELD_MANAGER]
    others = [str(one.get("time")) for one in written if one.get("manager") != FIELD_MANAGER]
    return bool(others) and max(others) >= max(ours, default="")


def _children_of(event: Event) -> set[str]:
    """The backend whose child it is, or whose child it stands in the way of."""
    about = event["object"]["metadata"]
    owner = (about.get("labels") or {}).get(names.LABEL_BACKEND)
    found = {owner} if owner else set()
    if about["name"].endswith(OWN_SERVICE):
        found.add(about["name"].removesuffix(OWN_SERVICE))
    return found


def _keys(backends: set[str]) -> list[str]:
    return sorted(f"backend/{name}" for name in backends)


WATCHED: Final[tuple[tuple[str, str, Callable[[Keys, Event], list[str]]], ...]] = (
    (names.API_VERSION, "modelbackends", Keys.backend),
    (names.API_VERSION, "routingpolicies", Keys.policy),
    (names.API_VERSION, "evaluationsuites", Keys.suite),
    ("apps/v1", "deployments", Keys.deployment),
    ("v1", "pods", Keys.pod),
    ("v1", "services", Keys.service),
    ("discovery.k8s.io/v1", "endpointslices", Keys.slice),
    ("v1", "configmaps", Keys.config_map),
)
"""What is watched, and which keys an event of it concerns."""
