"""One operator process from start to end: wait to lead, then watch, reconcile and renew.

Every task lives in one TaskGroup: when one of them breaks, all end and the process exits, for a
restart reaches the same state from anywhere.
"""

import asyncio
import functools
import logging
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pointsman.evaluation.running.asking import Asker
from pointsman.events.schema import Evaluation, Replicas
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.doors import Doors
from pointsman.operator.cluster.drawing import asking
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.fitting import fit
from pointsman.operator.cluster.labels import read_labels
from pointsman.operator.cluster.lease import Elector
from pointsman.operator.cluster.mirror import Mirror
from pointsman.operator.cluster.outbox import Outbox
from pointsman.operator.cluster.owner import own
from pointsman.operator.cluster.pinned import PinnedAsker
from pointsman.operator.cluster.replaying import read_recent, replay
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.cluster.tables import Senders, read_table
from pointsman.operator.cluster.traffic import read_traffic
from pointsman.operator.controllers import shadowing
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.crds import Crds
from pointsman.operator.controllers.drawing import Drawer
from pointsman.operator.controllers.drifting import Drifter
from pointsman.operator.controllers.evaluating import MOST, Evaluator
from pointsman.operator.controllers.learning import Ask, Learner
from pointsman.operator.controllers.metering import Meter
from pointsman.operator.controllers.pinning import JUDGES, Pins
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.probing import Prober
from pointsman.operator.controllers.queue import Gathered, KeyedQueue
from pointsman.operator.controllers.replaying import Replayer
from pointsman.operator.controllers.requirements import Requirements
from pointsman.operator.controllers.resync import Resync
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.scaling import Scaler
from pointsman.operator.controllers.services import Services
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.controllers.suite_running import CONCURRENCY
from pointsman.operator.controllers.suites import SuiteController
from pointsman.operator.controllers.triggers import Triggers
from pointsman.operator.errors import Broken, ReconcileError
from pointsman.operator.garbage import Garbage
from pointsman.operator.health import HealthServer, Vitals
from pointsman.operator.plan.claim import OPERATORS, older_release
from pointsman.operator.plan.events import CONTROLLER
from pointsman.operator.plan.shifting import Capacity
from pointsman.operator.settings import Settings

if TYPE_CHECKING:
    from pointsman.operator.keda.serving import ExternalScaler

log = logging.getLogger("pointsman.operator")

CALL_S: Final = 300.0
"""One golden prompt, with the wait for a server of a backend at zero replicas."""
SHIP_S: Final = 2.0
"""How long the last events may take to reach the ledger."""
CLAIM_S: Final = 2.0
"""How often a refused release looks whether it may serve now."""


class Operator:
    """The parts of a leading operator."""

    def __init__(self, api: Api, settings: Settings, epoch: int) -> None:
        self.services = Services()
        self.mirror = api.witness = Mirror(api, settings)
        self.fleet = RouterFleet(
            settings,
            on_change=Gathered(lambda: self.queue.add("table")),
            fence=api.fence,
            on_reach=lambda backend: self.queue.add(f"backend/{backend}"),
            on_load=self._on_load,
        )
        self.engines = EngineMetrics(self.fleet.in_flight)
        self.shifter = Shifter(self.fleet, self._capacity, on_due=lambda: self.queue.add("table"))
        self.scaler = Scaler(
            self.fleet,
            self.engines,
            self.fleet.orders,
            lambda backend: self.queue.add(f"backend/{backend}"),
            floor=self._floor,
        )
        self.meter: Meter | None = None
        if settings.ledger is not None:
            self.meter = Meter(self._put_event, self._in_flight, resync_s=settings.resync_s)
        self.outbox: Outbox | None = None
        """There while it runs, if there is a ledger."""
        self.drifter = Drifter(
            api,
            on_due=lambda backend: self.queue.add(f"backend/{backend}"),
            ask=functools.partial(read_traffic, settings.ledger) if settings.ledger else None,
            instance=settings.identity or CONTROLLER,
        )
        self.pins = Pins([JUDGES, shadowing.PART], on_change=lambda: self.queue.add("table"))
        drawer = Drawer(api, asking(settings.ledger))
        self.suites = SuiteController(api, self.pins.judged_by, drawer)
        self.asker = Asker(limit=MOST * CONCURRENCY, deadline_s=CALL_S)
        self.prober = Prober()
        self.evaluator = Evaluator(
            PinnedAsker(self.asker, self.fleet.ports, self.fleet.headers),
            self.suites.found,
            lambda: self.policies.backends,
            on_due=lambda backend: self.queue.add(f"backend/{backend}"),
            put=self._put_event,
            listeners=[self.drifter.hear, self.prober.hear],
            suspected=self.drifter.suspected,
            wanted=self.prober.wanted_ms,
        )
        self.prober.evaluated = self.evaluator.condition
        requirements = Requirements(lambda name: self.queue.add(f"backend/{name}"))
        self.backends = BackendController(
            api,
            settings,
            self.services.note,
            self.fleet.unreached,
            self.scaler,
            orders=self.fleet.orders,
            requiring=requirements.of,
            meter=self.meter,
            drifter=self.drifter,
            evaluator=self.evaluator,
            reads=self.mirror,
            sending=Senders(api, settings.release, self.fleet.running).to,
            failing=self.fleet.failing,
        )
        self.doors = Doors(self.fleet)
        self.shadower = shadowing.Shadower(self.doors, self.pins)
        self.replayer = Replayer(
            functools.partial(read_recent, settings.ledger) if settings.ledger else None,
            replay,
            lambda: self.queue.add("table"),
        )
        self.roller = Roller(
            self.fleet,
            on_due=lambda: self.queue.add("table"),
            loads=self.shifter.scene,
            most_each=settings.rollouts_per_backend,
            shadower=self.shadower,
            replayer=self.replayer,
            prober=self.prober,
        )
        self.learner = Learner(self._ask(settings), fit, lambda: self.queue.add("table"))
        self.policies = PolicyController(
            api,
            settings,
            self.fleet,
            self.shifter,
            learner=self.learner,
            roller=self.roller,
            requirements=requirements,
            pins=self.pins,
            mirror=self.mirror,
        )
        self.queue = KeyedQueue(self.reconcile, concurrency=settings.concurrency)
        self.resync = Resync(
            self.mirror, settings, self.queue.add, self.queue.room, spoil=self.mirror.spoil,
            known=lambda: self.backends.known() + self.suites.known(),
            settle=Garbage().set_aside,
        )  # fmt: skip
        self._api = api
        self._settings = settings
        self._epoch = epoch
        self.keda: ExternalScaler | None = None
        """There once it serves."""

    def _on_load(self) -> None:
        self.scaler.on_load()
        if self.keda is not None:
            self.keda.on_load()

    @staticmethod
    def _ask(settings: Settings) -> Ask | None:
        return functools.partial(read_labels, settings.ledger) if settings.ledger else None

    def _put_event(self, event: Replicas | Evaluation) -> None:
        if self.outbox is not None:
            self.outbox.put(event)

    def _in_flight(self, backend: str) -> int | None:
        """Requests that wait for a backend, or are with it; None while a router does not say."""
        reports = self.fleet.loads(backend)
        known = [one.held + one.in_flight for one in reports if one is not None]
        return sum(known) if len(known) == len(reports) else None

    def _capacity(self, backend: str) -> Capacity | None:
        return self.scaler.capacity(backend)

    def _floor(self, backend: str) -> int:
        return max(self.shifter.floor(backend), self.roller.floor(backend))

    async def reconcile(self, key: str) -> None:
        """`table`, `backend/<name>` or `suite/<name>`."""
        kind, _, name = key.partition("/")
        if kind == "backend":
            await self.backends.reconcile(name)
        elif kind == "suite":
            await self.suites.reconcile(name)
        else:
            await self.policies.reconcile()

    async def run(self, vitals: Vitals, crds: Crds) -> None:
        """Until cancelled, or until a part breaks."""
        async with self.asker, asyncio.TaskGroup() as group:
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            def end(reason: str) -> None:
                if not ended.done():
                    ended.set_result(reason)

            self._begin_metering(group)
            self.queue.start(group)
            self.fleet.start(group, self._epoch)
            triggers = Triggers(
                self._settings,
                add=self.queue.add,
                services=self.services.by_service,
                on_end=end,
                on_gap=self.resync.hurry,
                mirror=self.mirror,
                absent=lambda: self._api.absent,
            )
            crds.on_kinds = triggers.renew
            triggers.start()
            if self._settings.keda_port is not None:
                self.keda = await self._serve_keda(self._settings.keda_port)
            group.create_task(self.resync.run(), name="resync")
            group.create_task(self.engines.run(), name="engines")
            group.create_task(self.scaler.run(), name="scaling")
            group.create_task(self.shifter.run(), name="shifting")
            group.create_task(self.roller.run(), name="rollouts")
            group.create_task(self.shadower.run(), name="shadows")
            group.create_task(self.replayer.run(), name="replaying")
            group.create_task(self.learner.run(), name="learning")
            group.create_task(self.suites.run(self.queue.add), name="suites")
            group.create_task(self.drifter.run(), name="drift")
            group.create_task(self.evaluator.run(), name="evaluating")
            group.create_task(self._beat(vitals), name="vitals")
            try:
                raise Broken(f"{await ended}: kopf has ended")
            finally:
                triggers.stop()
                if self.keda is not None:
                    await self.keda.stop()
                await self.doors.close()
                await self.fleet.close()
                if self.outbox is not None:
                    await asyncio.to_thread(self.outbox.close, SHIP_S)

    def _begin_metering(self, group: asyncio.TaskGroup) -> None:
        if self._settings.ledger is None or self.meter is None:
            return
        self.outbox = Outbox(self._settings.ledger)
        group.create_task(self.outbox.run(), name="outbox")
        group.create_task(self.meter.run(), name="metering")

    async def _serve_keda(self, port: int) -> "ExternalScaler":
        from pointsman.operator.keda.serving import ExternalScaler  # noqa: PLC0415 - an extra

        keda = ExternalScaler(
            self._settings.namespace, lambda: self.policies.backends, self.fleet.loads
        )
        log.info("serving KEDA", extra={"port": await keda.start(port)})
        return keda

    async def _beat(self, vitals: Vitals) -> None:
        while True:
            vitals.resync_s = self.resync.last_s
            await asyncio.sleep(1)


async def _heartbeat(vitals: Vitals) -> None:
    while True:
        vitals.heartbeat_s = time.monotonic()
        await asyncio.sleep(1)


async def _namespace_is_ours(process: "_Process", api: Api) -> None:
    """Wait while an older release serves this namespace, aloud; it is not disturbed."""
    told = None
    while True:
        try:
            found = await api.list_all(kinds.DEPLOYMENT, OPERATORS)
        except ReconcileError as error:
            log.warning("not listed", extra={"reason": error.reason, "error": str(error)})
            await asyncio.sleep(0.5)
            continue
        older = older_release(found, release=process.settings.release)
        if older is None:
            process.vitals.refused = ""
            return
        process.vitals.refused = (
            f'NamespaceTaken: release "{older}" serves namespace "{api.namespace}"; install into '
            "another namespace, or uninstall that one"
        )
        if older != told:
            told = older
            log.error("waiting", extra={"error": process.vitals.refused})
        await asyncio.sleep(CLAIM_S)


async def leading_epoch(api: Api, settings: Settings, elected: int) -> int:
    """
    The Lease's epoch, unless the Lease was deleted: then one more than the manifest's.

    Tries until the table could be read: a process that ended here would be started again by a
    kubelet that waits longer each time, up to five minutes.
    """
    while True:
        try:
            manifest = (await read_table(api, settings.release)).manifest
        except* ReconcileError as group:
            log.warning("table not read", extra={"error": repr(group.exceptions[0])})
        else:
            return max(elected, manifest.epoch + 1 if manifest else 1)
        await asyncio.sleep(0.5)


@dataclass(slots=True)
class _Process:
    """What outlives leadership, and who leads now."""

    settings: Settings
    vitals: Vitals
    crds: Crds
    operator: Operator | None = None

    async def programmed(self) -> dict[str, object]:
        """Empty while this process does not lead."""
        return self.operator.policies.programmed() if self.operator else {}


async def _lead(process: _Process, api: Api, elector: Elector) -> None:
    settings = process.settings
    await _namespace_is_ours(process, api)
    await process.crds.looked.wait()
    process.vitals.ready = True  # not before: `helm install --wait` would take it for an answer
    if settings.leader_elect:
        await elector.acquire()
    async with asyncio.TaskGroup() as group:
        if settings.leader_elect:
            api.fence = elector.fence
            group.create_task(elector.keep(), name="lease")
        await process.crds.usable()
        await own(api, settings.release)
        epoch = await leading_epoch(api, settings, elector.epoch)
        operator = Operator(api, settings, epoch)
        process.operator = operator
        log.info("leading", extra={"namespace": api.namespace, "epoch": epoch})
        await operator.run(process.vitals, process.crds)


async def run(settings: Settings, *, api_class: type[Api] = Api) -> None:
    """Run until SIGTERM or SIGINT; raises Broken (in a group) when the process should restart."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    vitals = Vitals(max_age_s=settings.liveness_age_s, max_resync_age_s=4 * settings.resync_s)
    api, lease_api = await api_class.open(settings), await api_class.open(settings)
    api.owners = lease_api.owners  # one list: the elector sees first that the owner was replaced
    process = _Process(settings, vitals, Crds(api, vitals))

    def programmed() -> dict[str, object]:
        return asyncio.run_coroutine_threadsafe(process.programmed(), loop).result(2)

    health = HealthServer(settings.health_port, vitals, programmed)
    health.start()
    log.info("started", extra={"health_port": health.port, "identity": settings.identity})
    elector = Elector(lease_api, settings)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_heartbeat(vitals), name="heartbeat"),
                group.create_task(process.crds.run(), name="crds"),
                group.create_task(_lead(process, api, elector), name="leading"),
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
        log.info("stopped")
    finally:
        await elector.release()
        health.close()
        await api.close()
        await lease_api.close()
