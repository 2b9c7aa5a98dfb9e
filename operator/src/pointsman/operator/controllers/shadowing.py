"""Candidates that answer unseen: takes pairs from the routers, compares them, and keeps the score.

Guarantees that texts are in memory only, for as long as they are compared; that a judge is not
asked beyond its half of the money; and that a pair which nobody can judge counts for nothing. It
writes nothing. A new process takes the score from zero, as it does with a step's counts.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from pointsman.api.pairs import Pair, Pairs
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.evaluation.suite.spending import Purse, TokenPrices, Usage, most, prices_at
from pointsman.operator import metrics
from pointsman.operator.cluster.doors import Verdict
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.rollout import pairing
from pointsman.operator.plan.rollout.comparing import Moments
from pointsman.operator.plan.rollout.shadowing import Judge, Shadow, Shadowed
from pointsman.operator.plan.rollout.state import Rollout

EVERY_S: Final = 2.0
AT_ONCE: Final = 4
"""Pairs of one policy that are judged."""
MOST_AT_ONCE: Final = 16
"""Of all policies."""
LOOK_S: Final = 120.0
"""One look with all its verdicts; what is not judged by then is not judged."""
PART: Final = "shadow"
"""Of those that ask backends alone."""


class Routers(Protocol):
    """See cluster/doors.py."""

    async def pairs(self, policy: str, /) -> Mapping[str, Pairs | None]:
        """What each router that runs has of a policy's shadow; None: it did not say."""

    async def ask(
        self, backend: str, messages: list[dict[str, str]], max_tokens: int, /
    ) -> Verdict | None:
        """A judge's answer; None if it was not asked."""


class Pins(Protocol):
    """See controllers/pinning.py."""

    def ask(self, part: str, backends: Iterable[str], /) -> None:
        """These are asked from now on."""


class Seen(NamedTuple):
    """By task, the candidate's score less the control's; and in all."""

    pairs: Mapping[str, Moments]
    shadowed: Shadowed


Key = tuple[str, str, int]
"""Stable revision, candidate, and when the rollout began."""


def key_of(rollout: Rollout) -> Key:
    """What is compared together."""
    return rollout.stable, rollout.candidate, int(rollout.began_s * 1000)


@dataclass(slots=True)
class _Watch:
    """One policy's shadow."""

    key: Key
    shadow: Shadow
    purse: Purse
    routers: dict[str, Pairs] = field(default_factory=dict)
    """What each told last; without its pairs."""
    gone: dict[tuple[str, int], Pairs] = field(default_factory=dict)
    """Of routers that began anew, or are gone, by uid and when they had begun."""
    scores: dict[str, Moments] = field(default_factory=dict)
    unjudged: int = 0
    judge_spent_up: bool = False
    problem: str = ""
    busy: bool = False
    """It is being compared."""

    def hear(self, told: Mapping[str, Pairs | None]) -> list[Pair]:
        """The pairs that are new; who is not in `told` is gone."""
        fits = {
            uid: one
            for uid, one in told.items()
            if one is not None and (one.stable, one.candidate, one.began_ms) == self.key
        }
        for uid in self.routers.keys() - told.keys():
            before = self.routers.pop(uid)
            self.gone[uid, before.since_ms] = before
        found: list[Pair] = []
        for uid, one in fits.items():
            known = self.routers.get(uid)
            if known is not None and known.since_ms != one.since_ms:
                self.gone[uid, known.since_ms] = known
            self.gone.pop((uid, one.since_ms), None)
            found += one.pairs
            self.routers[uid] = _without_pairs(one)
        return found

    def score(self, pair: Pair, value: float) -> None:
        task = pair.task or pairing.UNDECIDED
        before = self.scores.get(task, Moments())
        self.scores[task] = before + Moments(1, value, value * value)

    def seen(self) -> Seen:
        every = (*self.gone.values(), *self.routers.values())
        pairs, equal = dict(self.scores), 0
        for one in every:
            for name, count in one.equal.items():
                task = name or pairing.UNDECIDED
                pairs[task] = pairs.get(task, Moments()) + Moments(count)
                equal += count
        routers_up = bool(self.routers) and all(one.spent_up for one in self.routers.values())
        answers = sum(one.spent_nano for one in every)
        spent, cap = answers + self.purse.spent_nano, self.shadow.max_spend_nano
        answers_up = answers >= self.shadow.answers_nano > 0
        shadowed = Shadowed(
            pairs=sum(moments.n for moments in pairs.values()),
            equal=equal,
            unjudged=self.unjudged,
            spent_nano=spent,
            currency=self.shadow.currency,
            spent_up=routers_up or self.judge_spent_up or answers_up or spent >= cap > 0,
            answers_up=answers_up,
            problem=self.problem,
        )
        return Seen(pairs, shadowed)


def _without_pairs(told: Pairs) -> Pairs:
    return Pairs(
        stable=told.stable,
        candidate=told.candidate,
        since_ms=told.since_ms,
        began_ms=told.began_ms,
        equal=told.equal,
        spent_nano=told.spent_nano,
        spent_up=told.spent_up,
    )


class Shadower:
    """`follow` says which rollouts are in their shadow; `seen` may be asked at any time."""

    def __init__(
        self, routers: Routers, pins: Pins, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._routers = routers
        self._pins = pins
        self._clock = clock
        self._limit = asyncio.Semaphore(MOST_AT_ONCE)
        self._watches: dict[str, _Watch] = {}
        self._backends: Backends = {}

    def follow(self, wanted: Mapping[str, tuple[Rollout, Shadow]], backends: Backends) -> None:
        """By policy: these, and no others, have a shadow now."""
        self._backends = backends
        before, self._watches = self._watches, {}
        for name, (rollout, shadow) in wanted.items():
            watch, key = before.get(name), key_of(rollout)
            if watch is None or watch.key != key:
                watch = _Watch(key, shadow, Purse(cap_nano=shadow.judge_nano))
            watch.shadow, watch.purse.cap_nano = shadow, shadow.judge_nano
            self._watches[name] = watch
        judges = {one.judge.backend for _, one in wanted.values() if one.judge is not None}
        self._pins.ask(PART, sorted(judges))

    def seen(self, policy: str, rollout: Rollout) -> Seen:
        """What was compared of this rollout."""
        watch = self._watches.get(policy)
        if watch is None or watch.key != key_of(rollout):
            return Seen({}, Shadowed())
        return watch.seen()

    async def run(self) -> None:
        """For ever, each 2 s; a policy whose judge is slow waits for it alone."""
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(EVERY_S)
                self._begin(group)

    async def look(self) -> None:
        """Take what there is, and compare it."""
        async with asyncio.TaskGroup() as group:
            self._begin(group)

    def _begin(self, group: asyncio.TaskGroup) -> None:
        for name, watch in self._watches.items():
            if not watch.busy:
                watch.busy = True
                group.create_task(self._compare(name, watch))

    async def _compare(self, name: str, watch: _Watch) -> None:
        try:
            pairs = watch.hear(await self._routers.pairs(name))
            asked: list[Pair] = []
            for pair in pairs:
                found = pairing.scored(pair, judged=watch.shadow.judge is not None)
                if found is pairing.Unscored.ASK:
                    asked.append(pair)
                elif found is pairing.Unscored.NOBODY:
                    _note(watch, pair, None)
                else:
                    _note(watch, pair, float(found))
            if watch.shadow.judge is not None and asked:
                await self._judge(watch, watch.shadow.judge, asked)
        finally:
            watch.busy = False

    async def _judge(self, watch: _Watch, judge: Judge, pairs: list[Pair]) -> None:
        backend = self._backends.get(judge.backend)
        prices, watch.problem = _prices(backend, judge, watch.shadow, self._clock())
        limit = asyncio.Semaphore(AT_ONCE)
        left = dict(enumerate(pairs))

        async def one(number: int) -> None:
            async with limit, self._limit:
                value = None
                if prices is not None:
                    value = await self._verdict(watch, judge, prices, pairs[number])
            _note(watch, left.pop(number), value)

        try:
            async with asyncio.timeout(LOOK_S), asyncio.TaskGroup() as group:
                for number in range(len(pairs)):
                    group.create_task(one(number))
        except TimeoutError:
            for pair in left.values():
                _note(watch, pair, None)

    async def _verdict(
        self, watch: _Watch, judge: Judge, prices: TokenPrices, pair: Pair
    ) -> float | None:
        """Two questions, with the places swapped; None where one has no verdict."""
        said: list[str | None] = []
        for messages in pairing.questions(pair, judge.rubric):
            aside = prices.cost_nano(most(messages, judge.max_tokens))
            if not watch.purse.take(aside):
                watch.judge_spent_up = True
                return None
            spent = aside
            try:
                verdict = await self._routers.ask(judge.backend, messages, judge.max_tokens)
                if verdict is None:
                    spent = 0
                elif verdict.input_tokens is not None and verdict.output_tokens is not None:
                    used = Usage(
                        input=max(verdict.input_tokens, 0), output=max(verdict.output_tokens, 0)
                    )
                    spent = min(prices.cost_nano(used), aside)
            finally:
                watch.purse.settle(aside, spent)
            said.append(verdict.text if verdict is not None else None)
            if verdict is None or not verdict.text:
                return None
        return pairing.read(said)


def _note(watch: _Watch, pair: Pair, value: float | None) -> None:
    """It counts, or counts for nothing."""
    if value is None:
        watch.unjudged += 1
        metrics.SHADOW_PAIRS.labels("Unjudged").inc()
        return
    watch.score(pair, value)
    word = "Better" if value > 0 else "Worse" if value < 0 else "Same"
    metrics.SHADOW_PAIRS.labels(word).inc()


def _prices(
    backend: object, judge: Judge, shadow: Shadow, now_s: float
) -> tuple[TokenPrices | None, str]:
    """What a judge costs; None, and why, if it cannot be asked."""
    if not isinstance(backend, ModelBackend):
        return None, f"the judge {judge.backend} is not there"
    cost, free = backend.spec.cost, TokenPrices(
        input_pico=0, output_pico=0, cached_pico=0, reasoning_pico=0, currency=shadow.currency
    )  # fmt: skip
    if cost is None:
        return free, ""
    now = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    prices = prices_at(cost, now)
    if not (prices.input_pico or prices.output_pico):
        return free, ""
    if prices.currency != shadow.currency:
        return None, f"the judge's prices are in {prices.currency}, not {shadow.currency}"
    return prices, ""
