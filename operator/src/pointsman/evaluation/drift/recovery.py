"""
PURE: whether what had changed is gone again: bets against "it is still half of what was found".

`ALPHA` is the chance that it is ever said of a change which stays at least half as large as it was
at its alarm, however often one looks: the bets are those of `betting`, and so is the theorem.
"""

from typing import Final

import msgspec

from pointsman.evaluation.drift import betting
from pointsman.evaluation.drift.betting import Arm
from pointsman.evaluation.drift.errors import BadState
from pointsman.evaluation.drift.observation import Probe
from pointsman.evaluation.drift.stream import Direction

ALPHA: Final = 0.01
LEAST: Final = 0.02
"""A change is taken to be so large at least: nothing can be half of nothing."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """`lost`: what the change cost a probe on average at the alarm; below 0 for improvements."""

    lost: float
    count: int = 0
    arms: tuple[Arm, ...] = (Arm(),) * len(betting.EVEN)


def begin(direction: Direction, lost: float) -> Recovery:
    """`lost`: baseline minus now, on average over a whole run: it may not be that of an alarm,
    which was raised where things looked worst."""
    size = max(LEAST, lost if direction is Direction.WORSE else -lost)
    return Recovery(lost=min(1.0, size) if direction is Direction.WORSE else -min(1.0, size))


def seen_again(state: Recovery, probe: Probe) -> Recovery:
    """The state after one probe."""
    sign = 1 if state.lost >= 0 else -1
    half, loss = abs(state.lost) / 2, sign * betting.difference(probe)
    unit = (half - loss) / (1 + half)
    factors = tuple(1 + bet * unit for bet in betting.EVEN)
    staked = betting.stake(state.count)
    return msgspec.structs.replace(
        state,
        count=state.count + 1,
        arms=betting.moved(state.arms, factors, staked, state.count, loss),
    )


def is_over(state: Recovery) -> bool:
    """Enough was won."""
    return betting.evidence(state.arms) >= 1 / ALPHA


def check(state: Recovery) -> None:
    """Raise BadState for one that cannot be."""
    if (
        not -1 <= state.lost <= 1
        or state.count < 0
        or len(state.arms) != len(betting.EVEN)
        or any(not 0 <= arm.wealth <= betting.CAP for arm in state.arms)
    ):
        raise BadState("a recovery with numbers that cannot be")
