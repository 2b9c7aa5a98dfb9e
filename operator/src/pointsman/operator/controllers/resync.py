"""A full resync at a random moment, again and again: it repairs every event that was lost.

Sooner where events are known to be lost.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.observe import Reads
from pointsman.operator.controllers.backends import backend_keys
from pointsman.operator.controllers.suites import suite_keys
from pointsman.operator.errors import ReconcileError
from pointsman.operator.settings import Settings

log = logging.getLogger("pointsman.resync")

HASTE: Final = 1 / 16
"""A hurried one comes after so much of the usual time at the earliest: watches that break again and
again, and the eight of them one after the other, do not make a load of it."""


class Resync:
    """
    Adds every key; `last_s` is when (monotonic) the API server last answered it.

    `known` are keys of what was seen: what is gone, and nobody was told, is looked at as well.

    Before each key it waits for `room`: hundreds at once would stand before a first request that
    wakes a backend.
    """

    def __init__(
        self,
        reads: Reads,
        settings: Settings,
        add: Callable[[str], None],
        room: Callable[[], Awaitable[None]],
        *,
        spoil: Callable[[], None] = lambda: None,
        known: Callable[[], Iterable[str]] = tuple,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._settle = settle
        """Called when all has been asked for."""
        self._known = known
        self._spoil = spoil
        """What was read before counts for nothing."""
        self._reads = reads
        self._settings = settings
        self._add = add
        self._room = room
        self._hurried = asyncio.Event()
        self.last_s = time.monotonic()

    def hurry(self) -> None:
        """Events were lost: soon, and not at its own time."""
        self._hurried.set()

    async def run(self) -> None:
        """For ever, first at once."""
        while True:
            self._hurried.clear()
            self._spoil()
            self._add("table")
            begun_s = time.monotonic()
            try:
                keys = backend_keys(await self._reads.list_all(kinds.MODEL_BACKEND))
                keys += suite_keys(await self._reads.list_all(kinds.EVALUATION_SUITE))
                self.last_s = time.monotonic()
                for key in dict.fromkeys([*keys, *self._known()]):
                    await self._room()
                    self._add(key)
                self._settle()
                wait_s = self._settings.resync_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                wait_s -= time.monotonic() - begun_s
            except ReconcileError as error:
                log.warning("resync failed", extra={"reason": error.reason, "error": str(error)})
                wait_s = random.uniform(2.0, 5.0)  # noqa: S311 - jitter
            await self._rest(max(0.0, wait_s))

    async def _rest(self, longest_s: float) -> None:
        """So long, or until it is hurried."""
        least_s = min(longest_s, self._settings.resync_s * HASTE)
        await asyncio.sleep(least_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s - least_s):
                await self._hurried.wait()
