"""One limit, two routers: how much both together let through, measured."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from pointsman.api.callers import Limits
from tests.router.serve.test_quotas import Time, ask, known
from tests.router.serve.world import World, world

RPM = 60
MINUTES = 3


@pytest.fixture
async def pair(_nothing_left: None) -> AsyncIterator[tuple[World, World]]:
    """Two routers before a simulator each, that know of each other."""
    async with AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(world()) for _ in range(2)]
        for there in worlds:
            await there.simulator("small")
            there.route("small")
            there.live.routers = len(worlds)
        yield worlds[0], worlds[1]


async def let_through(pair: tuple[World, World], turns: tuple[int, ...], limits: Limits) -> int:
    """Of three times the limit for MINUTES, sent by `turns` to the routers: how many go."""
    time = Time()
    for there in pair:
        there.plane.quotas.clock = time
        known(there, ("app", limits))
    count = 0
    for number in range(3 * RPM * MINUTES):
        reply = await ask(pair[turns[number % len(turns)]], max_tokens=8)
        assert reply.status in (200, 429)
        count += reply.status == 200
        time.now_s += 60 / (3 * RPM)
    return count


SHARE = (RPM * MINUTES + RPM) // 2
"""Of one router: what the minutes give, and the burst."""


@pytest.mark.parametrize(
    ("turns", "expected"),
    [((0, 1), 2 * SHARE), ((0, 0, 0, 1), 2 * SHARE), ((0,) * 9 + (1,), SHARE + 54), ((0,), SHARE)],
    ids=["evenly", "three to one", "nine to one", "one alone"],
)
@pytest.mark.slow
async def test_both_together_keep_the_limit(
    pair: tuple[World, World], turns: tuple[int, ...], expected: int
) -> None:
    """
    Never more than the limit and one burst, less than one request a router aside.

    Each router gives its own share and no more: a caller that meets one router alone gets half.
    """
    count = await let_through(pair, turns, Limits(rpm=RPM))
    assert count <= 2 * SHARE + len(pair)
    assert abs(count - expected) <= len(pair)


@pytest.mark.slow
async def test_routers_that_do_not_know_of_each_other_give_the_limit_each(
    pair: tuple[World, World],
) -> None:
    """The bound while the API server is away from the first start on: n times the limit."""
    for there in pair:
        there.live.routers = 1
    count = await let_through(pair, (0, 1), Limits(rpm=RPM))
    assert abs(count - 4 * SHARE) <= len(pair)
