"""Stories on a real API server, whose operator dies after every 7th of its writes.

`make faults-every-write` has all of them; rollout and drift story have tests of their own.
"""

import random
from collections.abc import Mapping
from typing import Final

import pytest

from tests.bench import Bench
from tests.faults import objects, replicas, suite_runs
from tests.faults.every_write import Story, kills, play, told, worlds

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
EVERY = 7


STORIES: Final[Mapping[str, Story]] = {
    "objects": objects.story,
    "replicas": replicas.story,
    "suite-runs": suite_runs.story,
}
WORLDS: Final[Mapping[str, int]] = {"objects": 1, "replicas": 3, "suite-runs": 1}
"""Fleets that play beside each other: a cycle of `replicas` waits for more than a minute."""


@pytest.mark.parametrize("name", STORIES)
async def test_the_end_is_the_same_after_every_7th_write(bench: Bench, name: str) -> None:
    """All that is stored; nothing left over, told or run twice, or spent over the cap."""
    offset = random.randint(1, EVERY)
    print(f"offset {offset}")
    ks = kills(every=EVERY, offset=offset)
    with worlds(bench, f"{name}-faults", WORLDS[name]) as there:
        outcomes = await told(*(play(STORIES[name], one, ks) for one in there))

    assert [one.problems for one in outcomes if one.problems] == []
    assert sum(one.killed for one in outcomes) >= 2
