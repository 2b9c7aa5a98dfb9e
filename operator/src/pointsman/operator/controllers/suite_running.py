"""One run of a suite against one backend, by the code of `pointsman evaluate`.

Guarantees an end within the deadline, that a run which is not whole is never called Complete, and
that no call begins that could pass the purse. Refused, timed out and unreadable answers have no
score: a backend that gives no answer at all is Unreachable, not bad.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from pointsman.evaluation.running.events import events_of
from pointsman.evaluation.running.results import FORMAT, Head
from pointsman.evaluation.running.runner import Asks, Plan, Runner, Target
from pointsman.evaluation.suite.calls import ANSWER, Unit
from pointsman.evaluation.suite.content import Suite
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Purse, TokenPrices
from pointsman.evaluation.suite.summary import Line, report
from pointsman.events.schema import Evaluation
from pointsman.operator.cluster.pinned import pinned
from pointsman.operator.plan.evaluating.suite_run import Answer, SuiteRun

CONCURRENCY: Final = 4
"""Calls of one run at once: an evaluation is no load test."""
IN_VAIN: Final = 8
"""First prompts without any answer after which nothing more is asked."""
_NO_ANSWER: Final = frozenset((Missing.ERROR, Missing.TIMED_OUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is run, as it was when it began: later edits are for the next run."""

    backend: str
    uid: str
    model: str
    suite_name: str
    suite: Suite
    run: int
    price: TokenPrices | None
    judge: str
    """The backend that judges; empty without one."""
    judge_price: TokenPrices | None
    cap_nano: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    run: SuiteRun
    lines: list[Line]
    cost_nano: int


class SuiteRunning:
    """A run that can be told to end."""

    def __init__(self, job: Job, *, clock: Callable[[], float] = time.time) -> None:
        self.job = job
        self._clock = clock
        target = Target(
            name=job.backend, model=job.model, endpoint=pinned(job.backend), price=job.price
        )
        judge = None
        if job.judge:
            judge = Target(
                name=job.judge,
                model=job.judge,
                endpoint=pinned(job.judge),
                price=job.judge_price,
            )
        plan = Plan(suite=job.suite, targets=[target], judge=judge, runs=1, concurrency=CONCURRENCY)
        self._purse = Purse(cap_nano=job.cap_nano)
        self._runner = Runner(plan, {}, purse=self._purse, keep=lambda _: None, progress=self._look)

    def _look(self) -> None:
        """Whether asking on is of any use."""
        if (why := self._in_vain()) and len(self._runner.done) >= IN_VAIN:
            self._runner.denied = why

    def _in_vain(self) -> str:
        """Why nothing was answered so far; empty if something was."""
        why = "nothing was asked"
        for calls in self._runner.done.values():
            call = calls.get(ANSWER)
            if call is None:
                continue
            if call.missing not in _NO_ANSWER:
                return ""
            why = f"no prompt was answered: {call.why}"
        return why

    async def run(self, asker: Asks, *, deadline_s: float) -> Ended:
        """Until its end, at the latest the deadline."""
        began_ms = int(self._clock() * 1000)
        late = ""
        try:
            async with asyncio.timeout(deadline_s):
                await self._runner.run(asker)
        except TimeoutError:
            late = f"it was not over after {deadline_s:.0f} s"
        return self._ended(began_ms, late)

    def broken(self, why: str) -> Ended:
        """The end of a run that met a bug: all that it was allowed counts as spent."""
        found = self._ended(int(self._clock() * 1000), why)
        return Ended(found.run, found.lines, max(found.cost_nano, self.job.cap_nano or 0))

    def _ended(self, began_ms: int, late: str) -> Ended:
        job, runner = self.job, self._runner
        found = report(job.suite_name, job.suite, [job.backend], 1, runner.done)
        evaluations = self._evaluations()
        ended: Literal["Complete", "SpendCap", "Unreachable"] = "Complete"
        whole = len(evaluations) == len(job.suite.prompts)
        message = ""
        if runner.capped:
            ended = "SpendCap"
            message = f"{len(evaluations)} of {len(job.suite.prompts)} prompts were asked"
        elif why := late or runner.denied or self._in_vain():
            ended, message = "Unreachable", why
        elif not whole:
            ended, message = "Unreachable", "not every prompt was asked to its end"
        run = SuiteRun(
            backend=job.backend,
            uid=job.uid,
            suite=job.suite_name,
            content=job.suite.content,
            run=job.run,
            began_ms=began_ms,
            ended_ms=int(self._clock() * 1000),
            ended=ended,
            message=message,
            evaluations=evaluations,
            model=job.model,
            answers={one.prompt: self._answer(one) for one in evaluations},
        )
        return Ended(run, found.lines, self._purse.spent_nano)

    def _evaluations(self) -> tuple[Evaluation, ...]:
        """In the order of the suite."""
        job = self.job
        head = Head(
            format=FORMAT,
            suite=job.suite_name,
            content=job.suite.content,
            file=f"{job.uid}/{job.run}",
        )
        found = {
            one.prompt: replace(one, run=job.run, backend=job.backend, model=job.model)
            for one in events_of(head, job.suite, self._runner.done, final=True)
        }
        return tuple(found[name] for name in job.suite.prompts if name in found)

    def _answer(self, one: Evaluation) -> Answer:
        unit = Unit(self.job.backend, 0, one.prompt)
        return Answer(
            task=one.task,
            score=one.score,
            weight=self.job.suite.prompts[one.prompt].weight,
            cost_nano=self._runner.done[unit][ANSWER].cost_nano,
        )
