"""Power of two choices, and homes under a bound."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy.balance import (
    SLOTS,
    Homes,
    better_of_two,
    choose,
    most,
    pick,
    pick_two,
)

DICE = st.floats(0, 1, exclude_max=True)
NAMES = [b"10.0.0.%d:8000" % number for number in range(40)]


def _key(number: int) -> bytes:
    return number.to_bytes(8) + b"more"


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
    assert better_of_two(1, lambda _: 9, lambda: 0.99) == 0


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
        loads[better_of_two(100, loads.__getitem__, dice.random)] += 1
    assert max(loads) - 100 <= 5


@given(
    loads=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    key=st.integers(0, 2**64 - 1),
    barred=st.sets(st.integers(0, 39)),
    seed=st.integers(0, 99),
)
def test_who_is_picked_may_be_and_a_home_is_below_its_bound(
    loads: list[int], key: int, barred: set[int], seed: int
) -> None:
    """A home that takes it has little more than the average; else it is the better of two."""
    open_to = [i for i in range(len(loads)) if i not in barred] or [0]
    homes = Homes(NAMES[: len(loads)]).of(_key(key))
    total = sum(loads)
    found = pick(open_to, homes, total, loads.__getitem__, random.Random(seed).random)
    assert found in open_to
    bound = most(total, len(open_to))
    free = [home for home in homes if home in open_to and loads[home] < bound]
    if free:
        assert found == free[0]
    else:
        one, other = pick_two(len(open_to), *_two(seed))
        assert loads[found] == min(loads[open_to[one]], loads[open_to[other]]) or not loads[found]


def _two(seed: int) -> tuple[float, float]:
    dice = random.Random(seed)
    return dice.random(), dice.random()


@given(st.integers(2, 20), st.integers(0, 99), st.integers(1, 8))
def test_a_home_without_room_is_passed_over(count: int, seed: int, room: int) -> None:
    """While another has some, nobody stands in a line for a prefix: of two only by bad dice."""
    homes = Homes(NAMES[:count]).of(_key(seed))
    loads = [0] * count
    for home in homes:
        loads[home] = room
    dice = random.Random(seed).random
    total = sum(loads)
    chosen = [
        pick(range(count), homes, total, loads.__getitem__, dice, room=room) for _ in range(20)
    ]
    if count >= 4:
        assert any(found not in homes for found in chosen)
    for home in homes:
        loads[home] = room - 1
    assert pick(range(count), homes, 10**6, loads.__getitem__, dice, room=room) == homes[0]


@given(st.integers(2, 20), st.integers(0, 99))
def test_no_home_ever_holds_more_than_its_bound(count: int, seed: int) -> None:
    """One conversation asks for ever, and nobody answers: its homes are not drowned in it."""
    dice = random.Random(seed)
    homes = Homes(NAMES[:count]).of(_key(seed))
    loads = [0] * count
    for total in range(200):
        before = list(loads)
        found = pick(range(count), homes, total, loads.__getitem__, dice.random)
        loads[found] += 1
        if found in homes and before[found] >= most(total, count):
            assert all(before[home] >= most(total, count) for home in homes)
    assert max(loads) <= 1.25 * 200 / count + 5


@pytest.mark.parametrize("count", [3, 8, 20])
def test_an_endpoint_more_takes_its_share_and_nothing_else_moves(count: int) -> None:
    """Each conversation stays, or goes to the new one."""
    before, after = Homes(NAMES[:count]), Homes(NAMES[: count + 1])
    moved = 0
    for slot in range(SLOTS):
        old, new = before.of(_key(slot))[0], after.of(_key(slot))[0]
        assert new in (old, count)
        moved += new == count
    assert 0.6 < moved * (count + 1) / SLOTS < 1.5


def test_one_that_goes_leaves_its_conversations_to_their_second_homes() -> None:
    """And all others stay, also if what is left stands in another order."""
    all_of, rest = Homes(NAMES[:6]), Homes([NAMES[5], *NAMES[:3], NAMES[4]])
    kept = [5, 0, 1, 2, 4]
    for slot in range(SLOTS):
        first, second = all_of.of(_key(slot))
        assert kept[rest.of(_key(slot))[0]] == (second if first == 3 else first)


def test_homes_are_spread_evenly() -> None:
    """First homes of 8 endpoints, within a third of their share."""
    homes = Homes(NAMES[:8])
    counts = Counter(homes.of(_key(slot))[0] for slot in range(SLOTS))
    assert len(counts) == 8
    assert all(SLOTS / 8 * 0.66 < count < SLOTS / 8 * 1.34 for count in counts.values())


def test_a_single_endpoint_is_every_home() -> None:
    """And there is no second one."""
    assert Homes(NAMES[:1]).of(_key(7)) == (0,)
