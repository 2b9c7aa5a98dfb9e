"""Looking for garbage without stopping for what stays.

A full look through the mirror of a thousand backends holds the loop for a fifth of a second, and
came some times a minute: each edit that met one waited. What is alive after a resync is set aside
(`gc.freeze`), so that a look goes through what came since. Once an hour all of it is looked at, for
what was alive then and is garbage now.
"""

import gc
import time
from collections.abc import Callable
from typing import Final

WHOLE_S: Final = 3600.0


class Garbage:
    """`set_aside` is called at moments in which little else is under way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole_s = clock()

    def set_aside(self) -> None:
        """Free what is garbage; leave the rest alone from now on."""
        if self._clock() - self._whole_s >= WHOLE_S:
            self._whole_s = self._clock()
            gc.unfreeze()
        gc.collect()
        gc.freeze()
