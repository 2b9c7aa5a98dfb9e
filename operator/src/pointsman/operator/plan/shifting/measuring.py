"""Which part of some backends' load comes by one rule, from what routers counted as it ended.

A part is believed as far as it is sure: of few requests, the upper end of what it may be.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pointsman.api.table import Served

Key = tuple[str, str, str]
"""Policy, rule, backend."""
Ended = Mapping[Key, tuple[int, float]]
"""Requests that ended in some time, and the seconds that they took: their load, times that time."""

ENOUGH: Final = 30
"""Requests from which a part is known at all."""
SURE: Final = 1.5
"""Standard deviations of a part that is added to it, as the scaler takes them from a rise."""


def ended_between(pairs: Iterable[tuple[Served, Served]]) -> Ended:
    """What each router counted first and last, all together; one that began anew counts nothing."""
    found: dict[Key, tuple[int, float]] = {}
    for first, last in pairs:
        for policy, rules in last.items():
            for rule, backends in rules.items():
                for backend, (count, seconds) in backends.items():
                    before = first.get(policy, {}).get(rule, {}).get(backend, (0, 0.0))
                    if count <= before[0]:
                        continue
                    key, spent = (policy, rule, backend), max(0.0, seconds - before[1])
                    known = found.get(key, (0, 0.0))
                    found[key] = (known[0] + count - before[0], known[1] + spent)
    return found


def part_of(ended: Ended, *, policy: str, rule: str, backends: Collection[str]) -> float:
    """The part (0 to 1) of these backends' load that comes by one rule; 1 if nobody can tell."""
    count, total, own = 0, 0.0, 0.0
    for (its_policy, its_rule, backend), (requests, seconds) in ended.items():
        if backend not in backends:
            continue
        count, total = count + requests, total + seconds
        if (its_policy, its_rule) == (policy, rule):
            own += seconds
    if count < ENOUGH or total <= 0:
        return 1.0
    part = min(1.0, own / total)
    return min(1.0, part + SURE * math.sqrt(part * (1.0 - part) / count))
