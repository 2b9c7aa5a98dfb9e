"""The least that the table has to say, with few streams: `make bench-drift` has the numbers."""

import numpy as np
import pytest

from tests.sim.drift import also, contenders, measure, ours
from tests.sim.drift.measure import OURS, Rate
from tests.sim.drift.ours import NEVER
from tests.sim.drift.recorded import recorded_file, recordings
from tests.sim.drift.report import GOALS, Compared, Results, as_json, markdown
from tests.sim.drift.streams import World, drawn


@pytest.mark.slow
def test_healthy_streams_are_left_alone() -> None:
    """At most 5 of 200 streams of 6,000 pairs (expected: 1.4), and none against stored runs."""
    pairs = measure.false_alarms(World(), 200, measure.own("pairs"))[OURS]
    stored = measure.false_alarms(World(), 60, measure.own("stored"))[OURS]

    assert pairs.hits <= 5
    assert stored.hits == 0


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "change"), GOALS)
def test_a_drop_of_10_points_is_found_in_time(mode: measure.Mode, change: int) -> None:
    """The median of 80 streams, within the goal of 10 points."""
    world = World(drop=0.1, change=change)
    found = measure.delays(world, 80, measure.own(mode))[OURS]

    assert found.median is not None
    assert found.median <= GOALS[mode, change][1]


@pytest.mark.slow
def test_real_answers_that_got_worse() -> None:
    """GPT-4 on primes, March to June 2023: in 60 probes, and not when the dates are shuffled."""
    if not recorded_file().exists():
        pytest.skip(f"not run: {recorded_file().name} is not there")
    real = also.real([one for one in recordings(recorded_file()) if one.task == "primes"], 100)
    worse = next(one for one in real if (one.name, one.recording.model) == (OURS, "gpt-4"))

    assert worse.recording.march.mean() == pytest.approx(0.84)
    assert worse.recording.june.mean() == pytest.approx(0.502)
    assert worse.delay.median is not None
    assert worse.delay.median <= 60
    assert worse.false_alarms.hits <= 4


def test_everyone_finds_what_nobody_can_miss() -> None:
    """Who does not find 40 points after 500 probes was written down wrong."""
    who = measure.detectors("pairs", threshold=20)
    world = World(drop=0.4, change=500, probes=1500)
    found = measure.delays(world, 30, who)

    assert {name for name, one in found.items() if one.found.share < 1} == set()


def test_adwin_keeps_all_that_came() -> None:
    """Its buckets hold each value once, sum and squares, in rows of at most five."""
    window, values = contenders.Buckets(), np.random.default_rng(1).random((1000, 2))
    for one in values:
        window.add(one)
    kept = sum(bucket for row in window.rows for bucket in row)

    assert np.allclose(kept, [values.sum(axis=0), (values**2).sum(axis=0)])
    assert sum(len(row) * 2**index for index, row in enumerate(window.rows)) == 1000
    assert max(len(row) for row in window.rows) <= 5


def test_intervals_are_exact() -> None:
    """Clopper and Pearson's own: 0 of 10,000, 3 of 10, and at once for 3,000 of 10,000."""
    assert Rate(0, 10_000).interval() == pytest.approx((0, 1 - 0.025**1e-4))
    assert Rate(3, 10).interval() == pytest.approx((0.0667, 0.6525), abs=1e-4)
    assert Rate(3000, 10_000).interval() == pytest.approx((0.2910, 0.3091), abs=1e-4)
    assert Rate(10, 10).interval()[1] == 1


def test_the_median_is_of_those_that_had_not_alarmed_before() -> None:
    """What was never found counts as longest; half of it and there is no median."""
    found = np.array([50, 110, 130, 150, NEVER])
    late = measure.delay(found, 0.1, 100)
    missed = measure.delay(np.array([110, NEVER, NEVER]), 0.1, 100)

    assert (late.median, late.found) == (40, Rate(3, 4))
    assert missed.median is None


def test_the_report_says_what_was_missed() -> None:
    """A goal that is not met is a no, in the table and in JSON."""
    delays = [
        measure.Delay(drop, change, 500.0, Rate(9, 10))
        for change in measure.CHANGES
        for drop in measure.DROPS
    ]
    rows = [measure.Row(OURS, Rate(2, 100), delays)]
    results = Results({}, compared=[Compared("stored", 0.05, rows)])

    assert "| probes for 5 points after 0 healthy ones |" in markdown(results)
    assert [one["met"] for one in as_json(results)["goals"]] == [False, True, False, False]
    assert "500 (90 % found)" in markdown(results)


def test_a_twin_keeps_the_shape() -> None:
    """One stream alone is found where it is found among many."""
    seen = next(drawn(World(drop=0.2, probes=300), 10, seed=9))
    many = ours.pairs(seen.pairs()).worse

    assert [int(ours.pairs(seen.pairs()[[turn]]).worse[0]) for turn in range(10)] == many.tolist()
