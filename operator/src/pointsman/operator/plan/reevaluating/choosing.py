"""Who should answer a rule's requests, by what is known now and by what its owner allows.

A backend loses its requests only for a reason that is new: it got worse, another one got better, or
another one is better and costs no more. That a small model is worse than its fallback is no
reason: whoever wrote the rule knew that, and what it costs.

How sure: where a detector has found drift, which has its own stated rate of false alarms, the 95 %
interval of the difference is enough. Where nothing has drifted, it is looked for months at many
pairs: then the low end of the one's interval has to be above the high end of the other's, which is
wider by 40 %, and two runs have to say so (`deciding`). docs/reevaluation.md has how often noise
passes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.operator.plan.reevaluating.evidence import ALL, Facts
from pointsman.operator.plan.reevaluating.moving import MOST_TARGETS, Ground, Move, Weights

POINTS: Final = 100
_UNKNOWN: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the owner of the policy allows."""

    percent: int = 100
    gain_points: float = 3.0
    targets_only: bool = False
    cost_percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule as it is declared."""

    name: str
    tasks: tuple[str, ...]
    """Those that it takes; `all` where it takes any."""
    weights: Weights
    chain: tuple[str, ...] = ()

    def pool(self, bounds: Bounds) -> tuple[str, ...]:
        """Who may get its requests, in the order of the spec."""
        chain = () if bounds.targets_only else self.chain
        return tuple(dict.fromkeys((*self.weights, *chain)))


@dataclass(frozen=True, slots=True)
class Gain:
    """Of one backend over another in a rule's tasks, in points."""

    points: float
    low: float
    """Of the 95 % interval of the difference, by Newcombe's method from both intervals."""
    sure: float
    """From the low end of the one to the high end of the other."""

    def least(self, ground: Ground | None) -> float:
        """What it is at least: narrower where a detector has found a change."""
        return self.sure if ground in {None, "NoDearer"} else self.low


def gain(better: Facts, worse: Facts, tasks: Sequence[str]) -> Gain | None:
    """Means over the tasks that both have, else over all; None if they cannot be compared."""
    if better.content != worse.content:
        return None
    both = better.quality.keys() & worse.quality.keys()
    common = [task for task in tasks if task in both] or ([ALL] if ALL in both else [])
    if not common:
        return None
    pairs = [(better.quality[task], worse.quality[task]) for task in common]
    count = len(pairs) / POINTS
    points = sum(one.score - other.score for one, other in pairs) / count
    squares = sum(
        (one.score - one.low) ** 2 + (other.high - other.score) ** 2 for one, other in pairs
    )
    return Gain(
        points=points,
        low=points - math.sqrt(squares) / count,
        sure=sum(one.low - other.high for one, other in pairs) / count,
    )


def choose(route: Route, facts: Mapping[str, Facts], bounds: Bounds) -> tuple[Move, ...]:
    """The moves away from the declared weights, the largest gain first; empty: they are best."""
    found: list[tuple[float, int, Move]] = []
    room = MOST_TARGETS - len(route.weights)
    for number, (donor, weight) in enumerate(route.weights.items()):
        best = _receiver(route, donor, facts, bounds) if weight else None
        if best is not None:
            found.append((-best[0], number, best[1]))
    moves: list[Move] = []
    for _, _, move in sorted(found):
        is_new = move.receiver not in route.weights
        if is_new and move.receiver not in {one.receiver for one in moves}:
            if not room:
                continue
            room -= 1
        moves.append(move)
    return tuple(moves)


def _receiver(
    route: Route, donor: str, facts: Mapping[str, Facts], bounds: Bounds
) -> tuple[float, Move] | None:
    """The best for what the donor has, with its gain; of those as good the cheapest."""
    known = facts.get(donor)
    if known is None:
        return None
    found: list[tuple[Gain, Facts, Ground]] = []
    for name in route.pool(bounds):
        other = facts.get(name)
        if name == donor or other is None or not _may_receive(other, known, route, bounds):
            continue
        ground, more = ground_of(known, other, route.tasks), gain(other, known, route.tasks)
        if ground is not None and more is not None and more.least(ground) >= bounds.gain_points:
            found.append((more, other, ground))
    if not found:
        return None
    best = max(more.points for more, _, _ in found)
    near = [one for one in found if one[0].points > best - bounds.gain_points]
    more, other, ground = min(near, key=lambda one: (_dearness(one[1], near), -one[0].points))
    return more.points, Move(donor, other.name, ground)


def _dearness(one: Facts, among: Sequence[tuple[Gain, Facts, Ground]]) -> int:
    """0 for all where prices cannot be compared; what has an unknown price is the dearest."""
    currencies = {other.price.currency for _, other, _ in among if other.price}
    if len(currencies) != 1 or one.free:
        return 0
    return one.price.blended if one.price else _UNKNOWN


def _may_receive(other: Facts, donor: Facts, route: Route, bounds: Bounds) -> bool:
    """It has not got worse itself, is the model that was measured, and is not too dear."""
    worse = other.found("Worse", route.tasks)
    if worse or (other.is_drifted and other.reason == "IdentityChanged"):
        return False
    return bounds.cost_percent is None or _costs_at_most(other, donor, bounds.cost_percent)


def _costs_at_most(other: Facts, donor: Facts, more_percent: int) -> bool:
    if other.free and donor.free:
        return True
    one, than = other.price, donor.price
    if one is None or than is None or one.currency != than.currency:
        return False
    return one.blended * 100 <= than.blended * (100 + more_percent)


def no_dearer(other: Facts, than: Facts) -> bool:
    """For sure, whatever is asked."""
    if other.free and than.free:
        return True
    one, two = other.price, than.price
    return (
        one is not None
        and two is not None
        and one.currency == two.currency
        and one.input_pico <= two.input_pico
        and one.output_pico <= two.output_pico
    )


def ground_of(donor: Facts, receiver: Facts, tasks: Sequence[str]) -> Ground | None:
    """Why requests may go from the one to the other, if that is better."""
    if donor.found("Worse", tasks):
        return "Worse"
    if receiver.found("Better", tasks):
        return "Better"
    return "NoDearer" if no_dearer(receiver, donor) else None


def holds(move: Move, route: Route, facts: Mapping[str, Facts]) -> bool:
    """
    Whether the reason of a move that was made is still there; what is not known takes none away.

    It is over when the detector says so, not when a figure wavers.
    """
    donor, receiver = facts.get(move.donor), facts.get(move.receiver)
    if donor is None or receiver is None:
        return True  # missing ones are left out of the table anyway
    if receiver.found("Worse", route.tasks) and not donor.found("Worse", route.tasks):
        return False
    if move.ground == "Worse":
        return not donor.is_over("Worse", route.tasks)
    if move.ground == "Better":
        return not receiver.is_over("Better", route.tasks)
    back = gain(donor, receiver, route.tasks)
    return no_dearer(receiver, donor) and (back is None or back.sure <= 0)
