"""Whether what had changed is gone again: found, and hardly ever said when it is not so."""

from random import Random

import pytest

from pointsman.evaluation.drift.errors import BadState
from pointsman.evaluation.drift.observation import Probe
from pointsman.evaluation.drift.recovery import Recovery, begin, check, is_over, seen_again
from pointsman.evaluation.drift.stream import Direction

RIGHT, WRONG = (1.0,) * 5, (0.0,) * 5


def probes_until_over(
    state: Recovery, chance: float, runs: tuple[float, ...], dice: Random, most: int
) -> int | None:
    """Answers right with this chance, looked at after each."""
    for count in range(1, most + 1):
        state = seen_again(state, Probe(float(dice.random() < chance), runs))
        if is_over(state):
            return count
    return None


@pytest.mark.parametrize(
    ("direction", "runs", "healthy"),
    [(Direction.WORSE, RIGHT, 0.97), (Direction.BETTER, WRONG, 0.03)],
)
def test_it_is_found_in_either_direction(
    direction: Direction, runs: tuple[float, ...], healthy: float
) -> None:
    """20 points that are gone: within 400 probes in nearly each stream."""
    lost = 0.2 if direction is Direction.WORSE else -0.2
    found = [
        probes_until_over(begin(direction, lost), healthy, runs, Random(seed), 400)
        for seed in range(40)
    ]

    assert sum(one is not None for one in found) >= 38


def test_half_of_it_is_no_recovery() -> None:
    """At the border of what is promised: at most 1 in 100 streams; 3 of 60 would be 2.4 %."""
    found = [
        probes_until_over(begin(Direction.WORSE, 0.2), 0.9, RIGHT, Random(seed), 600)
        for seed in range(60)
    ]

    assert sum(one is not None for one in found) <= 2


def test_a_change_of_nothing_is_taken_for_a_small_one() -> None:
    """An alarm of a run that was good on the whole: there is something to be half of."""
    assert begin(Direction.WORSE, -0.3).lost == 0.02
    assert begin(Direction.BETTER, 0.3).lost == -0.02
    assert begin(Direction.WORSE, 0.3).lost == 0.3


@pytest.mark.parametrize(
    "state", [Recovery(lost=2), Recovery(lost=0.1, count=-1), Recovery(lost=0.1, arms=())]
)
def test_what_cannot_be_is_refused(state: Recovery) -> None:
    """Somebody edited what was stored."""
    check(Recovery(lost=0.1))
    with pytest.raises(BadState):
        check(state)
