"""What both revisions did in the step that goes on, by the word of all routers.

A router tells sums. What it told first in this step is where the step begins; one that began anew
counts from 0 on. So a request may be missed after a restart of the operator, and none counts twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.api.counted import ArmCounts, Arms
from pointsman.operator.plan.rollout.comparing import Moments
from pointsman.operator.plan.rollout.guarding import Arm, Stretch
from pointsman.operator.plan.rollout.state import Rollout

Key = tuple[str, str, int, float]
"""Stable revision, candidate, step, and when the rollout began."""


def key_of(rollout: Rollout) -> Key:
    """What is counted together."""
    step = -1 if rollout.in_shadow else rollout.step
    return rollout.stable, rollout.candidate, step, rollout.began_s


@dataclass(slots=True)
class _Told:
    """Of one router: `base` is where this step begins."""

    base: Arms | None
    last: Arms


@dataclass(slots=True)
class Tally:
    """Of one policy's step; `look` may be called at any time."""

    key: Key
    _routers: dict[str, _Told] = field(default_factory=dict)
    _gone: Stretch = field(default_factory=Stretch)
    """Of routers that are gone, or began anew."""

    def look(self, told: Mapping[str, Arms]) -> Stretch:
        """What was counted so far; `told`: by router, what it said last of this policy."""
        stable, candidate = self.key[:2]
        fits = {
            router: arms
            for router, arms in told.items()
            if (arms.stable, arms.candidate) == (stable, candidate)
        }
        for router in self._routers.keys() - fits.keys():
            self._keep(self._routers.pop(router))
        for router, arms in fits.items():
            known = self._routers.get(router)
            if known is None:
                self._routers[router] = _Told(arms, arms)
            elif known.last.since_ms != arms.since_ms:
                self._keep(known)
                self._routers[router] = _Told(None, arms)
            else:
                known.last = arms
        total = self._gone
        for one in self._routers.values():
            total = _plus(total, one)
        return total

    def _keep(self, told: _Told) -> None:
        self._gone = _plus(self._gone, told)


def _plus(total: Stretch, told: _Told) -> Stretch:
    base = told.base
    return Stretch(
        _sum(total.candidate, told.last.of_candidate, base.of_candidate if base else _NONE),
        _sum(total.control, told.last.of_stable, base.of_stable if base else _NONE),
    )


_NONE = ArmCounts()


def _sum(arm: Arm, last: ArmCounts, base: ArmCounts) -> Arm:
    cost = Moments(
        last.priced - base.priced,
        max(0.0, last.cost - base.cost),
        max(0.0, last.cost_squares - base.cost_squares),
    )
    return Arm(
        arm.requests + last.requests - base.requests,
        arm.errors + last.errors - base.errors,
        _added(arm.durations, _less(last.durations, base.durations)),
        arm.cost + cost,
        arm.refused + last.refused - base.refused,
    )


def _less(last: tuple[int, ...], base: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a - b for a, b in zip(last, base, strict=True)) if base else last


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if not one or not other:
        return one or other
    return tuple(a + b for a, b in zip(one, other, strict=True))
