"""The ModelBackend controller: Deployment and Service as wanted, status as seen."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid, Problem
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.observe import BackendView, observe_backend
from pointsman.operator.controllers.status import write_status
from pointsman.operator.errors import ReconcileError, Stalled, one_of
from pointsman.operator.plan.backend_status import (
    Surroundings,
    backend_status,
    becomes_reachable,
)
from pointsman.operator.plan.children import Images, differs, ownership, render_children
from pointsman.operator.plan.objects import observed_backend
from pointsman.operator.settings import Settings

_CHILDREN: Final = (kinds.DEPLOYMENT, kinds.SERVICE, kinds.POD_DISRUPTION_BUDGET)
_NOT_OURS: Final = frozenset({"Foreign", "Predecessor"})


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
        refused: ReconcileError | None = None
        if not isinstance(observed.parsed, Invalid):
            children = self._render(observed.parsed)
            if isinstance(children, Invalid):
                observed = replace(observed, parsed=children)
            else:
                try:
                    around = await self._apply(children, view)
                except* Stalled as group:
                    refused = one_of(group)
                    problem = Problem("spec.deployment", f"the API server refuses it: {refused}")
                    observed = replace(observed, parsed=Invalid((problem,)))
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
        if refused:
            raise refused  # tried again slowly: a quota may be raised

    def _render(self, backend: ModelBackend) -> dict[str, Any] | Invalid:
        """Children by kind."""
        try:
            children = render_children(backend, namespace=self._api.namespace, images=self._images)
        except Invalid as error:
            return error
        return {child["kind"]: child for child in children}

    async def _apply(self, wanted: Mapping[str, Any], view: BackendView) -> Surroundings:
        """Children as wanted; what is around the backend afterwards."""
        live = {
            kinds.DEPLOYMENT: view.around.deployment,
            kinds.SERVICE: view.own_service,
            kinds.POD_DISRUPTION_BUDGET: view.budget,
        }
        uid = str(view.item["metadata"]["uid"])
        owners = {kind: ownership(one, uid=uid) for kind, one in live.items()}
        await self._remove([live[k] for k in live if owners[k] == "Ours" and k.name not in wanted])
        needed = (kinds.DEPLOYMENT, kinds.SERVICE)
        if not wanted or any(owners[kind] in _NOT_OURS for kind in needed):
            return view.around
        done: dict[str, Any] = {}

        async def apply(kind: kinds.Kind) -> None:
            stored, child = live[kind], wanted[kind.name]
            if stored is None or differs(stored, child):
                # What appeared since it was looked for is somebody else's.
                stored = await self._api.apply(kind, child, force=stored is not None)
            done[kind.name] = stored

        async with asyncio.TaskGroup() as group:
            for kind in live:
                if kind.name in wanted and owners[kind] not in _NOT_OURS:
                    group.create_task(apply(kind))
        return Surroundings(
            deployment=done["Deployment"], service=done["Service"], pods=view.around.pods
        )

    async def _remove(self, children: list[Any]) -> None:
        """Children that the backend no longer has."""
        by_name = {kind.name: kind for kind in _CHILDREN}
        for child in children:
            await self._api.delete(by_name[child["kind"]], child)


def backend_keys(items: list[Object]) -> list[str]:
    """The keys of all backends."""
    return [f"backend/{item['metadata']['name']}" for item in items]
