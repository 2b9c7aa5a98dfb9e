"""When what a thread was asked has to be answered, known to each step that it takes in a store.

A question may take many steps, and each has the store's own deadline: together they have this one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Final

from pointsman.ledger.contract import StoreAway

_by_s: Final[ContextVar[float]] = ContextVar("by_s", default=inf)


@contextmanager
def until(by_s: float) -> Iterator[None]:
    """Steps of this thread end at that time of the monotonic clock, whatever they are allowed."""
    before = _by_s.set(by_s)
    try:
        yield
    finally:
        _by_s.reset(before)


def left_s(most_s: float) -> float:
    """What a step may take of its own deadline. Raises StoreAway if nothing is left."""
    left = _by_s.get() - time.monotonic()
    if left <= 0:
        raise StoreAway("the question takes too long")
    return min(most_s, left)
