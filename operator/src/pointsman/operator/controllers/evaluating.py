"""Runs each backend's golden prompts when they are due; a reconcile writes what came of it.

Guarantees that a run begins only after its number and its most cost were read back from the stored
status, so that a restart neither runs a number twice nor forgets money; that MOST run at once; and
that what goes wrong with one backend stops no other.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pointsman.api.conditions import Condition
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid
from pointsman.evaluation.running.runner import Asks
from pointsman.evaluation.suite.content import Suite
from pointsman.evaluation.suite.spending import TokenPrices
from pointsman.events.schema import Evaluation
from pointsman.operator import metrics
from pointsman.operator.controllers.suite_running import Ended, Job, SuiteRunning
from pointsman.operator.plan.evaluating.judges import judge_of
from pointsman.operator.plan.evaluating.pricing import most_nano, prices_of
from pointsman.operator.plan.evaluating.record import (
    ENDS,
    Record,
    amount,
    loaded,
    rfc3339,
)
from pointsman.operator.plan.evaluating.scheduling import (
    Wish,
    begun,
    due_ms,
    is_ordered,
    over,
    resumed,
    share_of,
    wish_of,
)
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.plan.evaluating.telling import (
    Evaluating,
    Hindrance,
    currencies_differ,
    evaluating,
    no_judge,
    qualities,
    remembered,
)
from pointsman.operator.plan.objects import Json, annotations_of

log = logging.getLogger("pointsman.evaluating")

MOST: Final = 2
"""Runs at once; with CONCURRENCY calls each, a quarter of what one router takes."""
TICK_S: Final = 1.0
ASK_AGAIN_S: Final = 10.0
"""A reconcile that was asked for and failed has a back-off of its own."""
DEADLINE_S: Final = 24 * 3600.0
"""Of a whole run."""

Backends = Mapping[str, ModelBackend | Invalid]
Found = Suite | Hindrance | None
"""None: suites are not known yet."""


class _Phase(StrEnum):
    IDLE = "Idle"
    BEGINNING = "Beginning"
    """Its number is on its way to the status."""
    RUNNING = "Running"


@dataclass(slots=True)
class _Known:
    uid: str
    backend: ModelBackend
    wish: Wish
    record: Record
    seen_ms: int
    phase: _Phase = _Phase.IDLE
    job: Job | None = None
    task: asyncio.Task[None] | None = None
    told: Evaluating | None = None
    """What the status says, or was told to say."""
    asked_s: float = -1e9
    gauges: set[str] = field(default_factory=set)


class Evaluator:
    """
    `suites` finds a suite by its name, `backends` are all of the namespace as read last.

    `on_due` asks for a reconcile of a backend, `put` takes events for the ledger, `listeners` hear
    of each run that ended. `suspected`: backends that are to be asked sooner. `wanted`: since when
    (Unix ms) somebody waits for a run of a backend; 0: nobody does.
    """

    def __init__(
        self,
        asker: Asks,
        suites: Callable[[str], Found],
        backends: Callable[[], Backends | None],
        on_due: Callable[[str], None],
        *,
        put: Callable[[Evaluation], None] = lambda _: None,
        listeners: Sequence[Callable[[SuiteRun], None]] = (),
        suspected: Callable[[str], bool] = lambda _: False,
        wanted: Callable[[str], int] = lambda _: 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._asker = asker
        self._suites = suites
        self._backends = backends
        self._on_due = on_due
        self._put = put
        self.listeners = list(listeners)
        self._suspected = suspected
        self._wanted = wanted
        self._clock = clock
        self._monotonic = monotonic
        self._deadline_s = deadline_s
        self._known: dict[str, _Known] = {}
        self.group: asyncio.TaskGroup | None = None

    # What a reconcile of a backend says and asks.

    def observe(self, item: Json, backend: ModelBackend) -> Evaluating | None:
        """What its status shall say; None for one that never was to be evaluated."""
        name, stored = backend.metadata.name, item.get("status") or {}
        wish = wish_of(backend, annotations_of(item))
        known = self._known.get(name)
        if wish is None:
            self.forget(name)
            return remembered(resumed(loaded(stored), now_ms=self._now_ms()))
        if known is None or known.uid != backend.metadata.uid:
            self.forget(name)
            record = resumed(loaded(stored), now_ms=self._now_ms())
            known = _Known(backend.metadata.uid, backend, wish, record, self._now_ms())
            self._known[name] = known
        known.backend, known.wish = backend, wish
        self._confirm(name, known, loaded(stored))
        known.told = self._tell(name, known)
        return known.told

    def wrote(self, name: str) -> None:
        """The status was written: a run that is to begin needs to read it back."""
        known = self._known.get(name)
        if known is not None and known.phase is _Phase.BEGINNING:
            known.asked_s = self._monotonic()
            self._on_due(name)

    def condition(self, name: str) -> Condition | None:
        """Evaluated, as its status says it; None where nobody knows yet."""
        known = self._known.get(name)
        return known.told.condition if known and known.told else None

    def unreadable(self, name: str) -> None:
        """Its spec is broken: a run that was to begin does not, one under way goes on."""
        known = self._known.get(name)
        if known is not None and known.phase is _Phase.BEGINNING:
            self.forget(name)  # what is stored says how far it came

    def forget(self, name: str) -> None:
        """It is gone, or not to be evaluated any more: a run under way ends without a result."""
        known = self._known.pop(name, None)
        if known is None:
            return
        if known.task is not None:
            known.task.cancel()
        for task in known.gauges:
            with contextlib.suppress(KeyError):
                metrics.QUALITY.remove(name, task)
        for ended in ENDS:
            with contextlib.suppress(KeyError):
                metrics.EVALUATIONS.remove(name, ended)

    # What happens by itself.

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            self.group = group
            while True:
                self.tick()
                await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Begin what is due, the longest due first; tell what changed by itself."""
        busy = sum(one.phase is not _Phase.IDLE for one in self._known.values())
        now_ms = self._now_ms()
        due = sorted(
            (at_ms, name)
            for name, one in self._known.items()
            if one.phase is _Phase.IDLE and (at_ms := self._due_ms(name, one)) <= now_ms
        )
        for _, name in due[: max(0, MOST - busy)]:
            self._begin(name, self._known[name])
        for name, one in self._known.items():
            changed = one.told is not None and self._tell(name, one) != one.told
            waits = one.phase is _Phase.BEGINNING or changed
            if waits and self._monotonic() - one.asked_s >= ASK_AGAIN_S:
                one.asked_s = self._monotonic()
                self._on_due(name)

    def _begin(self, name: str, known: _Known) -> None:
        """Decide what is run; it begins once that is stored."""
        job = self._job(name, known)
        if not isinstance(job, Job):
            return
        now_ms = self._now_ms()
        most = most_nano(job.suite, job.price, job.judge_price)
        known.record = begun(
            known.record, known.wish, content=job.suite.content, most_nano=most, now_ms=now_ms
        )
        cap = None if known.wish.cap_nano is None else known.record.reserved_nano
        known.job = Job(
            backend=job.backend, uid=job.uid, model=job.model, suite_name=job.suite_name,
            suite=job.suite, run=known.record.run, price=job.price, judge=job.judge,
            judge_price=job.judge_price, cap_nano=cap,
        )  # fmt: skip
        known.phase = _Phase.BEGINNING
        known.asked_s = self._monotonic()
        self._on_due(name)

    def _confirm(self, name: str, known: _Known, stored: Record) -> None:
        """Run what the API server has."""
        if known.phase is not _Phase.BEGINNING or self.group is None:
            return
        if (stored.run, bool(stored.start_ms)) == (known.record.run, True):
            known.phase = _Phase.RUNNING
            known.task = self.group.create_task(self._run(name, known), name=f"evaluate {name}")

    async def _run(self, name: str, known: _Known) -> None:
        assert known.job is not None
        running = SuiteRunning(known.job, clock=self._clock)
        log.info("evaluation begun", extra={"backend": name, "run": known.job.run})
        try:
            ended = await running.run(self._asker, deadline_s=self._deadline_s)
        except Exception as error:
            log.exception("evaluation met a bug", extra={"backend": name, "run": known.job.run})
            ended = running.broken(f"an error of the operator: {type(error).__name__}")
        if self._known.get(name) is known:
            self._over(name, known, ended)

    def _over(self, name: str, known: _Known, ended: Ended) -> None:
        run, lines = ended.run, ended.lines
        complete = run.ended == "Complete"
        found = qualities(lines, run.ended_ms) if complete else ()
        known.record = over(
            known.record,
            ended=run.ended,
            message=_message(known, ended),
            cost_nano=ended.cost_nano,
            quality=found,
            now_ms=self._now_ms(),
        )
        known.phase, known.job, known.task = _Phase.IDLE, None, None
        metrics.EVALUATIONS.labels(name, run.ended).inc()
        for one in found:
            known.gauges.add(one.task)
            metrics.QUALITY.labels(name, one.task).set(float(one.score))
        log.info(
            "evaluation ended",
            extra={"backend": name, "run": run.run, "ended": run.ended, "why": run.message},
        )
        for event in run.evaluations:
            self._put(event)
        for listener in self.listeners:
            try:
                listener(run)
            except Exception:
                metrics.RUNS_NOT_TAKEN.inc()
                log.exception("a run was not taken", extra={"backend": name, "run": run.run})
        known.asked_s = self._monotonic()
        self._on_due(name)

    # What is so now.

    def _due_ms(self, name: str, known: _Known) -> int:
        return due_ms(
            known.wish,
            known.record,
            seen_ms=known.seen_ms,
            share=share_of(known.uid),
            now_ms=self._now_ms(),
            suspected=self._suspected(name),
            wanted_ms=self._wanted(name),
        )

    def _tell(self, name: str, known: _Known) -> Evaluating:
        job = self._job(name, known)
        hindrance = job if isinstance(job, Hindrance) else None
        return evaluating(known.record, hindrance, next_ms=self._next_ms(name, known))

    def _next_ms(self, name: str, known: _Known) -> int:
        """As the status says it: not before now, and not for what is under way."""
        if known.phase is not _Phase.IDLE or is_ordered(known.wish, known.record):
            return 0
        return self._due_ms(name, known)

    def _job(self, name: str, known: _Known) -> Job | Hindrance | None:
        """What would be run now, or why nothing is; None while that is not known."""
        suite, backends = self._suites(known.wish.suite), self._backends()
        if not isinstance(suite, Suite) or backends is None:
            return suite if isinstance(suite, Hindrance) else None
        now = rfc3339(self._now_ms())
        price, judge, judge_price = prices_of(known.backend, now), "", None
        if suite.judge is not None:
            found = judge_of(suite.judge.model, backends)
            if found is None:
                return no_judge(known.wish.suite, suite.judge.model)
            judge, judge_price = found.metadata.name, prices_of(found, now)
            if _differ(known.wish, price, judge_price):
                return currencies_differ(known.wish.currency, judge)
        return Job(
            backend=name, uid=known.uid, model=known.backend.spec.model,
            suite_name=known.wish.suite, suite=suite, run=known.record.run, price=price,
            judge=judge, judge_price=judge_price, cap_nano=known.wish.cap_nano,
        )  # fmt: skip

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _differ(wish: Wish, price: TokenPrices | None, judge: TokenPrices | None) -> bool:
    """Whether there is a cap that cannot be held."""
    return bool(wish.cap_nano is not None and price and judge and price.currency != judge.currency)


def _message(known: _Known, ended: Ended) -> str:
    """What status says of the run."""
    run, wish = ended.run, known.wish
    if run.ended == "SpendCap":
        cap = f"{amount(wish.cap_nano or 0)} {wish.currency}".strip()
        return f"run {run.run}: maxCostPerDay {cap} leaves no room for the next call; {run.message}"
    if run.ended != "Complete":
        return f"run {run.run}: {run.message}"
    scored = sum(one.score is not None for one in run.evaluations)
    total = len(run.evaluations)
    return f"run {run.run} of EvaluationSuite {run.suite}: {scored} of {total} prompts have a score"
