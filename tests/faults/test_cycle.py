"""Drift to promotion on a real API server, with real kubectl.

`python -m tests.faults.cycle` kills the operator after its writes as well. A suite's run that was
ordered and is killed after it has begun is not repeated, so it waits there until its deadline.
"""

from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.faults.cycle import play
from tests.faults.rollout import World, told, world

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[World]:
    """One for all cycles."""
    with world(bench, "cycle-faults") as running:
        yield running


async def test_from_drift_to_promotion(fleet: World) -> None:
    """Found, learned, approved by kubectl, promoted, committed: each once, no failed request."""
    (outcome,) = await told(play(fleet, most=0))

    assert outcome.problems == []
