"""Two lists of weighted targets, and what lies between them."""

from collections.abc import Mapping, Sequence
from typing import Final

from pointsman.api.table import Target

PARTS: Final = 10_000
"""Weights in between are parts of this many: a hundredth of a percent."""

Fractions = Mapping[str, float]
"""Backend -> its part of the route's requests; they add up to 1, or there are none."""


def fractions(targets: Sequence[Target]) -> Fractions:
    """Who gets which part; nobody, if no target has a weight."""
    total = sum(target.weight for target in targets)
    return {one.backend: one.weight / total for one in targets if one.weight} if total else {}


def between(before: Fractions, wanted: Fractions, percent: int) -> Fractions:
    """`percent` of the way (0 to 100) from one to the other."""
    part = percent / 100
    return {
        name: (1 - part) * before.get(name, 0.0) + part * wanted.get(name, 0.0)
        for name in dict.fromkeys((*wanted, *before))
    }


def blended(before: Sequence[Target], wanted: Sequence[Target], percent: int) -> tuple[Target, ...]:
    """The targets that are so far on their way; who gets anything has a weight of at least 1."""
    found = between(fractions(before), fractions(wanted), percent)
    names = dict.fromkeys(target.backend for target in (*wanted, *before))
    return tuple(
        Target(backend=name, weight=max(1, round(part * PARTS)) if part > 0 else 0)
        for name in names
        for part in [found.get(name, 0.0)]
    )
