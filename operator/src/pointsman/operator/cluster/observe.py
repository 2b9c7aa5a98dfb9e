"""Everything that one reconcile looks at: one LIST or GET each, all at once, read consistently."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pointsman.api import names, table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.mirror import LABEL_SERVICE, Mirror
from pointsman.operator.cluster.tables import StoredTable, read_table
from pointsman.operator.plan.backend_status import Surroundings
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.objects import (
    ObservedBackend,
    ObservedPolicy,
    labels_of,
    meta,
    name_of,
    observed_backend,
    observed_policy,
)
from pointsman.operator.plan.revisions import Revision, read_revisions
from pointsman.operator.settings import Settings


@dataclass(frozen=True, slots=True)
class RouterPod:
    """A router pod that is there."""

    name: str
    uid: str
    address: str
    runs: bool = True
    """False while the kubelet says that its container does not: then it has no requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """What the table is made of."""

    backends: Sequence[Object]
    policies: Sequence[tuple[Object, ObservedPolicy]]
    revisions: Mapping[str, tuple[Revision, ...]]
    """By policy, oldest first."""
    revision_items: Mapping[str, Object]
    """By name of the ControllerRevision."""
    stored: StoredTable
    routers: Sequence[RouterPod]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendView:
    """One backend and what is around it; `own_service` is the one that it would deploy."""

    item: Object
    around: Surroundings
    own_service: Object | None
    budget: Object | None = None
    """The PodDisruptionBudget of its name."""


def router_pods(pods: Sequence[Object]) -> list[RouterPod]:
    """Pods that have an address and neither ended nor are on their way out."""
    return [
        RouterPod(name_of(pod), str(meta(pod).get("uid", "")), str(status["podIP"]), _runs(status))
        for pod in pods
        for status in [pod.get("status") or {}]
        if status.get("podIP")
        and not meta(pod).get("deletionTimestamp")
        and status.get("phase") not in {"Succeeded", "Failed"}
    ]


def _runs(status: Mapping[str, Any]) -> bool:
    states = [one.get("state") or {} for one in status.get("containerStatuses") or ()]
    return not states or any("running" in state for state in states)


def _live(items: Sequence[Object]) -> list[Object]:
    return [item for item in items if not meta(item).get("deletionTimestamp")]


class Reads(Protocol):
    """Where objects are read: the API server, or a mirror of it."""

    async def list_all(self, kind: kinds.Kind, selector: str = "") -> list[Object]:
        """All objects of a kind, optionally by label."""

    async def list_metadata(self, kind: kinds.Kind, selector: str) -> list[Object]:
        """The same without spec and data."""

    async def get(self, kind: kinds.Kind, name: str) -> Object | None:
        """One object, or None."""


async def observe_table(
    api: Api,
    settings: Settings,
    observe: Callable[[Object], ObservedPolicy] = observed_policy,
    mirror: Mirror | None = None,
    revisions_of: Kept[tuple[Revision, ...]] | None = None,
) -> TableView:
    """
    Backends, policies, revisions, the stored table and the router pods.

    `observe` and `revisions_of` may remember what was made of the same objects before. The manifest
    is always read anew: it is written under its version.
    """
    reads: Reads = mirror or api
    # Policies first: one that was applied after its backend must not be seen without it.
    policies = await reads.list_all(kinds.ROUTING_POLICY)
    pairs = [(item, observe(item)) for item in _live(policies)]
    if mirror is not None:
        used = {name for _, policy in pairs for name in policy.named}
        await mirror.look(kinds.MODEL_BACKEND, used)
    async with asyncio.TaskGroup() as group:
        backends = group.create_task(reads.list_all(kinds.MODEL_BACKEND))
        revisions = group.create_task(reads.list_all(kinds.CONTROLLER_REVISION, names.LABEL_POLICY))
        pods = group.create_task(reads.list_all(kinds.POD, settings.router_selector))
        stored = group.create_task(read_table(api, settings.release, reads.list_metadata))
    known = Kept[tuple[Revision, ...]]() if revisions_of is None else revisions_of
    known.only({policy.name for _, policy in pairs})
    by_policy: dict[str, list[Object]] = {}
    for item in revisions.result():
        by_policy.setdefault(labels_of(item).get(names.LABEL_POLICY, ""), []).append(item)
    return TableView(
        backends=_live(backends.result()),
        policies=pairs,
        revisions={
            policy.name: known.get(
                policy.name,
                (policy.uid, *found),
                partial(read_revisions, found, policy=policy.name, uid=policy.uid),
            )
            for _, policy in pairs
            for found in [by_policy.get(policy.name, ())]
        },
        revision_items={name_of(item): item for item in revisions.result()},
        stored=stored.result(),
        routers=router_pods(pods.result()),
    )


async def observe_backend(
    api: Reads,
    name: str,
    on_service: Callable[[str, str | None], None],
    observe: Callable[[Object], ObservedBackend] = observed_backend,
) -> BackendView | None:
    """
    One backend with its children, pods and endpoints; None if it is gone.

    `on_service` is told which Service it refers to before that is read: from then on events of it
    find the backend, so that no change falls between the reading and the watching. `observe` may
    remember what it made of the same backend before.
    """
    own = names.service_name(name)
    async with asyncio.TaskGroup() as group:
        item_task = group.create_task(api.get(kinds.MODEL_BACKEND, name))
        deployment_task = group.create_task(api.get(kinds.DEPLOYMENT, own))
        service_task = group.create_task(api.get(kinds.SERVICE, own))
        pods = group.create_task(api.list_all(kinds.POD, f"{names.LABEL_BACKEND}={name}"))
    item, service = item_task.result(), service_task.result()
    deployment = deployment_task.result()
    if item is None or meta(item).get("deletionTimestamp"):
        on_service(name, None)
        return None
    slices: list[Object] = []
    own_service = service
    wanted = service_of(observe(item))
    on_service(name, wanted)
    if wanted:
        selector = f"{LABEL_SERVICE}={wanted}"
        async with asyncio.TaskGroup() as group:
            named = group.create_task(api.get(kinds.SERVICE, wanted))
            found = group.create_task(api.list_all(kinds.ENDPOINT_SLICE, selector))
        service, slices = named.result(), found.result()
    # Removed before the Deployment: who neither has one nor wants one, has no budget either.
    deploys = deployment is not None or (item.get("spec") or {}).get("deployment") is not None
    budget = await api.get(kinds.POD_DISRUPTION_BUDGET, own) if deploys else None
    around = Surroundings(deployment=deployment, service=service, pods=pods.result(), slices=slices)
    return BackendView(item=item, around=around, own_service=own_service, budget=budget)


def service_of(observed: ObservedBackend) -> str | None:
    """Name of the Service that a backend refers to, if it parses so far."""
    spec = getattr(observed.parsed, "spec", None)
    service = getattr(spec, "service", None)
    return service.name if service else None


def previous_entries(view: TableView) -> dict[str, table.PolicyEntry]:
    """What the routers were told so far, by policy."""
    manifest = view.stored.manifest
    return {entry.name: entry for entry in manifest.policies} if manifest else {}
