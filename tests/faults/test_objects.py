"""Backends and policies on a real API server, whose operator dies after some write.

`python -m tests.faults.objects` has all of its writes, test_stories.py every 7th.
"""

import random
from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.faults.every_write import World, kills, play, told, world
from tests.faults.objects import story

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
FEWEST = 38
"""A cycle has more writes."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[World]:
    """One for all cycles."""
    with world(bench, "some-objects-faults") as running:
        yield running


async def test_the_end_of_each_edit_is_the_same_whoever_dies(fleet: World) -> None:
    """Children, status and table, and nothing left over; no failed request."""
    outcomes = await told(play(story, fleet, kills(offset=random.randint(1, FEWEST), most=1)))

    assert [one.problems for one in outcomes if one.problems] == []
    assert sum(one.killed for one in outcomes) == 1
