"""Time that a test may move on, so that no deadline is waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

STEP_S = 10.0
TURNS = 10


class Clock:
    """Monotonic seconds, and what was added to them."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def __call__(self) -> float:
        """Now."""
        return time.monotonic() + self.added_s

    @asynccontextmanager
    async def moving_while(self, holds: Callable[[], bool]) -> AsyncIterator[None]:
        """
        Ten seconds on, again and again, for as long as it holds.

        Between two steps whoever is not stuck has some turns of the loop, however busy the machine.
        """

        async def move() -> None:
            while True:
                await asyncio.sleep(0.005)
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                if holds():
                    self.added_s += STEP_S

        moving = asyncio.create_task(move())
        try:
            yield
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
