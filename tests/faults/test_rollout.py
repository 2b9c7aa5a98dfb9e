"""A rollout on a real API server, whose operator dies after every 7th of its writes.

`python -m tests.faults.rollout` has all of them.
"""

import random
from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.faults.every_write import World, kills, play, told, world
from tests.faults.rollout import story

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
EVERY = 7


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[World]:
    """One for all cycles."""
    with world(bench, "rollout-faults") as running:
        yield running


async def test_the_end_is_the_same_after_every_7th_write(fleet: World) -> None:
    """Promoted, each weight once, no failed request, and no status that lies."""
    offset = random.randint(1, EVERY)
    print(f"offset {offset}")
    outcomes = await told(play(story, fleet, kills(every=EVERY, offset=offset)))

    assert [one.problems for one in outcomes if one.problems] == []
    assert sum(one.killed for one in outcomes) >= 2
