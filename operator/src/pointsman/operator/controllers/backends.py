"""The ModelBackend controller: Deployment and Service as wanted, status as seen."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.observe import BackendView, observe_backend
from pointsman.operator.controllers.status import write_status
from pointsman.operator.plan.backend_status import (
    Surroundings,
    backend_status,
    becomes_reachable,
)
from pointsman.operator.plan.children import Images, differs, ownership, render_children
from pointsman.operator.plan.objects import observed_backend
from pointsman.operator.settings import Settings


def timestamp() -> str:
    """Now, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class BackendController:
    """Reconciles `backend/<name>`."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        on_service: Callable[[str, str | None], None],
        unreached: Callable[[str], str],
    ) -> None:
        self._api = api
        self._images = Images(simulator=settings.image, vllm=settings.vllm_image)
        self._on_service = on_service
        """Told which Service a backend refers to, so that its slices' events find it."""
        self._unreached = unreached
        """Which router does not reach a backend yet, in words; calls again when that changes."""

    async def reconcile(self, name: str) -> None:
        """Observe once, apply the children that differ, write the status."""
        view = await observe_backend(self._api, name, self._on_service)
        if view is None:
            return  # children have an owner: the garbage collector has them
        observed = observed_backend(view.item)
        around = view.around
        if not isinstance(observed.parsed, Invalid):
            around = await self._apply(observed.parsed, view)
        stored = view.item.get("status") or {}
        say = partial(
            backend_status,
            observed,
            around,
            namespace=self._api.namespace,
            stored=stored,
            now=timestamp(),
        )
        status = say()
        if becomes_reachable(status, stored) and (unreached := self._unreached(name)):
            status = say(unreached=unreached)
        await write_status(self._api, kinds.MODEL_BACKEND, view.item, status)

    async def _apply(self, backend: ModelBackend, view: BackendView) -> Surroundings:
        """Children as wanted; what is around the backend afterwards."""
        wanted = render_children(backend, namespace=self._api.namespace, images=self._images)
        live = {kinds.DEPLOYMENT: view.around.deployment, kinds.SERVICE: view.own_service}
        uid = backend.metadata.uid
        if not wanted:
            await self._remove(live, uid)
            return view.around
        if any(ownership(one, uid=uid) in {"Foreign", "Predecessor"} for one in live.values()):
            return view.around
        by_kind: dict[str, Any] = {child["kind"]: child for child in wanted}
        done: dict[str, Any] = {}

        async def apply(kind: kinds.Kind) -> None:
            stored, child = live[kind], by_kind[kind.name]
            if stored is None or differs(stored, child):
                stored = await self._api.apply(kind, child)
            done[kind.name] = stored

        async with asyncio.TaskGroup() as group:
            for kind in live:
                group.create_task(apply(kind))
        return Surroundings(
            deployment=done["Deployment"], service=done["Service"], pods=view.around.pods
        )

    async def _remove(self, live: dict[kinds.Kind, Any], uid: str) -> None:
        """Children of a backend that is no longer deployed by us."""
        for kind, one in live.items():
            if one is not None and ownership(one, uid=uid) == "Ours":
                await self._api.delete(kind, one)


def backend_keys(items: list[Object]) -> list[str]:
    """The keys of all backends."""
    return [f"backend/{item['metadata']['name']}" for item in items]
