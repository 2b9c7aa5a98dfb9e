"""Who takes a request when some are full, cold or broken; as a table and as laws."""

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy import spill
from pointsman.router.policy.spill import LOW, Offer, Standing

ROOM, FULL, COLD, LATE, GONE = Standing
offers = st.lists(
    st.builds(Offer, st.sampled_from(Standing), st.floats(0, 100)), min_size=1, max_size=9
)
capacities = st.builds(spill.capacity, st.integers(1, 20), st.integers(1, 300), st.integers(1, 9))


@pytest.mark.parametrize(
    ("standings", "taken"),
    [
        ([ROOM, ROOM], 0),
        ([FULL, ROOM], 1),
        ([GONE, LATE, COLD, ROOM], 3),
        ([FULL, COLD], 0),
        ([FULL, FULL], 0),
        ([LATE, COLD], 1),
        ([GONE, LATE], 1),
        ([GONE, GONE], 0),
    ],
)
def test_the_table(standings: list[Standing], taken: int) -> None:
    """The first with room, else the best; of equals the first."""
    assert spill.choose([Offer(standing) for standing in standings]) == taken


def test_of_two_full_ones_the_shorter_line_wins() -> None:
    """By time, not by length."""
    assert spill.choose([Offer(FULL, 3.0), Offer(FULL, 1.0), Offer(COLD)]) == 1


@given(offers)
def test_nobody_is_passed_over_who_has_room(found: list[Offer]) -> None:
    """And somebody always takes the request."""
    taken = spill.choose(found)
    assert all(offer.standing is not ROOM for offer in found[:taken])
    assert (found[taken].standing is ROOM) is any(offer.standing is ROOM for offer in found)


@pytest.mark.parametrize(
    ("servers", "each", "routers", "share"),
    [(2, 8, 1, 16.0), (2, 8, 3, 16 / 3), (0, 8, 1, 0.0), (1, 1, 3, 1 / 3), (3, None, 2, inf)],
)
def test_the_share_of_a_router(servers: int, each: int | None, routers: int, share: float) -> None:
    """Without a stated number there is no limit."""
    assert spill.capacity(servers, each, routers) == share


@given(st.integers(1, 20), st.integers(1, 300), st.integers(1, 9))
def test_the_shares_together_are_not_less_than_all_and_hardly_more(
    servers: int, each: int, routers: int
) -> None:
    """Each router becomes full at a whole number: less than one too many for each of them."""
    share = spill.capacity(servers, each, routers)
    admitted = routers * next(n for n in range(10_000) if spill.is_full(n, share, before=False))
    assert servers * each <= admitted < servers * each + routers


@given(capacities, st.integers(0, 10_000), st.booleans())
def test_the_two_marks(most: float, load: int, before: bool) -> None:
    """Below the low mark it has room, from the capacity on it is full, whatever was before."""
    full = spill.is_full(load, most, before=before)
    if load < LOW * most:
        assert not full
    elif load >= most:
        assert full
    else:
        assert full is before


@given(capacities, st.lists(st.sampled_from([-1, 1]), max_size=400))
def test_it_does_not_flap(most: float, steps: list[int]) -> None:
    """Between two times that it becomes full, a fifth of its requests have ended and begun."""
    load, full, ended, begun = 0, False, 0, 0
    seen_full = False
    for step in steps:
        load = max(0, load + step)
        ended, begun = ended + (step < 0), begun + (step > 0)
        before, full = full, spill.is_full(load, most, before=full)
        if full and not before:
            least = ceil(most) - ceil(LOW * most) + 1
            assert not seen_full or (ended >= least and begun >= least)
            seen_full, ended, begun = True, 0, 0


def test_without_a_limit_nothing_is_ever_full() -> None:
    """What nobody stated is no reason."""
    assert not spill.is_full(1_000_000, inf, before=True)


@pytest.mark.parametrize(
    ("ahead", "slots", "service_s", "starts_in_s", "expected"),
    [
        (0, 4, 2.0, 0.0, 0.0),
        (3, 4, 2.0, 0.0, 0.0),
        (4, 4, 2.0, 0.0, 0.5),
        (11, 4, 2.0, 0.0, 4.0),
        (11, 4, 2.0, 30.0, 34.0),
        (5, 0.5, 2.0, 0.0, 11.0),
    ],
)
def test_the_wait_of_the_next_one(
    ahead: int, slots: float, service_s: float, starts_in_s: float, expected: float
) -> None:
    """By the line before it and by what a request takes."""
    assert spill.wait_s(ahead, slots, service_s, starts_in_s) == pytest.approx(expected)


@given(st.integers(0, 1000), st.floats(0.5, 100), st.floats(0, 60), st.floats(0, 60))
def test_a_longer_line_never_waits_less(
    ahead: int, slots: float, service_s: float, starts_in_s: float
) -> None:
    """Nor does a cold start shorten it."""
    found = spill.wait_s(ahead, slots, service_s, starts_in_s)
    assert starts_in_s <= found <= spill.wait_s(ahead + 1, slots, service_s, starts_in_s)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=50))
def test_an_average_stays_between_the_least_and_the_most(values: list[float]) -> None:
    """The first value is the first average."""
    average = None
    for value in values:
        average = spill.learn(average, value)
    assert average is not None
    assert min(values) * (1 - 1e-9) <= average <= max(values) * (1 + 1e-9)


arrivals = st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=300)
"""A request that asks, or one that has ended at the backend of this number."""


@given(st.lists(st.integers(1, 12), min_size=3, max_size=3), arrivals)
def test_requests_over_time_keep_to_the_chain(most: list[int], events: list[int | None]) -> None:
    """
    None leaves a backend that is below its low mark; none stays at a full one in vain.

    And when all are full, none waits longer than it had to.
    """
    loads, full = [0, 0, 0], [False] * 3
    for ended in events:
        if ended is not None:
            loads[ended] = max(0, loads[ended] - 1)
            continue
        full = [spill.is_full(loads[i], most[i], before=full[i]) for i in range(3)]
        found = [
            Offer(FULL, spill.wait_s(loads[i], most[i], 1.0)) if full[i] else Offer(ROOM)
            for i in range(3)
        ]
        taken = spill.choose(found)
        assert all(loads[i] >= LOW * most[i] for i in range(taken))
        if loads[taken] >= most[taken]:
            assert all(full)
            assert found[taken].wait_s == min(offer.wait_s for offer in found)
        loads[taken] += 1
