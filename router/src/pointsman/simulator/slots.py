"""The engine's batch: a bounded number of running requests, and a bounded line of waiting ones.

Guarantees first come, first served; nobody overtakes the line. A waiter that is cancelled leaves no
trace. Refuses (Refused, 503) when the line is full.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from pointsman.simulator.errors import Refused


class Slots:
    """`limit` requests run at a time, `max_waiting` more may wait."""

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.running = 0
        self._line: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._tickets = 0

    @property
    def waiting(self) -> int:
        """How many wait in the line."""
        return len(self._line)

    def try_enter(self) -> bool:
        """Take a slot if one is free now and nobody waits."""
        if self.running >= self.limit or self._line:
            return False
        self.running += 1
        return True

    async def enter(self) -> None:
        """Take a slot, after waiting for it. Refused at once when the line is full."""
        if self.try_enter():
            return
        if len(self._line) >= self.max_waiting:
            raise Refused(
                f"The queue is full ({self.max_waiting} requests wait).",
                code="queue_full",
                retry_after_s=1,
            )
        self._tickets += 1
        ticket, turn = self._tickets, asyncio.get_running_loop().create_future()
        self._line[ticket] = turn
        try:
            await turn
        except asyncio.CancelledError:
            self._line.pop(ticket, None)
            if not turn.cancelled():  # the slot was given in the same moment and is not wanted
                self.leave()
            raise

    def leave(self) -> None:
        """Give the slot back; the first of the line gets it."""
        self.running -= 1
        self._admit()

    def resize(self, limit: int, max_waiting: int) -> None:
        """Change the bounds; those who run or wait already stay."""
        self.limit, self.max_waiting = limit, max_waiting
        self._admit()

    def _admit(self) -> None:
        while self._line and self.running < self.limit:
            _, turn = self._line.popitem(last=False)
            if not turn.done():
                self.running += 1
                turn.set_result(None)
