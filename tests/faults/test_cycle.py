"""Drift to promotion on a real API server, which dies, and whose operator dies after some writes.

`python -m tests.faults.cycle` has all of its writes.
"""

import random
from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.faults.cycle import BEFORE, story
from tests.faults.every_write import World, kills, play, told, world

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
EVERY = 7
MOST = 4
"""A cycle has about 27 writes; one more would only find that there is no further write."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[World]:
    """One for all cycles."""
    with world(bench, "cycle-faults") as running:
        yield running


async def test_from_drift_to_promotion_the_end_is_the_same_whoever_dies(fleet: World) -> None:
    """Found, learned, approved by kubectl, promoted, committed: each once, no failed request."""
    offset = random.randint(1, EVERY)
    print(f"offset {offset}")
    ks = kills(every=EVERY, offset=offset, most=MOST)
    outcomes = await told(play(story, fleet, ks, before=BEFORE))

    assert [one.problems for one in outcomes if one.problems] == []
    assert sum(one.killed for one in outcomes) >= MOST - 1
