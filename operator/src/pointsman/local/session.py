"""`pointsman up`: files in, routed answers out, on one event loop, until it is told to stop.

Each round reads the files, plans once and applies once; a round starts when a file changes or a
process comes or goes. Files with errors are refused aloud and what ran before goes on.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry
from watchfiles import awatch

from pointsman.api.manifests import Loaded, Severity, cross_check, load
from pointsman.api.table import Endpoint, Manifest, ServiceAddress
from pointsman.events.schema import SCHEMA
from pointsman.local.callers import LocalCallers, NotOpen
from pointsman.local.desired import NAMESPACE, Desired, desire, secrets_of
from pointsman.local.fleet import (
    Births,
    LocalFleet,
    Objects,
    backends_of,
    policies_of,
    revisions_of,
)
from pointsman.local.hearing import Hearing
from pointsman.local.learning import learner_of, told
from pointsman.local.ledger import LocalLedger
from pointsman.local.metering import LocalMeter
from pointsman.local.processes import Processes
from pointsman.local.rollouts import LocalRollouts
from pointsman.local.saying import cannot_listen, state_of
from pointsman.local.tracing import begin
from pointsman.local.watching import LocalWatch
from pointsman.operator.plan.blobs import compile_backend
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.leases import Leaser
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.outbox import Outbox
from pointsman.router.reviews import LedgerReviews
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.router.settings_otlp import Otlp

DRAIN_S = 10.0
SHIP_S = 3.0
"""How long the last events may take to reach the ledger, and the last spans the collector."""
LOOK_S = 1.0
"""How often it is looked whether the paths still are the files that are watched."""


class Refused(Exception):
    """Local mode cannot start; each line says what is wrong and where."""


def errors(loaded: Loaded) -> list[str]:
    """
    What stops local mode: what the API server or the operator would refuse, by file and line.

    If there is any, the warnings of reading come with it: an object of a group that is not ours is
    ignored, and may be what another one misses. A folder without one of our objects is an error.
    """
    found = sorted((*loaded.problems, *cross_check(loaded)), key=lambda one: one.position)
    if any(one.severity is Severity.ERROR for one in found):
        return [
            str(one) for one in found if one.severity is Severity.ERROR or one in loaded.problems
        ]
    if not loaded.policies and not loaded.backends:
        return [*map(str, found), "no ModelBackend and no RoutingPolicy in these files"]
    return []


class Session:
    """
    One fleet on this machine. `say` gets one line for each thing that changed.

    `chosen_open`: everybody may call, also from other machines. `ledger`: file of the ledger that
    records the requests; None: nothing is recorded. `otlp`: a collector.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        time_scale: float = 1.0,
        say: Callable[[str], None],
        chosen_open: bool = False,
        ledger: Path | None = None,
        otlp: Otlp | None = None,
    ) -> None:
        self._paths = paths
        self._otlp = otlp
        self._chosen_open = chosen_open
        self._time_scale = time_scale
        self._say = say
        self._said: dict[str, str] = {}
        self._refused: list[str] = []
        self._wake = asyncio.Event()
        self._manifest: Manifest | None = None
        self.desired: Desired | None = None
        self._live = Live()
        registry = CollectorRegistry()
        metrics = ControlMetrics(registry)
        self._feed = TableFeed(self._live, metrics, namespace=NAMESPACE)
        self._callers = LocalCallers(self._live, metrics)
        self._registry = registry
        self._plane = DataPlane(self._live, Limits(allow_loopback=True), Metrics(registry))
        self._hearing = Hearing(self._wake.set)
        self._directory = tempfile.TemporaryDirectory(prefix="pointsman-up-")
        folder = Path(self._directory.name)
        self._processes = Processes(folder, self._wake.set, busy=self._busy)
        self.ledger = LocalLedger(ledger, folder, self._wake.set) if ledger else None
        self._learner = learner_of(self.ledger, self._reread)
        self._watched = LocalWatch(self._plane, self._reread, self._tell, self.ledger)
        self._rollouts = LocalRollouts(
            self._feed,
            self._plane,
            self._reread,
            self.ledger,
            lambda: self._watched.items,
            prober=self._watched.prober,
        )
        self._births = Births()
        self._fleet = (
            LocalFleet(self.ledger.fleet, self._reread, self._look) if self.ledger else None
        )
        self._outbox: Outbox | None = None
        self._leaser: Leaser | None = None
        self._meter: LocalMeter | None = None

    @contextlib.asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Run while the block lasts; gives the bound port. Raises Refused before anything runs."""
        with self._directory:
            async with self._serve(host, port) as bound:
                yield bound

    @contextlib.asynccontextmanager
    async def _serve(self, host: str, port: int) -> AsyncIterator[int]:
        if problems := self._read():
            raise Refused("\n".join(problems))
        self._let_in(host)
        try:
            bound = await self._plane.start(host, port)
        except OSError as error:
            raise Refused(cannot_listen(host, port, error)) from error
        except UnicodeError as error:
            raise Refused(f"cannot listen on {host}:{port}: this is no name of a host") from error
        sender = begin(self._plane, self._registry, self._otlp)
        try:
            self._record()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._watch(), name="watch files"),
                    group.create_task(self._rounds(), name="rounds"),
                    group.create_task(self._learner.run(), name="learning"),
                    group.create_task(self._rollouts.run(), name="rollouts"),
                    group.create_task(self._watched.run(), name="watching"),
                ]
                if self._fleet is not None:
                    tasks.append(group.create_task(self._fleet.run(), name="fleet"))
                if self._leaser is not None and self._meter is not None:
                    tasks.append(group.create_task(self._leaser.run(), name="leases"))
                    tasks.append(group.create_task(self._meter.run(), name="metering"))
                yield bound
                for task in tasks:
                    task.cancel()
        finally:
            if cut := await self._plane.drain(DRAIN_S):
                self._say(f"{cut} unfinished request{'s were' if cut > 1 else ' was'} cut")
            told = asyncio.to_thread(sender.close, SHIP_S) if sender else asyncio.sleep(0)
            await asyncio.gather(self._processes.close(), self._close_ledger(), told)

    def _record(self) -> None:
        if self.ledger is None:
            return
        self.ledger.start()
        self._outbox = Outbox(
            self._registry,
            later=asyncio.get_running_loop().call_later,
            ledger=self.ledger.target,
            schema=SCHEMA,
        )
        self._outbox.record.heard = self._hearing.hear
        self._watched.put = self._outbox.put
        self._meter = LocalMeter(self._outbox.put, self._live)
        self._plane.record, self._plane.ledger = self._outbox.record, self._outbox
        self._leaser = Leaser(self._plane.budgets, self.ledger.target)
        self._plane.reviews = LedgerReviews(self.ledger.target)

    async def _close_ledger(self) -> None:
        if self.ledger is None or self._outbox is None:
            return
        if self._leaser is not None:
            await self._leaser.give_back()
        if self._meter is not None:
            self._meter.end()
        await self._outbox.finish(SHIP_S)
        await asyncio.to_thread(self._outbox.close, SHIP_S)
        await self.ledger.close()

    def _let_in(self, host: str) -> None:
        """Before anybody can call."""
        try:
            secrets = self.desired.secrets if self.desired else {}
            self._callers.begin(secrets, host, chosen_open=self._chosen_open)
        except NotOpen as error:
            raise Refused(str(error)) from None

    def hurry(self) -> None:
        """End now: requests are cut, model servers killed."""
        self._plane.hurry()
        self._processes.hurry()
        if self.ledger is not None:
            self.ledger.hurry()

    async def ready(self) -> None:
        """Return once every process answers; the caller sets the deadline."""
        while not self.is_ready():  # noqa: ASYNC110 - the caller's deadline bounds it
            await asyncio.sleep(0.02)

    def is_ready(self) -> bool:
        """True when the table is in force and every wanted process answers."""
        wanted = self.desired.processes if self.desired else {}
        states = {key: run.state for key, run in self._processes.running.items()}
        return self._live.ready and all(states.get(key) == "Ready" for key in wanted)

    def endpoint(self, backend: str) -> Endpoint | None:
        """Where a server of this backend answers now."""
        running = self._processes.running.items()
        mine = (run.serving for key, run in running if key.rpartition("/")[0] == backend)
        return next((one for one in mine if one is not None), None)

    def _read(self) -> list[str]:
        """Read and plan; the problems, in which case nothing has changed."""
        loaded = load(self._paths)
        if problems := errors(loaded):
            return problems
        try:
            desired = desire(
                loaded,
                accepted=self._rollouts.accepted,
                previous=self._manifest,
                time_scale=self._time_scale,
                learned=self._learner.learned,
                relearn=self._rollouts.relearn,
            )
        except ValueError as error:
            return [str(error)]
        if self._fleet is not None:
            desired = replace(desired, annotations=self._fleet.ordered(desired.annotations))
        plan, self._manifest, news = self._rollouts.decide(desired, self._learner.learned)
        self.desired = replace(desired, table=plan)
        self._learner.follow(desired.wishes)
        self._watched.follow(desired)
        for ignored in loaded.problems:
            self._tell(f"ignored {ignored.position}", str(ignored.problem))
        for name, one in news:
            self._say(f"policy {name}: {one}")
        return []

    async def _watch(self) -> None:
        """The system watches inodes: whoever replaces a file or a folder gets a new watcher."""
        while True:
            watched = _identities(self._paths)
            try:
                await self._watch_while(watched)
            except (
                OSError
            ) as error:  # gone just now, not readable, or the system's limit of watches
                if not isinstance(error, FileNotFoundError):
                    self._tell("files", f"{error}; they are looked at every {LOOK_S:g} s instead")
                self._reread()
            await asyncio.sleep(LOOK_S if _identities(self._paths) == watched else 0)

    async def _watch_while(self, watched: Mapping[Path, tuple[int, ...]]) -> None:
        """Read at every change, and once when watching has begun, until the paths are others."""
        changes = awatch(
            *watched, watch_filter=None, debounce=100, step=20, recursive=False,
            rust_timeout=int(LOOK_S * 1000), yield_on_timeout=True,
        )  # fmt: skip
        begun = False
        async with contextlib.aclosing(changes):
            async for found in changes:
                if found or not begun:
                    begun = True
                    self._reread()
                if _identities(self._paths) != watched:
                    return

    def _reread(self) -> None:
        problems = self._read()
        if problems != self._refused:
            for problem in problems:
                self._say(f"refused, what ran goes on: {problem}")
            if not problems:
                self._say("the files are valid again")
        self._refused = problems
        self._wake.set()

    async def _rounds(self) -> None:
        """Nothing in a round waits: who is let go hears of it when the router sends elsewhere."""
        while True:
            self._wake.clear()
            desired = self.desired
            if desired is not None and self._manifest is not None:
                self._processes.apply(desired.processes)
                if self.ledger is not None:
                    self.ledger.sign_with(desired.webhook_keys)
                self._apply(desired, self._manifest)
            await self._wake.wait()

    def _apply(self, desired: Desired, manifest: Manifest) -> None:
        """Hand the plan to the router, and say what is new. Nothing here waits."""
        self._feed.endpoints(self._endpoints(desired))
        self._feed.offer(manifest, {**desired.table.blobs, **self._rollouts.pins})
        self._feed.secrets(secrets_of(desired), {})
        for subject, state in self._callers.follow(desired.secrets).items():
            self._tell(subject, state)
        for ack in self._feed.acks:
            state = f"in force, revision {ack.revision}" if ack.revision else "not in force"
            self._tell(f"policy {ack.policy}", f"{state}{f': {ack.error}' if ack.error else ''}")
        for name, verdict in desired.table.verdicts.items():
            if not verdict.accepted.status:
                said = f"{verdict.accepted.reason}: {verdict.accepted.message}"
                self._tell(f"policy {name}", said)
            for warning in verdict.warnings:
                self._tell(f"policy {name} warning", str(warning))
            if verdict.vetted is not None and not verdict.vetted.status:
                self._tell(f"policy {name} governance", verdict.vetted.message)
        for name in desired.backends:
            self._tell(f"backend {name}", self._state_of(desired, name))
        for name, state in told(self._learner, desired).items():
            self._tell(f"policy {name} predictor", state)
        for name, state in self._rollouts.told().items():
            self._tell(f"policy {name} rollout", state)
        for subject, state in self.ledger.told().items() if self.ledger is not None else ():
            self._tell(subject, state)
        if self._meter is not None:
            self._meter.follow(desired.backends, self._processes.running)
        self._tell_removed(desired)

    def _state_of(self, desired: Desired, name: str) -> str:
        state = state_of(desired, name, self._processes.running)
        ours = desired.backends[name].spec.deployment is not None
        return state if ours else self._hearing.with_met(name, state)

    def _busy(self, endpoint: Endpoint) -> int:
        return self._plane.pools.outstanding(endpoint)

    def _look(self) -> Objects:
        """As an API server would tell it."""
        desired = self.desired
        if desired is None:
            return {}
        running = self._processes.running
        return {
            "backends": backends_of(desired, self._watched.items, running, self._live),
            "policies": policies_of(desired, self._rollouts.statuses()),
            "revisions": revisions_of(self._rollouts.revisions, self._births),
        }

    def _endpoints(self, desired: Desired) -> Mapping[str, tuple[Endpoint, ...]]:
        found: dict[str, tuple[Endpoint, ...]] = dict(desired.fixed_endpoints)
        for key, run in sorted(self._processes.running.items()):
            address = compile_backend(NAMESPACE, desired.backends[key.rpartition("/")[0]]).address
            if run.serving is not None and isinstance(address, ServiceAddress):
                found[address.key] = (*found.get(address.key, ()), run.serving)
        return found

    def _tell_removed(self, desired: Desired) -> None:
        kept = {f"backend {name}" for name in desired.backends}
        kept |= {f"policy {name}" for name in desired.table.verdicts}
        ours = [one for one in self._said if one.startswith(("backend ", "policy "))]
        for subject in ours:
            if " ".join(subject.split(" ")[:2]) not in kept:
                del self._said[subject]
                if subject.count(" ") == 1:
                    self._say(f"{subject}: removed")

    def _tell(self, subject: str, state: str) -> None:
        if self._said.get(subject) != state:
            self._said[subject] = state
            self._say(f"{subject}: {state}")


def _identities(paths: Sequence[Path]) -> dict[Path, tuple[int, ...]]:
    """Of those that exist: device, inode, and its last change, for numbers are given again."""
    found: dict[Path, tuple[int, ...]] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_dev, status.st_ino, status.st_ctime_ns)
    return found
