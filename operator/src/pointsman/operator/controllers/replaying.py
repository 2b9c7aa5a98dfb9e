"""Replays that rollouts wait for: asks the ledger, has the requests routed again, keeps the result.

Guarantees one replay at a time, beside the reconciles and never in one, and that each one comes to
a result: without a ledger at once, with one that is away after two minutes. It writes nothing: a
reconcile of the table stores the result with the rollout.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from pointsman.operator.errors import Waiting
from pointsman.operator.plan.rollout.guarding import Verdict
from pointsman.operator.plan.rollout.replaying import Replayed, ReplayPlan, no_result
from pointsman.operator.plan.rollout.rerouting import Job
from pointsman.operator.plan.rollout.state import Rollout

log = logging.getLogger("pointsman.replaying")

AGAIN_S: Final = 5.0
"""After a try that failed."""
GIVES_UP_S: Final = 120.0
"""After the first try."""
NO_LEDGER: Final = "there is no ledger to replay from"
NO_STABLE: Final = "the stable revision cannot be compiled with the backends of now"

Ask = Callable[[str, float, int], Awaitable[msgspec.Raw]]
"""The last so many requests of a policy, of the last so many seconds; raises Waiting."""
Run = Callable[[Job], Awaitable[Replayed]]
"""Raises Waiting."""


class Key(NamedTuple):
    """Which rollout of a policy it is."""

    stable: str
    candidate: str
    began_s: float


def key_of(rollout: Rollout) -> Key:
    """A retry is another one."""
    return Key(rollout.stable, rollout.candidate, rollout.began_s)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A replay that a rollout waits for."""

    key: Key
    pair: tuple[bytes, bytes] | None
    """The stable revision and the candidate; None: the stable one cannot be compiled."""
    plan: ReplayPlan


class Replayer:
    """`ask` None: there is no ledger. `on_result` is called when there is one."""

    def __init__(
        self,
        ask: Ask | None,
        run: Run,
        on_result: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        again_s: float = AGAIN_S,
    ) -> None:
        self._ask = ask
        self._run = run
        self._on_result = on_result
        self._clock = clock
        self._monotonic = monotonic
        self._again_s = again_s
        self._wanted: dict[str, Wanted] = {}
        self._results: dict[str, tuple[Key, Replayed]] = {}
        self._since_s: dict[str, tuple[Key, float]] = {}
        """When each was tried first."""
        self._wake = asyncio.Event()

    def follow(self, wanted: Mapping[str, Wanted]) -> None:
        """These policies wait for a replay now; what is known of others is forgotten."""
        self._wanted = dict(wanted)
        for kept in (self._results, self._since_s):
            for gone in kept.keys() - wanted.keys():
                del kept[gone]
        if any(self.result(name, one.key) is None for name, one in wanted.items()):
            self._wake.set()

    def result(self, policy: str, key: Key) -> Replayed | None:
        """What the replay of this rollout said; None: nothing yet."""
        found = self._results.get(policy)
        return found[1] if found is not None and found[0] == key else None

    async def run(self) -> None:
        """For ever."""
        while True:
            self._wake.clear()
            for name in list(self._wanted):
                await self.replay(name)
            waits = any(self.result(name, one.key) is None for name, one in self._wanted.items())
            try:
                async with asyncio.timeout(self._again_s if waits else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def replay(self, name: str) -> None:
        """Once, if it is wanted and has no result."""
        wanted = self._wanted.get(name)
        if wanted is None or self.result(name, wanted.key) is not None:
            return
        try:
            found = await self._replayed(name, wanted)
        except Waiting as error:
            log.warning("not replayed", extra={"policy": name, "error": str(error)})
            if not self._gives_up(name, wanted.key):
                return
            found = no_result(str(error), self._clock())
        log.info("replayed", extra={"policy": name, "verdict": str(found.verdict)})
        if self._wanted.get(name) == wanted:
            self._results[name] = (wanted.key, found)
            self._on_result()

    async def _replayed(self, name: str, wanted: Wanted) -> Replayed:
        now_s = self._clock()
        if self._ask is None:
            return no_result(NO_LEDGER, now_s)
        if wanted.pair is None:
            return no_result(NO_STABLE, now_s, Verdict.INCONCLUSIVE)
        plan, (stable, candidate) = wanted.plan, wanted.pair
        recent = await self._ask(name, plan.window_s, plan.requests)
        return await self._run(
            Job(stable=stable, candidate=candidate, recent=recent, plan=plan, now_s=now_s)
        )

    def _gives_up(self, name: str, key: Key) -> bool:
        now_s, (known, since_s) = self._monotonic(), self._since_s.get(name, (None, 0.0))
        if known != key:
            self._since_s[name] = (key, now_s)
            return False
        return now_s - since_s >= GIVES_UP_S
