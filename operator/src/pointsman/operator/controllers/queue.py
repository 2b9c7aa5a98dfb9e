"""Keys to reconcile: at most one worker a key, many events become one, failures back off alone.

A key that is added while it is worked on is worked on once more; nothing is ever dropped. An event
need not wait for a failed key's backoff: what it says may be the cure.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pointsman.operator import metrics
from pointsman.operator.errors import Broken, ReconcileError, Stalled

log = logging.getLogger("pointsman.queue")

FIRST_BACKOFF_S: Final = 0.2
MAX_BACKOFF_S: Final = 60.0
GATHER_S: Final = 0.1
"""Less than anybody waits for a status, and more than lies between the acks of a fleet."""


@dataclass(slots=True)
class _Key:
    running: bool = False
    dirty: bool = False
    failures: int = 0
    retry: asyncio.TimerHandle | None = None


def backoff_s(failures: int, *, stalled: bool) -> float:
    """0.2 s doubling to 60 s; what the API server refuses as such starts at 5 s. +-20 % jitter."""
    first = 5.0 if stalled else FIRST_BACKOFF_S
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    return float(min(MAX_BACKOFF_S, first * 2 ** min(failures - 1, 12)) * jitter)


class Gathered:
    """
    Calls once for all that ask within a moment.

    Twenty routers acknowledge a table one by one: who reconciles after the first has no time to
    hear the others.
    """

    def __init__(self, call: Callable[[], None], wait_s: float = GATHER_S) -> None:
        self._call = call
        self._wait_s = wait_s
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Soon; from the loop's own thread."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wait_s, self._end)

    def _end(self) -> None:
        self._timer = None
        self._call()


class KeyedQueue:
    """Single flight a key, over one `reconcile(key)`."""

    def __init__(self, reconcile: Callable[[str], Awaitable[None]], *, concurrency: int) -> None:
        self._reconcile = reconcile
        self._slots = asyncio.Semaphore(concurrency)
        self._half = max(1, concurrency // 2)
        self._ended = asyncio.Event()
        self._keys: dict[str, _Key] = {}
        self._group: asyncio.TaskGroup | None = None

    def start(self, group: asyncio.TaskGroup) -> None:
        """Workers live in `group`."""
        self._group = group

    def add(self, key: str) -> None:
        """Reconcile `key` soon; call it from the loop's own thread."""
        assert self._group, "start first"
        state = self._keys.setdefault(key, _Key())
        if state.retry is not None:
            state.retry.cancel()
            state.retry = None
        state.dirty = True
        if not state.running:
            state.running = True
            work = self._work(key, state)
            try:
                self._group.create_task(work, name=f"reconcile {key}")
            except RuntimeError:  # the group ends, and what was to be done is another leader's
                work.close()

    async def room(self) -> None:
        """Wait until half of the slots are free: whoever has many keys leaves room for others'."""
        while sum(state.running for state in self._keys.values()) >= self._half:
            self._ended.clear()
            await self._ended.wait()

    async def _work(self, key: str, state: _Key) -> None:
        """Work until the key is clean; then it is forgotten."""
        try:
            while state.dirty:
                state.dirty = False
                async with self._slots:
                    failure = await self._once(key)
                state.failures = state.failures + 1 if failure else 0
                if failure and not state.dirty:
                    delay_s = backoff_s(state.failures, stalled=isinstance(failure, Stalled))
                    loop = asyncio.get_running_loop()
                    state.retry = loop.call_later(delay_s, self.add, key)
        finally:
            state.running = False
            self._ended.set()
            if state.retry is None and not state.dirty:
                self._keys.pop(key, None)

    async def _once(self, key: str) -> ReconcileError | None:
        controller, begun_s = key.partition("/")[0], time.perf_counter()
        outcome = "Done"
        try:
            await self._reconcile(key)
        except Exception as error:
            failures = leaves(error)
            for failure in failures:
                if isinstance(failure, Broken):
                    raise
            known = [failure for failure in failures if isinstance(failure, ReconcileError)]
            if len(known) < len(failures):  # a bug: logged whole, and only this key suffers
                outcome = "Bug"
                log.exception("reconcile failed", extra={"key": key, "reason": outcome})
                return Stalled(repr(error))
            outcome = known[0].reason
            said = {"key": key, "reason": outcome, "error": str(known[0])}
            log.warning("reconcile failed", extra=said)
            return known[0]
        finally:
            metrics.RECONCILES.labels(controller, outcome).inc()
            metrics.RECONCILE_SECONDS.labels(controller).observe(time.perf_counter() - begun_s)
        return None


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside an error: TaskGroups wrap them."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]
