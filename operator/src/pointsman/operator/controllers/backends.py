"""The ModelBackend controller: Deployment and Service as wanted, status as seen."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

from pointsman.api import names
from pointsman.api.conditions import Condition
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid, Problem
from pointsman.operator import metrics
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.observe import BackendView, Reads, observe_backend
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.controllers.drifting import Drifter
from pointsman.operator.controllers.evaluating import Evaluator
from pointsman.operator.controllers.metering import Meter
from pointsman.operator.controllers.scaling import Plan, Scaler
from pointsman.operator.controllers.status import write_status
from pointsman.operator.errors import ReconcileError, Stalled, Waiting, one_of
from pointsman.operator.plan.backend_status import (
    Surroundings,
    Unwritten,
    backend_status,
    becomes_reachable,
)
from pointsman.operator.plan.children import Images, differs, ownership, render_children
from pointsman.operator.plan.degraded import degraded_by, degraded_in
from pointsman.operator.plan.evaluating.telling import Evaluating, kept
from pointsman.operator.plan.events import CONTROLLER, event_of
from pointsman.operator.plan.failures import why_none_starts
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.metering import replicas_of
from pointsman.operator.plan.objects import (
    ObservedBackend,
    identity,
    name_of,
    observed_backend,
)
from pointsman.operator.plan.pod_rules import PodRules
from pointsman.operator.plan.scaling import Clamp
from pointsman.operator.plan.scaling_status import record_on, scaled_record, with_scale
from pointsman.operator.plan.table import describe
from pointsman.operator.plan.vetting import backend_condition
from pointsman.operator.settings import Settings

log = logging.getLogger("pointsman.backends")

_NOT_OURS: Final = frozenset({"Foreign", "Predecessor"})
HINDERED_S: Final = 10.0
"""So long may a write fail before a status says so."""


async def _nobody(_: str, /) -> str:
    return ""


class Failing(Protocol):
    """How requests that routers send a backend fail, all of them; empty: they do not."""

    def __call__(self, backend: str, /, *, known: bool) -> str | None:
        """None if it is `known` that they do, and not every router was heard."""


def _none_fails(_: str, /, *, known: bool) -> str | None:  # noqa: ARG001 - as of Failing
    return ""


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
        scaler: Scaler,
        *,
        orders: Orders,
        requiring: Callable[[str], tuple[str, ...]] = lambda _: (),
        meter: Meter | None = None,
        drifter: Drifter | None = None,
        evaluator: Evaluator | None = None,
        reads: Reads | None = None,
        sending: Callable[[str], Awaitable[str]] = _nobody,
        failing: Failing = _none_fails,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failing = failing
        self._hindered: dict[str, float] = {}
        """Backend -> since when its children cannot be written."""
        self._monotonic = monotonic
        self._sending = sending
        """Who may still send to a Service, in words."""
        self._reads = reads or api
        self._observed = Kept[ObservedBackend]()
        self._drifter = drifter
        self._evaluator = evaluator
        self._meter = meter
        """None: nobody asks what replicas cost."""
        self._api = api
        self._images = Images(simulator=settings.image, vllm=settings.vllm_image)
        self._rules = PodRules(settings.release, anything=settings.pod_templates == "Any")
        self._identity = settings.identity or CONTROLLER
        self._on_service = on_service
        """Told which Service a backend refers to, so that its slices' events find it."""
        self._unreached = unreached
        """Which router does not reach a backend yet, in words; calls again when that changes."""
        self._scaler = scaler
        self._orders = orders
        self._requiring = requiring
        """Policies that name this backend and require its approval."""

    def known(self) -> list[str]:
        """The keys of backends that were seen and not yet missed."""
        return [f"backend/{name}" for name in self._observed.names()]

    async def reconcile(self, name: str) -> None:
        """Observe once, apply the children that differ, write the status."""
        view = await observe_backend(self._reads, name, self._on_service, self._observe)
        if view is None:
            self._forget(name)
            return  # children have an owner: the garbage collector has them
        observed = self._observe(view.item)
        around = view.around
        failed: ReconcileError | None = None
        unwritten: Unwritten | None = None
        late = ""
        if not isinstance(observed.parsed, Invalid):
            if self._meter is not None:
                self._meter.see(observed.parsed, replicas_of(around.pods))
            try:
                late = await self._left_late(observed.parsed, view)
                around = view.around if late else await self._bring_about(observed.parsed, view)
            except* Invalid as group:
                unwritten = Unwritten(describe(invalid_of(group).problems), refused=True)
            except* Stalled as group:
                failed = one_of(group)
                problem = Problem("spec.deployment", f"the API server refuses it: {failed}")
                unwritten = Unwritten(str(problem), refused=True)
            except* Waiting as group:
                failed = failed or one_of(group)
                if (hindered := self._hindrance(name, failed)) is None:
                    raise
                unwritten = unwritten or hindered
        if unwritten is None or unwritten.refused:
            self._hindered.pop(name, None)
        await self._report(observed, around, view, unwritten)
        if failed:
            raise failed  # what was refused is tried again slowly: a quota may be raised
        if late:
            raise Waiting(late)

    def _forget(self, name: str) -> None:
        self._observed.forget(name)
        self._hindered.pop(name, None)
        self._scaler.forget(name)
        tell_end(name, None)
        self._orders.end(name)
        if self._meter is not None:
            self._meter.end(name)
        if self._drifter is not None:
            self._drifter.forget(name)
        if self._evaluator is not None:
            self._evaluator.forget(name)

    def _hindrance(self, name: str, failed: ReconcileError) -> Unwritten | None:
        """None of what may pass within seconds; else nobody would hear of a webhook."""
        since_s = self._hindered.setdefault(name, self._monotonic())
        if self._monotonic() - since_s < HINDERED_S:
            return None
        return Unwritten(f"cannot be written yet: {failed}", refused=False)

    def _observe(self, item: Object) -> ObservedBackend:
        return self._observed.of(name_of(item), item, identity, observed_backend)

    async def _bring_about(self, backend: ModelBackend, view: BackendView) -> Surroundings:
        """Children as wanted; what is around the backend afterwards. Raises Invalid."""
        rendered = render_children(
            backend, namespace=self._api.namespace, images=self._images, rules=self._rules
        )
        children = {child["kind"]: child for child in rendered}
        plan = self._scale(backend, view)
        self._order(backend, view, plan)
        if plan is None:
            return await self._apply(children, view)
        before, desired = view.around.deployment, plan.decision.desired
        change = None
        if before is not None and desired != plan.found:
            change = scaled_record(plan.decision, previous=plan.found, now=timestamp())
        children["Deployment"] = with_scale(
            children["Deployment"], desired, change or record_on(before)
        )
        as_found = with_scale(children["Deployment"], plan.found, None)
        scale_only = before is not None and not differs(before, as_found)
        around = await self._apply(children, view)
        if around.deployment is not None:
            name = backend.metadata.name
            self._scaler.settled(name, around.deployment, scale_only=scale_only)
        await self._announce(plan, change if around.deployment is not before else None, view)
        return around

    async def _left_late(self, backend: ModelBackend, view: BackendView) -> str:
        """Who may still send to the server of a backend that has moved out; empty: nobody."""
        own, service = names.service_name(backend.metadata.name), backend.spec.service
        has_own = ownership(view.own_service, uid=str(view.item["metadata"]["uid"])) == "Ours"
        if backend.spec.deployment or not has_own or (service and service.name == own):
            return ""
        return await self._sending(own)

    def _order(self, backend: ModelBackend, view: BackendView, plan: Plan | None) -> None:
        """What routers shall do: whoever waits for a server that cannot start shall hear why."""
        name, around, orders = backend.metadata.name, view.around, self._orders
        if plan and plan.decision.desired == 0:
            orders.lapse(name)  # not ended: they may know of the last one for a moment
        elif plan and plan.decision.clamped_by is Clamp.UNCONFIRMED:
            return
        elif why := why_none_starts(around.deployment, around.pods, timestamp()):
            orders.fail(name, why)
        else:
            orders.end(name)

    def _scale(self, backend: ModelBackend, view: BackendView) -> Plan | None:
        """What the replicas should be; None if it is not the operator that scales."""
        around, uid = view.around, str(view.item["metadata"]["uid"])
        if backend.spec.queue_depth is None or ownership(around.deployment, uid=uid) in _NOT_OURS:
            self._scaler.forget(backend.metadata.name)
            return None
        stored = view.item.get("status") or {}
        return self._scaler.observe(
            backend, deployment=around.deployment, pods=around.pods, stored=stored
        )

    async def _announce(self, plan: Plan, change: Object | None, view: BackendView) -> None:
        """Tell of changes of replicas, ours and others'; to tell is not worth a failure."""
        decision, now = plan.decision, timestamp()
        told: list[Object] = []
        say = partial(event_of, view.item, instance=self._identity, now=now)
        ours = (record_on(view.around.deployment) or {}).get("desired") == plan.found
        if plan.left is not None and not ours:  # ours: an apply of which no answer came
            note = f"somebody else changed the Deployment's replicas: {plan.left} to {plan.found}"
            told.append(say(kind="Warning", reason="Overwritten", note=note))
        if change:
            note = f"replicas {plan.found} to {decision.desired}. {decision.message}"
            told.append(say(kind="Normal", reason=str(decision.reason), note=note))
            metrics.SCALINGS.labels(str(decision.reason)).inc()
            said = {("why" if key == "message" else key): value for key, value in change.items()}
            log.info("scaled", extra={"backend": view.item["metadata"]["name"], **said})
        for event in told:
            try:
                await self._api.create(kinds.EVENT, event)
            except ReconcileError as error:
                log.warning("no event", extra={"reason": error.reason, "error": str(error)})

    async def _report(
        self,
        observed: ObservedBackend,
        around: Surroundings,
        view: BackendView,
        unwritten: Unwritten | None,
    ) -> None:
        """Write the status if it says something new, or if the load is worth it."""
        name, stored = observed.name, view.item.get("status") or {}
        drifting = None
        if self._drifter is not None and not isinstance(observed.parsed, Invalid):
            drifting = await self._drifter.observe(view.item, observed.parsed)
        evaluated: Evaluating | None = kept(stored)
        if self._evaluator is not None and isinstance(observed.parsed, Invalid):
            self._evaluator.unreadable(name)
        elif self._evaluator is not None and not isinstance(observed.parsed, Invalid):
            evaluated = self._evaluator.observe(view.item, observed.parsed)

        def say(*, fresh: bool, unreached: str = "") -> dict[str, Any]:
            return backend_status(
                observed,
                around,
                namespace=self._api.namespace,
                stored=stored,
                now=now,
                unreached=unreached,
                unwritten=unwritten,
                degraded=degraded,
                vetted=vetted,
                scaling=self._scaler.status(
                    name, stored=stored, deployment=around.deployment, fresh=fresh
                ),
                drifting=drifting,
                evaluated=evaluated,
            )

        now, unreached = timestamp(), ""
        vetted, degraded = self._vetted(observed), self._degraded(name, stored)
        status = say(fresh=False)
        if becomes_reachable(status, stored) and (unreached := self._unreached(name)):
            status = say(fresh=False, unreached=unreached)
        if status != stored or self._scaler.is_due(name):
            status = say(fresh=True, unreached=unreached)
            await write_status(self._api, kinds.MODEL_BACKEND, view.item, status)
            self._scaler.wrote(name, status)
            if self._evaluator is not None:
                self._evaluator.wrote(name)

    def _degraded(self, name: str, stored: Object) -> Condition | None:
        said = degraded_in(stored)
        word = self._failing(name, known=said is not None)
        return said if word is None else degraded_by(word)

    def _vetted(self, observed: ObservedBackend) -> Condition | None:
        parsed = observed.parsed
        if isinstance(parsed, Invalid):
            return None
        tell_end(observed.name, parsed)
        requiring, now = self._requiring(observed.name), datetime.now(UTC)
        return backend_condition(parsed, requiring, now_s=now.timestamp())

    async def _apply(self, wanted: Mapping[str, Any], view: BackendView) -> Surroundings:
        """Children as wanted; what is around the backend afterwards."""
        live = {
            kinds.DEPLOYMENT: view.around.deployment,
            kinds.SERVICE: view.own_service,
            kinds.POD_DISRUPTION_BUDGET: view.budget,
        }
        uid = str(view.item["metadata"]["uid"])
        owners = {kind: ownership(one, uid=uid) for kind, one in live.items()}
        for kind, child in reversed(live.items()):  # the Deployment last: it tells of the others
            if child is not None and owners[kind] == "Ours" and kind.name not in wanted:
                await self._api.delete(kind, child)
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


def tell_end(name: str, backend: ModelBackend | None) -> None:
    """When the approval of a backend ends, as a metric; of one that is gone or has none: none."""
    governance = backend.spec.governance if backend else None
    if governance is not None and governance.approval is not None:
        metrics.APPROVAL_ENDS.labels(name).set(governance.approval.until_s)
    else:
        with suppress(KeyError):
            metrics.APPROVAL_ENDS.remove(name)


def invalid_of(group: BaseExceptionGroup[Invalid]) -> Invalid:
    """The one in the group."""
    return next(one for one in group.exceptions if isinstance(one, Invalid))


def backend_keys(items: list[Object]) -> list[str]:
    """The keys of all backends."""
    return [f"backend/{item['metadata']['name']}" for item in items]
