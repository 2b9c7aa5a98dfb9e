"""Stories on a real API server, whose operator dies after every 7th of its writes.

`make faults-every-write` has all of them; rollout and drift story have tests of their own.
"""

import random
from collections.abc import Mapping
from typing import Final

import pytest

from tests.bench import Bench
from tests.faults import objects, replicas, suite_runs
from tests.faults.every_write import Story, kills, play, told, world

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
EVERY = 7


STORIES: Final[Mapping[str, Story]] = {
    "objects": objects.story,
    "replicas": replicas.story,
    "suite-runs": suite_runs.story,
}


@pytest.mark.parametrize("name", STORIES)
async def test_the_end_is_the_same_after_every_7th_write(bench: Bench, name: str) -> None:
    """All that is stored; nothing left over, told or run twice, or spent over the cap."""
    offset = random.randint(1, EVERY)
    print(f"offset {offset}")
    with world(bench, f"{name}-faults") as fleet:
        outcomes = await told(play(STORIES[name], fleet, kills(every=EVERY, offset=offset)))

    assert [one.problems for one in outcomes if one.problems] == []
    assert sum(one.killed for one in outcomes) >= 2
