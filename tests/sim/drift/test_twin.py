"""What is measured is what ships."""

import numpy as np
import pytest

from pointsman.evaluation.drift.observation import Pair, Probe
from pointsman.evaluation.drift.stream import State, begin, update
from pointsman.evaluation.drift.verdict import Phase, verdict
from tests.sim.drift import ours
from tests.sim.drift.ours import NEVER
from tests.sim.drift.streams import Streams, World, drawn

WORLDS = [
    World(probes=500, prompts=40, drop=0.2, change=100),
    World(probes=500, prompts=80, drop=-0.14, runs=2),
    World(probes=400, prompts=40, drop=0.3, checks=3, kind="flips"),
]


def shipped(seen: Streams, stream: int, *, paired: bool) -> tuple[int, int, int]:
    """First probes of worse, better, suspected, from the code that ships, one probe at a time."""
    runs = [tuple(one) for one in seen.runs[stream].tolist()]
    state: State = begin() if paired else begin(runs)
    drifted, suspected = NEVER, NEVER
    fresh, outcomes = seen.fresh[stream].tolist(), seen.outcomes[stream].tolist()
    for turn, outcome in enumerate(outcomes):
        one = Pair(outcome, fresh[turn]) if paired else Probe(outcome, runs[turn % len(runs)])
        state = update(state, one)
        if state.alarm:
            drifted = state.alarm.at
            break
        if verdict(state).phase is Phase.SUSPECTED:
            suspected = min(suspected, turn + 1)
    worse = drifted if state.alarm and state.alarm.direction == "Worse" else NEVER
    better = drifted if state.alarm and state.alarm.direction == "Better" else NEVER
    return worse, better, suspected


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("paired", [True, False])
def test_many_at_once_find_what_one_by_one_finds(world: World, paired: bool) -> None:
    """The same probe for each of 12 streams, in each direction, and the same suspicion."""
    seen = next(drawn(world, 12, seed=5))
    found = ours.pairs(seen.pairs()) if paired else ours.stored(seen)
    assert (found.either() < NEVER).any()

    for stream in range(12):
        worse, better, suspected = shipped(seen, stream, paired=paired)
        until = min(worse, better)
        at = int(found.suspected[stream])
        assert (found.worse[stream] if worse < NEVER else NEVER) == worse
        assert (found.better[stream] if better < NEVER else NEVER) == better
        assert found.either()[stream] == until
        assert (at if at < until else NEVER) == suspected


def test_a_world_has_the_accuracy_and_disagreement_that_it_says() -> None:
    """So that a row of the table is about what stands in it."""
    for world in (World(probes=2000), World(probes=2000, kind="flips", disagreement=0.1)):
        seen = next(drawn(world, 200, seed=2))
        assert seen.outcomes.mean() == pytest.approx(0.85, abs=0.01)
        assert abs(seen.pairs()).mean() == pytest.approx(world.disagreement, abs=0.005)
    for how in ("broken", "every answer", "wavering"):
        seen = next(drawn(World(probes=2000, drop=0.05, how=how), 200, seed=3))
        assert np.mean(seen.pairs()) == pytest.approx(0.05, abs=0.008)
