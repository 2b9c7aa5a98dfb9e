"""kopf says when, never what: every event becomes a key, reconciled from fresh reads.

kopf runs in a thread with its own loop: when it ends, it cancels every task of its loop, and its
end ends the process. Nothing of what it caches is used. DESIGN.md has the reason of each pin.
"""

import asyncio
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import kopf

from pointsman.api import names
from pointsman.operator.cluster.tables import manifest_name
from pointsman.operator.plan.children import LABEL_PART_OF, PART_OF
from pointsman.operator.settings import SERVICE_ACCOUNT, Settings

log = logging.getLogger("pointsman.triggers")

OWN_SERVICE: Final = names.service_name("")
PREFIX: Final = f"operator.{names.GROUP}"
Event = Mapping[str, Any]


class Backoffs:
    """Endless and new at each iteration: 1 to 30 s with full jitter. A finite list ends kopf."""

    def __iter__(self) -> Iterator[float]:
        limit = 1.0
        while True:
            yield random.uniform(0.1, limit)  # noqa: S311 - jitter
            limit = min(30.0, limit * 2)


def pinned_settings(settings: Settings) -> kopf.OperatorSettings:
    """kopf's settings, each one pinned for a fault that was seen."""
    pins = kopf.OperatorSettings()
    pins.networking.error_backoffs = Backoffs()
    pins.networking.request_timeout = settings.request_timeout_s
    pins.networking.connect_timeout = 5
    pins.watching.server_timeout = 300
    pins.watching.client_timeout = 310
    pins.watching.connect_timeout = 30
    pins.watching.reconnect_backoff = 0.1
    pins.watching.inactivity_timeout = 70
    pins.watching.label_selectors["", "v1", "pods"] = f"{LABEL_PART_OF}={PART_OF}"
    table = f"{names.LABEL_TABLE}={settings.release}"
    pins.watching.label_selectors["", "v1", "configmaps"] = table
    pins.posting.enabled = False
    pins.peering.standalone = True
    pins.scanning.disabled = True
    pins.process.ultimate_exiting_timeout = None
    pins.persistence.finalizer = f"{PREFIX}/finalizer"
    pins.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    pins.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    return pins


class Keys:
    """Which keys an event concerns; called in kopf's thread only."""

    def __init__(self, release: str, services: Mapping[str, frozenset[str]]) -> None:
        self._manifest = manifest_name(release)
        self._services = services
        self._generations: dict[str, Any] = {}

    def _unchanged(self, event: Event) -> bool:
        """A MODIFIED without a new generation is a status's echo; the resync covers the rest."""
        about = event["object"]["metadata"]
        seen = (about.get("generation"), about.get("deletionTimestamp"))
        before = self._generations.get(about["uid"])
        if event["type"] == "DELETED":
            self._generations.pop(about["uid"], None)
        else:
            self._generations[about["uid"]] = seen
        return event["type"] == "MODIFIED" and before == seen

    def backend(self, event: Event) -> list[str]:
        """Its own key, and the table that refers to it."""
        if self._unchanged(event):
            return []
        return [f"backend/{event['object']['metadata']['name']}", "table"]

    def policy(self, event: Event) -> list[str]:
        """The table."""
        return [] if self._unchanged(event) else ["table"]

    def pod(self, event: Event) -> list[str]:
        """A backend, or else the table, for it is a router."""
        labels = event["object"]["metadata"].get("labels") or {}
        owner = labels.get(names.LABEL_BACKEND)
        return [f"backend/{owner}"] if owner else ["table"]

    def slice(self, event: Event) -> list[str]:
        """The backends that refer to this Service."""
        labels = event["object"]["metadata"].get("labels") or {}
        service = labels.get("kubernetes.io/service-name", "")
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


def _service_account() -> kopf.ConnectionInfo | None:
    """The pod's own, by address: kopf's login wants a cluster DNS. None outside a cluster."""
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT"),
    )
    if os.environ.get("KUBECONFIG") or not host or not port:
        return None
    return kopf.ConnectionInfo(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(SERVICE_ACCOUNT / "ca.crt"),
        token=(SERVICE_ACCOUNT / "token").read_text().strip(),
    )


def _registry(keys: Keys, add: Callable[[str], None]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    def watch(api_version: str, plural: str, of: Callable[[Event], list[str]]) -> None:
        group, _, version = api_version.rpartition("/")

        @kopf.on.event(group, version, plural, registry=registry, id=f"key-of-{plural}")
        async def on_event(event: Event, **_: object) -> None:
            for key in of(event):
                add(key)

    watch(names.API_VERSION, "modelbackends", keys.backend)
    watch(names.API_VERSION, "routingpolicies", keys.policy)
    watch("apps/v1", "deployments", keys.deployment)
    watch("v1", "pods", keys.pod)
    watch("v1", "services", keys.service)
    watch("discovery.k8s.io/v1", "endpointslices", keys.slice)
    watch("v1", "configmaps", keys.config_map)

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        found = _service_account() or kopf.login_with_kubeconfig(**kwargs)
        return found if isinstance(found, kopf.ConnectionInfo) else None

    return registry


class Triggers:
    """kopf in its thread; `on_end` is called in the caller's loop when it has ended."""

    def __init__(
        self,
        settings: Settings,
        *,
        add: Callable[[str], None],
        services: Mapping[str, frozenset[str]],
        on_end: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._add = add
        self._on_end = on_end
        self._stop = threading.Event()
        self._keys = Keys(settings.release, services)
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        if self._settings.kubeconfig:  # kopf knows no other way to be told
            os.environ["KUBECONFIG"] = str(self._settings.kubeconfig)
        self._thread.start()

    def stop(self) -> None:
        """Ask kopf to end; the process does not wait for it."""
        self._stop.set()

    def _run(self) -> None:
        reason = "WatchersEnded"
        try:
            asyncio.run(
                kopf.operator(
                    registry=_registry(self._keys, self._enqueue),
                    settings=pinned_settings(self._settings),
                    namespaces=[self._settings.namespace],
                    standalone=True,
                    stop_flag=self._stop,
                )
            )
        except BaseException as error:  # also CancelledError: nobody else would hear of it
            log.exception("kopf failed", extra={"reason": type(error).__name__})
            reason = type(error).__name__
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._on_end, reason)

    def _enqueue(self, key: str) -> None:
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._add, key)
