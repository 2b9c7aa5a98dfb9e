"""Deadlines for tens of thousands of connections with one timer.

Guarantees that an alarm rings once, never early, at most a tick and the loop's lag late. Moving a
deadline later, which nearly every request does, is one assignment.
"""

import asyncio
import logging
from collections.abc import Callable
from math import inf

_log = logging.getLogger(__name__)


class Alarm:
    """One deadline; `ring(now_s)` is called when it has passed. Set it with `Wheel.set`."""

    __slots__ = ("at_s", "filed", "filed_s", "ring")

    def __init__(self, ring: Callable[[float], object]) -> None:
        self.ring: Callable[[float], object] | None = ring
        self.at_s = inf
        self.filed = 0
        """The tick it is looked at, 0 for never."""
        self.filed_s = inf
        """When that tick begins."""

    def off(self) -> None:
        """Never ring again, and hold nothing alive."""
        self.at_s = inf
        self.ring = None


class Wheel:
    """Ticks only while an alarm is set."""

    __slots__ = ("_buckets", "_clock", "_handle", "_loop", "_next", "_tick_s", "_turning")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], tick_s: float
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._tick_s = tick_s
        self._buckets: dict[int, list[Alarm]] = {}
        self._next = 0
        """The first tick that was not looked at."""
        self._handle: asyncio.TimerHandle | None = None
        self._turning = False

    def set(self, alarm: Alarm, at_s: float) -> None:
        """Let `alarm` ring at `at_s`, instead of when it was set to before."""
        alarm.at_s = at_s
        if at_s < alarm.filed_s:  # else, when looked at, it is filed again
            self._file(alarm, int(at_s / self._tick_s) + 1)

    def stop(self) -> None:
        """Forget all alarms."""
        self._buckets.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _file(self, alarm: Alarm, tick: int) -> None:
        if self._wind() and not self._turning:
            self._next = int(self._clock() / self._tick_s)
        tick = max(tick, self._next)
        alarm.filed = tick
        alarm.filed_s = (tick - 1) * self._tick_s
        self._buckets.setdefault(tick, []).append(alarm)

    def _wind(self) -> bool:
        """
        Turn with the next tick; False if it does already.

        A method of its own: whoever has just set the handle to None is believed to have it so
        still, by compiled code (see DESIGN.md).
        """
        if self._handle is not None:
            return False
        self._handle = self._loop.call_later(self._tick_s, self._turn)
        return True

    def _turn(self) -> None:
        self._handle = None
        self._turning = True
        try:
            self._look_up_to(self._clock())
        finally:
            self._turning = False
        if self._buckets:
            self._wind()

    def _look_up_to(self, now_s: float) -> None:
        """Every tick that has begun, each once, also those that a slow loop is late for."""
        last = int(now_s / self._tick_s)
        while self._next <= last:
            tick = self._next
            self._next += 1
            for alarm in self._buckets.pop(tick, ()):
                if alarm.filed == tick:
                    alarm.filed = 0
                    alarm.filed_s = inf
                    self._look(alarm, now_s)

    def _look(self, alarm: Alarm, now_s: float) -> None:
        if alarm.ring is None:
            return
        if alarm.at_s <= now_s:
            alarm.at_s = inf
            try:
                alarm.ring(now_s)
            except Exception as error:  # noqa: BLE001 - all others' deadlines hang on this loop
                _log.error("an alarm met a bug", exc_info=error)
        else:
            self.set(alarm, alarm.at_s)
