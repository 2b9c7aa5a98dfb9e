"""PURE: which candidate of a route takes a request when some are full, cold or broken.

| a candidate                                               | its standing |
| has room, or is not for this module to judge              | ROOM         |
| has as many requests as it takes at once                  | FULL         |
| has no ready server, and is not the one whose turn it is  | COLD         |
| would not begin before the request's deadline             | LATE         |
| has no ready server, and none can start                   | GONE         |

The first with room takes it. If none has, nobody is refused for that: the least bad one takes it.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import inf
from typing import Final, NamedTuple

LOW: Final = 0.8
"""Below this share of its capacity a backend that was full has room again. Between the two marks
lie a fifth of the capacity's requests: so many have to end, and so many to begin, before the
traffic moves away once more."""
WEIGHT: Final = 0.1
"""Of the newest in a moving average: the last 20 make nine tenths of it."""


class Standing(IntEnum):
    """From the best to the worst."""

    ROOM = 0
    FULL = 1
    COLD = 2
    LATE = 3
    GONE = 4


class Offer(NamedTuple):
    """One candidate: its standing, and how long a request would wait there, in seconds."""

    standing: Standing
    wait_s: float = 0.0


def capacity(servers: int, max_concurrent: int | None, routers: int) -> float:
    """
    How many requests at once are this router's share; inf where nobody said it.

    Not rounded: a router with 2.7 is full at 3, so that a share is never nothing, and all of them
    together exceed what there is by less than one request a router.
    """
    if max_concurrent is None:
        return inf
    return servers * max_concurrent / max(routers, 1)


def is_full(load: int, most: float, *, before: bool) -> bool:
    """True from `most` requests on, and then until fewer than LOW of it are left."""
    return load >= most or (before and load >= most * LOW)


def wait_s(ahead: int, slots: float, service_s: float, starts_in_s: float = 0.0) -> float:
    """
    How long the next request waits behind `ahead` others, in seconds.

    `slots` run at once from `starts_in_s` on and take `service_s` each: one ends each
    `service_s / slots`, and the next goes when `ahead - slots + 1` have ended.
    """
    return starts_in_s + max(0.0, ahead - slots + 1) / max(slots, 1.0) * service_s


def choose(offers: Sequence[Offer]) -> int:
    """Index of who takes the request: the first with room, else the best; of equals the first."""
    for index, offer in enumerate(offers):
        if offer.standing is Standing.ROOM:
            return index
    return min(range(len(offers)), key=lambda index: (*offers[index], index))


def learn(average: float | None, value: float) -> float:
    """A moving average after one more value."""
    return value if average is None else average + WEIGHT * (value - average)
