"""Calls of a store from the event loop, in threads of their own and bounded in number."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pointsman.ledger.contract import REVIEWERS, Store, StoreAway, Transaction
from pointsman.ledger.rows import Row

_WAITING: Final = 512
"""Calls that wait for that; more are told to come back."""
_T = TypeVar("_T")


class Calls:
    """Who reviews waits neither for who ingests nor for who asks for sums."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(REVIEWERS, "ledger-review")
        self._under_way = 0

    async def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Raises StoreError, BadData, and what `work` raises."""
        return await self._in_thread(lambda: self.store.transact(work))

    async def query(self, question: tuple[str, list[object]]) -> list[Row]:
        """Raises StoreError."""
        return await self._in_thread(lambda: self.store.look_up(*question))

    def close(self) -> None:
        """What was begun ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        if self._under_way >= _WAITING:
            raise StoreAway("too many at once")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._under_way -= 1
