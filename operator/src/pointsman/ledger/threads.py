"""Calls of a store from the event loop: in threads of their own, bounded in number and in time."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pointsman.ledger.contract import StoreAway
from pointsman.ledger.deadline import until

_T = TypeVar("_T")


class Threads:
    """Who waits for these waits for no others; at most `waiting` do, `within_s` each."""

    def __init__(self, name: str, count: int, *, waiting: int, within_s: float) -> None:
        self._threads = ThreadPoolExecutor(count, name)
        self._waiting = waiting
        self._within_s = within_s
        self._under_way = 0

    async def __call__(self, question: Callable[..., _T], *values: object) -> _T:
        """What it returns; one that takes too long ends at its next step. Raises StoreError."""
        if self._under_way >= self._waiting:
            raise StoreAway("too many questions at once")
        self._under_way += 1
        by_s = time.monotonic() + self._within_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._within_s):
                return await loop.run_in_executor(self._threads, _asked, by_s, question, values)
        except TimeoutError:
            raise StoreAway("the question takes too long") from None
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """What was begun ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _asked(by_s: float, question: Callable[..., _T], values: tuple[object, ...]) -> _T:
    with until(by_s):
        return question(*values)
