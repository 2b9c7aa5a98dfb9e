"""Whether backends drifted: told each run of a suite, asks the ledger for ordinary traffic.

Guarantees that each run and each window counts once, over restarts and leaders, and that nothing
here keeps a backend from being reconciled: what cannot be stored now is kept and stored later. A
reconcile of the backend writes its status; this writes the record, before anybody is told of it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pointsman.api import names
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.operator import metrics
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Object
from pointsman.operator.cluster.drift_state import Keeps, Stored, read_record, write_record
from pointsman.operator.errors import Broken, Conflict, Gone, ReconcileError
from pointsman.operator.plan.drifting import traffic
from pointsman.operator.plan.drifting.folding import rebaselined, take
from pointsman.operator.plan.drifting.news import News
from pointsman.operator.plan.drifting.record import Record
from pointsman.operator.plan.drifting.telling import Drifting, is_suspected, samples, told
from pointsman.operator.plan.drifting.traffic import Window
from pointsman.operator.plan.drifting.wish import Wish, wish_of
from pointsman.operator.plan.drifting.wording import at
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.plan.events import CONTROLLER, event_of
from pointsman.operator.plan.objects import annotations_of, meta, name_of, observed_backend

log = logging.getLogger("pointsman.drift")

EVERY_S: Final = 30.0
"""Between two looks at what is due: a window of the ledger, a record that could not be stored."""
CATCH_UP: Final = 12
"""Windows of one backend at once, after a time without the ledger."""
KEEP_S: Final = 3600.0
"""Traffic without news is stored so often: a restart asks for the windows since then once more."""
MOST_WAITING: Final = 32
"""Runs of one backend that wait until its record can be read."""

Ask = Callable[[int, int], Awaitable[Mapping[str, Window]]]
"""Traffic of a window, from and to in Unix ms, by backend; raises Waiting."""


@dataclass(slots=True)
class _Known:
    item: Object
    wish: Wish
    record: Record
    stored: Object | None
    """The ConfigMap."""
    stored_s: float
    dirty: bool = False
    """The record is newer than what is stored, and not by traffic alone."""
    problem: str = ""
    gauges: set[tuple[str, str]] = field(default_factory=set)


class Drifter:
    """`on_due` asks for a reconcile of a backend; `ask` None: there is no ledger."""

    def __init__(
        self,
        api: Keeps,
        on_due: Callable[[str], None],
        *,
        ask: Ask | None = None,
        instance: str = CONTROLLER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._on_due = on_due
        self._ask = ask
        self._instance = instance
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._waiting: dict[str, list[SuiteRun]] = {}
        self._woken = asyncio.Event()
        self._locks: dict[str, asyncio.Lock] = {}

    async def observe(self, item: Object, backend: ModelBackend) -> Drifting | None:
        """A backend as it is: what its status should say; None where nobody asks."""
        name, wish = name_of(item), wish_of(backend)
        if wish is None:
            self.forget(name)
            return None
        async with self._lock(name):
            try:
                known = await self._look(item, wish)
            except Broken:
                raise
            except ReconcileError as error:
                problem = f"what is known cannot be read: {error}"
                log.warning("not read", extra={"backend": name, "error": str(error)})
                return told(Record(uid=str(meta(item).get("uid"))), wish, problem=problem)
            return self._told(known)

    def hear(self, run: SuiteRun) -> None:
        """A run that is over: it is taken as soon as the loop comes to it."""
        self._wait(run)
        self._woken.set()

    async def take(self, run: SuiteRun) -> None:
        """A run that is over; what cannot be looked at now waits."""
        name = run.backend
        async with self._lock(name):
            self._wait(run)  # behind those that wait already: a later one would make them late
            try:
                known = self._known.get(name) or await self._find(name)
                while waiting := self._waiting.get(name):
                    first = waiting.pop(0)
                    if known is not None and known.wish.golden:
                        await self._fold(known, first)
            except Broken:
                raise
            except ReconcileError as error:
                log.warning("run waits", extra={"backend": name, "error": str(error)})

    def suspected(self, name: str) -> bool:
        """Whether its suite should be run sooner than its schedule says."""
        known = self._known.get(name)
        return known is not None and is_suspected(known.record, known.wish)

    def forget(self, name: str) -> None:
        """It is gone, or nobody asks any more; what is stored goes with the backend."""
        self._waiting.pop(name, None)
        known = self._known.pop(name, None)
        if known is not None:
            self._count(name, known, set())

    async def run(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._woken.wait()
            if self._woken.is_set():
                self._woken.clear()
                await self._take_waiting()
            else:
                await self.tick()

    async def tick(self) -> None:
        """Runs that wait, windows that are due, records that were not stored."""
        await self._take_waiting()
        asked: dict[tuple[int, int], Mapping[str, Window]] = {}
        await self._ask_for(asked)
        for name in list(self._known):
            async with self._lock(name):
                if known := self._known.get(name):
                    await self._tend(name, known, asked)

    def _wait(self, run: SuiteRun) -> None:
        waiting = self._waiting.setdefault(run.backend, [])
        waiting.append(run)
        del waiting[:-MOST_WAITING]

    async def _take_waiting(self) -> None:
        for waiting in list(self._waiting.values()):
            if waiting:
                await self.take(waiting.pop())

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def _find(self, name: str) -> _Known | None:
        """A backend that no reconcile has seen yet."""
        item = await self._api.get(kinds.MODEL_BACKEND, name)
        backend = observed_backend(item).parsed if item else None
        if item is None or backend is None or isinstance(backend, Invalid):
            return None
        wish = wish_of(backend)
        return await self._look(item, wish) if wish else None

    async def _look(self, item: Object, wish: Wish) -> _Known:
        """Known now, read if need be; what somebody says by annotation is heard."""
        name, uid = name_of(item), str(meta(item).get("uid"))
        said = annotations_of(item).get(names.ANNOTATION_DRIFT_REBASELINE, "")
        known = self._known.get(name)
        if known is None or known.record.uid != uid:
            known = await self._begin(item, wish, await read_record(self._api, name))
        known.item, known.wish = item, wish
        before = known.record
        record = traffic.begun(before, wish, now_ms=self._now_ms())
        record, news = rebaselined(record, said, wish, now_ms=self._now_ms())
        if record != before:
            await self._becomes(known, record, news)
        return known

    async def _begin(self, item: Object, wish: Wish, stored: Stored) -> _Known:
        name, uid = name_of(item), str(meta(item).get("uid"))
        record = stored.record
        if record is None or record.uid != uid:
            said = annotations_of(item).get(names.ANNOTATION_DRIFT_REBASELINE, "")
            record = Record(uid=uid, accepted=said, fresh=stored.lost)
        known = _Known(item, wish, record, stored.item, self._clock())
        self._known[name] = known
        if stored.lost:
            metrics.DRIFT_STATES_LOST.inc()
            log.error("state lost", extra={"backend": name, "error": stored.lost})
            note = f"the baseline begins anew: {stored.lost}"
            known.dirty = True
            await self._tell(known, (News("DriftStateLost", note, self._now_ms()),))
        return known

    async def _fold(self, known: _Known, run: SuiteRun) -> None:
        before = known.record
        record, news = await asyncio.to_thread(take, before, run, known.wish)
        if record is not before:
            await self._becomes(known, record, news)
            self._on_due(run.backend)

    async def _becomes(self, known: _Known, record: Record, news: tuple[News, ...]) -> None:
        """Store it, then tell of it."""
        known.record, known.dirty = record, True
        await self._save(known)
        await self._tell(known, news)

    async def _save(self, known: _Known) -> None:
        name = name_of(known.item)
        try:
            try:
                await self._write(known)
            except (Conflict, Gone):
                found = await read_record(self._api, name)
                known.stored = found.item
                if found.record is not None and _is_newer(found.record, known.record):
                    known.record, known.dirty = found.record, False  # another leader's
                    return
                await self._write(known)
        except Broken:
            raise
        except ReconcileError as error:
            known.problem = f"not stored: {error}"
            log.warning("not stored", extra={"backend": name, "error": str(error)})

    async def _write(self, known: _Known) -> None:
        known.stored = await write_record(self._api, known.item, known.stored, known.record)
        known.stored_s, known.dirty, known.problem = self._clock(), False, ""

    async def _tell(self, known: _Known, news: tuple[News, ...]) -> None:
        """Events; to tell is not worth a failure, and the same news twice is one Event."""
        name = name_of(known.item)
        for one in news:
            log.info("drift", extra={"backend": name, "reason": one.reason, "why": one.note})
            event = event_of(
                known.item,
                kind=one.kind,
                reason=one.reason,
                note=one.note,
                instance=self._instance,
                now=at(one.at_ms),
                action="Evaluate",
            )
            try:
                await self._api.create(kinds.EVENT, event)
            except Conflict:
                continue
            except Broken:
                raise
            except ReconcileError as error:
                log.warning("no event", extra={"reason": error.reason, "error": str(error)})

    def _told(self, known: _Known) -> Drifting:
        self._count(name_of(known.item), known, samples(known.record, known.wish))
        return told(known.record, known.wish, problem=known.problem)

    def _count(self, name: str, known: _Known, found: set[tuple[str, str]]) -> None:
        for task, direction in known.gauges - found:
            with contextlib.suppress(KeyError):
                metrics.DRIFTED.remove(name, task, direction)
        for task, direction in found:
            metrics.DRIFTED.labels(name, task, direction).set(1)
        known.gauges = found

    async def _tend(
        self, name: str, known: _Known, asked: dict[tuple[int, int], Mapping[str, Window]]
    ) -> None:
        before = told(known.record, known.wish, problem=known.problem)
        record, news = traffic.settled(known.record, now_ms=self._now_ms()), list[News]()
        for window in self._due(record):
            found = asked.get(window)
            if found is None:
                break
            record, fresh = traffic.take_window(
                record,
                found.get(name) or Window(),
                known.wish,
                from_ms=window[0],
                until_ms=window[1],
            )
            news.extend(fresh)
        if record != known.record:
            late = self._clock() - known.stored_s >= KEEP_S
            known.record = record
            if news or late:
                await self._becomes(known, record, tuple(news))
        if known.dirty:
            await self._save(known)
        if told(known.record, known.wish, problem=known.problem) != before:
            self._on_due(name)

    def _due(self, record: Record) -> list[tuple[int, int]]:
        return traffic.due_windows(record, now_ms=self._now_ms(), most=CATCH_UP)

    async def _ask_for(self, asked: dict[tuple[int, int], Mapping[str, Window]]) -> None:
        """One question a window for all backends, and none after one that was not answered."""
        due = {window for known in self._known.values() for window in self._due(known.record)}
        for window in sorted(due) if self._ask else ():
            assert self._ask is not None, "there is a ledger"
            try:
                asked[window] = await self._ask(*window)
            except Broken:
                raise
            except ReconcileError as error:
                log.warning("no traffic", extra={"error": str(error)})
                return


def _is_newer(one: Record, other: Record) -> bool:
    """Whether `one` knows a run that `other` does not."""
    if one.uid != other.uid or one.golden is None:
        return False
    mine = other.golden
    return mine is None or (one.golden.began_ms, one.golden.run) > (mine.began_ms, mine.run)
