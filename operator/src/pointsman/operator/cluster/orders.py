"""What routers are asked about single backends, told again and again while it is meant.

Guarantees that an order which is no longer meant ends by itself: routers forget it after ORDER_S.
A backend goes to zero only when every router that runs has confirmed that it holds its requests,
and has none of them left; one that cannot be heard confirms nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from pointsman.api.table import ORDER_S, Order

REPEAT_S: Final = ORDER_S / 3
NONE: Final = Order()
AT_ONCE: Final = 16
"""Backends whose order is told at the same time."""


class Orders:
    """`on_news` is called with a backend whose order was confirmed by all just now."""

    def __init__(
        self,
        obeyed: Callable[[str], bool],
        put: Callable[[str, Order], Awaitable[None]],
        on_news: Callable[[str], None],
        *,
        repeat_s: float = REPEAT_S,
    ) -> None:
        self._obeyed = obeyed
        self._put = put
        self._tell = on_news
        self._repeat_s = repeat_s
        self._meant: dict[str, Order] = {}
        self._due: dict[str, Order] = {}
        self._told: set[str] = set()
        """Backends of which some order may be in force, also one that lapses."""
        self._confirmed: set[str] = set()
        self._woken = asyncio.Event()
        self._limit = asyncio.Semaphore(AT_ONCE)

    def hold(self, backend: str) -> None:
        """Requests for it shall wait, as if it had no server."""
        self._mean(backend, Order(hold=True))

    def is_held(self, backend: str) -> bool:
        """True while every router confirms it."""
        return self._meant.get(backend, NONE).hold and self._obeyed(backend)

    def is_meant(self, backend: str) -> bool:
        """True while requests for it shall wait, confirmed or not."""
        return self._meant.get(backend, NONE).hold

    def fail(self, backend: str, why: str) -> None:
        """Requests that wait for it shall end: no server can start."""
        self._mean(backend, Order(failure=why))

    def end(self, backend: str) -> None:
        """Nothing is asked any more, from now on."""
        self._meant.pop(backend, None)
        self._confirmed.discard(backend)
        if backend in self._told:
            self._told.discard(backend)
            self._due[backend] = NONE
            self._woken.set()

    def lapse(self, backend: str) -> None:
        """Nothing is asked any more; what is in force may end by itself."""
        self._meant.pop(backend, None)
        self._confirmed.discard(backend)

    def heard(self) -> None:
        """Some router has said something."""
        for backend, order in self._meant.items():
            if order.hold and backend not in self._confirmed and self._obeyed(backend):
                self._confirmed.add(backend)
                self._tell(backend)

    def _mean(self, backend: str, order: Order) -> None:
        if self._meant.get(backend) != order:
            self._confirmed.discard(backend)
            self._meant[backend] = self._due[backend] = order
            self._told.add(backend)
            self._woken.set()

    async def run(self) -> None:
        """For ever: new ones at once, all of them every few seconds."""
        repeat_s = time.monotonic() + self._repeat_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, repeat_s - time.monotonic())):
                    await self._woken.wait()
            self._woken.clear()
            due, self._due = self._due, {}
            if time.monotonic() >= repeat_s:
                repeat_s = time.monotonic() + self._repeat_s
                due = self._meant | due
            async with asyncio.TaskGroup() as group:
                for backend, order in due.items():
                    group.create_task(self._send(backend, order))

    async def _send(self, backend: str, order: Order) -> None:
        """Unless it is no longer meant when its turn comes; a dead router takes seconds of each."""
        async with self._limit:
            if self._meant.get(backend, NONE) == order:
                await self._put(backend, order)
