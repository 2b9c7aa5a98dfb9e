"""What stays is not looked at each time, and what becomes garbage later goes all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from pointsman.operator.garbage import WHOLE_S, Garbage


class Ring:
    """Garbage that only a look finds."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_alive_is_set_aside_and_garbage_is_not() -> None:
    """A ring that nobody has is freed; one that somebody has is not looked at any more."""
    lost, kept = Ring(), Ring()
    seen = weakref.ref(lost)
    del lost
    Garbage().set_aside()

    assert seen() is None
    assert gc.get_freeze_count() > 0
    assert not any(one is kept for one in gc.get_objects())


@pytest.mark.slow
def test_what_was_set_aside_is_looked_at_once_an_hour() -> None:
    """Else each request that was under way then would stay for ever."""
    now_s = [0.0]
    garbage = Garbage(lambda: now_s[0])
    ring = Ring()
    seen = weakref.ref(ring)
    garbage.set_aside()
    del ring
    now_s[0] = WHOLE_S - 1
    garbage.set_aside()
    assert seen() is not None
    now_s[0] = WHOLE_S
    garbage.set_aside()
    assert seen() is None
