"""Power of two choices."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy.balance import choose, pick_two

DICE = st.floats(0, 1, exclude_max=True)


@given(st.integers(2, 1000), DICE, DICE)
def test_two_different_endpoints_are_compared(count: int, first: float, second: float) -> None:
    """Both exist."""
    one, other = pick_two(count, first, second)
    assert one != other
    assert 0 <= one < count
    assert 0 <= other < count


def test_a_single_endpoint_is_taken() -> None:
    """Whatever the dice say."""
    assert pick_two(1, 0.99, 0.99) == (0, 0)


def test_pairs_are_chosen_evenly() -> None:
    """Every ordered pair of four comes as often as any other, within 10 %."""
    dice = random.Random(1)
    pairs = Counter(pick_two(4, dice.random(), dice.random()) for _ in range(60_000))
    assert len(pairs) == 12
    assert all(4500 < count < 5500 for count in pairs.values())


def test_the_less_loaded_wins_and_the_first_wins_ties() -> None:
    """That is all of it."""
    assert choose(1, 2)
    assert choose(1, 1)
    assert not choose(2, 1)


def test_loads_stay_closer_together_than_at_random() -> None:
    """10,000 requests that never end, on 100 endpoints: the longest queue is near the mean."""
    dice = random.Random(1)
    loads = [0] * 100
    for _ in range(10_000):
        one, other = pick_two(100, dice.random(), dice.random())
        loads[one if choose(loads[one], loads[other]) else other] += 1
    assert max(loads) - 100 <= 5
