"""Predictors that learn: asks the ledger for labels, has them fitted, and says what came of it.

Guarantees one question and one fit at a time, beside the reconciles and never in one, and that a
ledger or a fit that fails leaves in force what was learned before. It writes nothing: a reconcile
of the table is asked for, and the blob that is in force is the store of what was learned.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from pointsman.analysis.predictor import encode
from pointsman.ledger.labels import Labels
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.learning import (
    WINDOW,
    Fitted,
    Job,
    Learning,
    Wish,
    is_due,
    job_of,
)
from pointsman.operator.plan.predicting import Learned

log = logging.getLogger("pointsman.learning")

EVERY_S: Final = 60.0
"""How often the ledger is asked."""
APART: Final = 5
"""Questions between two fits of one policy: each may write a table of 250 kB to all routers."""
NO_LEDGER: Final = "there is no ledger to learn from"

Ask = Callable[[str, float], Awaitable[Labels]]
"""Labels of a policy, of the last so many seconds; raises Waiting."""
Fit = Callable[[Job], Awaitable[Fitted]]
"""Raises Waiting."""


class Learner:
    """`ask` None: there is no ledger. `on_change` is called after there is something to tell."""

    def __init__(
        self,
        ask: Ask | None,
        fit: Fit,
        on_change: Callable[[], None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._fit = fit
        self._on_change = on_change
        self._every_s = every_s
        self._clock = clock
        self._policies: dict[str, Learning] = {}
        self._fitted: dict[str, tuple[Job, float]] = {}
        """What was fitted last, and when."""
        self._wake = asyncio.Event()

    @property
    def learned(self) -> dict[str, Learned]:
        """By policy, of those that have learned something."""
        return {name: one.learned for name, one in self._policies.items() if one.learned}

    def learning(self, policy: str) -> Learning | None:
        """None for a policy without a predictor."""
        return self._policies.get(policy)

    def follow(
        self, wishes: Mapping[str, Wish], recalled: Mapping[str, Learned | None] | None = None
    ) -> None:
        """These policies have predictors now; `recalled` is what is in force of new ones."""
        for gone in self._policies.keys() - wishes.keys():
            del self._policies[gone]
            self._fitted.pop(gone, None)
        for name, wish in wishes.items():
            known = self._policies.get(name)
            if known is None:
                learned = (recalled or {}).get(name)
                problem = "" if self._ask else NO_LEDGER
                self._policies[name] = Learning(wish, learned, problem=problem)
                self._wake.set()
            elif known.wish != wish:
                self._policies[name] = replace(known, wish=wish)
                self._wake.set()

    async def run(self) -> None:
        """For ever."""
        if self._ask is None:
            return
        while True:
            self._wake.clear()
            for name in list(self._policies):
                await self.learn(name)
            try:
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def learn(self, name: str) -> None:
        """Ask about one policy, and fit it if that is worth it."""
        before = self._policies.get(name)
        if before is None or self._ask is None:
            return
        now_s = self._clock()
        try:
            found = await self._ask(name, WINDOW * before.wish.half_life_s)
            job = job_of(before.wish, found.labels, now_s)
            if not self._is_due(name, job, now_s):
                self._put(name, before, replace(before, problem=""))
                return
            fitted = await self._fit(job)
        except Waiting as error:
            log.warning("not learned", extra={"policy": name, "error": str(error)})
            self._put(name, before, replace(before, problem=str(error)))
            return
        self._fitted[name] = (job, now_s)
        log.info("learned", extra={"policy": name, "labels": len(job.labels)})
        after = Learning(before.wish, fitted.learned(), fitted.samples, now_s)
        self._put(name, before, after)

    def _is_due(self, name: str, job: Job, now_s: float) -> bool:
        last, at_s = self._fitted.get(name, (None, 0.0))
        new = last is None or last.wish != job.wish or not last.labels
        return is_due(last, job) and (new or now_s - at_s >= APART * self._every_s)

    def _put(self, name: str, before: Learning, after: Learning) -> None:
        """Unless the policy changed meanwhile: then it is asked about again."""
        if self._policies.get(name) is not before:
            self._fitted.pop(name, None)
            return
        if _same(before.learned, after.learned):  # the same table: nothing was learned
            after = replace(after, learned=before.learned, fitted_s=before.fitted_s)
        self._policies[name] = after
        if after != before:
            self._on_change()


def _same(one: Learned | None, other: Learned | None) -> bool:
    """Whether a table with it would be the same."""
    if one is None or other is None:
        return one is other
    return encode(one.weights) == encode(other.weights) and one.traits == other.traits
