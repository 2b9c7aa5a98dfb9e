"""Whose turn it is: so many rollouts at once, and so many that send more to one backend.

The oldest comes first. Where it has to wait, no younger one takes a place that it needs: so each
has its turn when those that go on have ended, and nobody waits for somebody who waits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A policy's rollout, and the backends that get more by it."""

    policy: str
    began_s: float
    backends: frozenset[str]
    goes: bool
    """It has its turn, and keeps it."""
    paused: bool = False
    """It waits for a person, and keeps no place from others."""


def turns(claims: Iterable[Claim], *, most: int, most_each: int) -> Mapping[str, str]:
    """By policy, why it has to wait; whoever is not in it has its turn now."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    going, waits = 0, {}
    ordered = sorted(claims, key=lambda c: (not c.goes, c.paused, c.began_s, c.policy))
    for claim in ordered:
        full = next((b for b in sorted(claim.backends) if len(places[b]) >= most_each), None)
        if not claim.goes and full is not None:
            others = ", ".join(places[full])
            waits[claim.policy] = f"it waits for its turn at {full}, after {others}"
        elif not claim.goes and going >= most:
            waits[claim.policy] = f"it waits for its turn: {most} other rollouts go on"
        else:
            going += 1
        if claim.policy not in waits or not claim.paused:
            for backend in claim.backends:
                places[backend].append(claim.policy)
    return waits
