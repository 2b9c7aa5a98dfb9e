"""Deadlines in virtual time: never early, at most a tick late, once."""

import asyncio
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.serve.wheel import Alarm, Wheel

TICK_S = 0.05


class Handle:
    """A timer that can be canceled."""

    def __init__(self, at_s: float, call: Callable[[], None]) -> None:
        self.at_s = at_s
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call."""
        self.call = None


class VirtualLoop:
    """The two things a wheel asks of a loop, with a clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.timers: list[Handle] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Handle:
        """As asyncio's."""
        self.timers.append(Handle(self.now_s + delay_s, call))
        return self.timers[-1]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now_s + seconds
        while due := [t for t in self.timers if t.at_s <= end_s and t.call is not None]:
            timer = min(due, key=lambda t: t.at_s)
            self.timers.remove(timer)
            self.now_s = max(self.now_s, timer.at_s)
            assert timer.call is not None
            timer.call()
        self.now_s = end_s


def made() -> tuple[VirtualLoop, Wheel]:
    """A wheel in virtual time."""
    loop = VirtualLoop()
    return loop, Wheel(cast(asyncio.AbstractEventLoop, cast(Any, loop)), lambda: loop.now_s, TICK_S)


TIMES = st.floats(0.0, 5.0)


@given(st.lists(st.tuples(st.floats(0.0, 1.0), TIMES), min_size=1, max_size=8))
def test_the_last_setting_rings_once_and_in_time(settings: list[tuple[float, float]]) -> None:
    """However often a deadline is moved, earlier or later."""
    loop, wheel = made()
    rung: list[float] = []
    alarm = Alarm(rung.append)
    due_s = inf
    for pause_s, after_s in settings:
        loop.run(pause_s)
        due_s = loop.now_s + after_s
        rung.clear()
        wheel.set(alarm, due_s)
    loop.run(10.0)
    assert len(rung) == 1
    assert due_s <= rung[0] <= due_s + 2 * TICK_S
    assert all(timer.call is None for timer in loop.timers), "it ticks on with no alarm set"


@given(st.lists(TIMES, min_size=1, max_size=50))
def test_every_alarm_rings(times: list[float]) -> None:
    """Each at its own time."""
    loop, wheel = made()
    start_s = loop.now_s
    rung: dict[int, float] = {}
    alarms = [Alarm(partial(rung.setdefault, n)) for n in range(len(times))]
    for alarm, after_s in zip(alarms, times, strict=True):
        wheel.set(alarm, start_s + after_s)
    loop.run(10.0)
    for number, after_s in enumerate(times):
        assert start_s + after_s <= rung[number] <= start_s + after_s + 2 * TICK_S


@given(st.lists(TIMES, min_size=1, max_size=50), st.integers(0, 49), st.floats(0.0, 10.0))
def test_a_loop_that_was_blocked_loses_no_alarm(
    times: list[float], moved: int, blocked_s: float
) -> None:
    """Also while one that was moved, or that rings, is filed again in the late turn."""
    loop, wheel = made()
    start_s = loop.now_s
    rung: dict[int, float] = {}
    alarms = [Alarm(partial(rung.setdefault, n)) for n in range(len(times))]
    again = Alarm(lambda now_s: wheel.set(again, now_s + 1.0 if now_s < start_s + 30 else inf))
    wheel.set(again, start_s)
    for alarm, after_s in zip(alarms, times, strict=True):
        wheel.set(alarm, start_s + after_s)
    wheel.set(alarms[moved % len(alarms)], start_s + 20.0)
    loop.now_s += blocked_s
    loop.run(60.0)
    assert sorted(rung) == list(range(len(times)))
    assert all(timer.call is None for timer in loop.timers), "it ticks on with no alarm set"


def test_an_alarm_that_fails_stops_no_other(errors: list[str]) -> None:
    """All connections' deadlines hang on one timer; the bug is logged."""
    loop, wheel = made()
    rung: list[float] = []

    def fail(_: float) -> None:
        raise RuntimeError("a bug")

    for ring in (fail, rung.append, fail, rung.append):
        wheel.set(Alarm(ring), loop.now_s + 1)
    loop.run(10.0)
    assert len(rung) == 2
    assert [text.partition("\n")[0] for text in errors] == ["an alarm met a bug"] * 2
    errors.clear()


def test_an_alarm_that_is_off_never_rings() -> None:
    """Nor one set to never; an alarm may set itself again while it rings."""
    loop, wheel = made()
    rung: list[float] = []
    off, never, again = Alarm(rung.append), Alarm(rung.append), Alarm(lambda _: None)
    again.ring = lambda now_s: wheel.set(again, now_s + 1.0) if now_s < 1003.0 else rung.append(-1)
    wheel.set(off, loop.now_s + 1)
    wheel.set(never, loop.now_s + 1)
    wheel.set(again, loop.now_s + 1)
    off.off()
    wheel.set(never, inf)
    loop.run(10.0)
    assert rung == [-1]
    wheel.set(never, loop.now_s + 1)
    wheel.stop()
    loop.run(10.0)
    assert rung == [-1]
