"""PURE: which of a backend's endpoints takes a request.

Power of two choices on outstanding requests: of two endpoints taken at random, the one with less.
It keeps the longest queue near log log n and, unlike "least loaded of all", routers that do not
know of each other do not all run to the same endpoint (Mitzenmacher 2001).

A conversation has a home, where its prefix is in the engine's cache: rendezvous hashing, so that
all routers agree without a word and an endpoint more takes its share from all others and nothing
else moves. The home takes it while it has little more than the average (consistent hashing with
bounded loads, Mirrokni 2018), else its second home, else the better of two.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import inf
from typing import Final

SLOTS: Final = 1024
"""Conversations are hashed into so many groups, whose homes are found once each: with 64 endpoints
a group is a sixteenth of an endpoint's share."""
BOUND: Final = 1.25
"""Of the average: the bounded loads' usual value; less sends many away from their prefix."""
SLACK: Final = 2
"""Requests above it that are no reason to leave: with few requests 1.25 of the average is one."""
LEAST_BYTES: Final = 4096
"""Of a request's body, about 1,000 tokens: reading less again takes an engine less time than
waiting behind one request more. `python -m tests.sim.balancing` has the figures."""


def pick_two(count: int, first: float, second: float) -> tuple[int, int]:
    """Two different indices below `count` (equal only if it is 1) by dice in [0, 1)."""
    one = int(first * count)
    if count == 1:
        return one, one
    other = int(second * (count - 1))
    return one, other + 1 if other >= one else other


def choose(outstanding_one: int, outstanding_other: int) -> bool:
    """True if the first of the two takes the request; it wins ties."""
    return outstanding_one <= outstanding_other


def better_of_two(count: int, outstanding: Callable[[int], int], dice: Callable[[], float]) -> int:
    """Index of the one with less, of two taken at random."""
    one, other = pick_two(count, dice(), dice())
    load = outstanding(one)
    if not load or choose(load, outstanding(other)):  # nothing is better than none
        return one
    return other


def most(total: int, count: int) -> float:
    """Outstanding requests below which a home takes one more, of `total` at `count` endpoints."""
    return BOUND * total / count + SLACK


def pick(
    open_to: Sequence[int],
    homes: Sequence[int],
    total: int,
    outstanding: Callable[[int], int],
    dice: Callable[[], float],
    *,
    room: float = inf,
) -> int:
    """
    Which of `open_to` takes a request: the first of its homes that has room, or the better of two.

    `homes` is empty for what has none, `total` is what all of them have outstanding, `room` what
    one works on at once, where that is known: in a line behind a full home nothing is won.
    """
    if homes:
        bound = min(most(total, len(open_to)), room)
        for home in homes:
            if home in open_to and outstanding(home) < bound:
                return home
    return open_to[better_of_two(len(open_to), lambda i: outstanding(open_to[i]), dice)]


class Homes:
    """The homes of conversations among these endpoints; remembers what it has computed."""

    __slots__ = ("_found", "_names")

    def __init__(self, names: Sequence[bytes]) -> None:
        self._names = tuple(names)
        self._found: dict[int, tuple[int, ...]] = {}

    def of(self, key: bytes) -> tuple[int, ...]:
        """Indices of a conversation's first and second home; `key` is a hash of 8 bytes or more."""
        slot = int.from_bytes(key[:8]) % SLOTS
        found = self._found.get(slot)
        if found is None:
            found = self._found[slot] = self._rank(slot)
        return found

    def _rank(self, slot: int) -> tuple[int, ...]:
        salt = slot.to_bytes(2)
        scores = [blake2b(name, digest_size=8, salt=salt).digest() for name in self._names]
        ranked = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        return tuple(ranked[:2])
