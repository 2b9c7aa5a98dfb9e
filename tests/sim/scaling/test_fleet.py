"""The queueing model itself: what it promises, on fleets small enough to count by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.scaling.contenders import CONTENDERS, Contender, fixed
from tests.sim.scaling.fleet import Engine, Outcome, flaps, simulate
from tests.sim.scaling.measure import run
from tests.sim.scaling.traces import generated, of, warmed

ENGINE = Engine(
    limit=2, prefill_tokens_per_s=1000.0, step_s=0.01, step_per_request_s=0.01, cold_start_s=40.0
)


def play(rows: list[tuple[float, int, int]], replicas: int, horizon_s: float = 100.0) -> Outcome:
    trace = of("by hand", rows, horizon_s=horizon_s)
    return simulate(
        trace, fixed(replicas, trace, late=False), engine=ENGINE, seed=1, start=replicas
    )


def test_a_lone_request_waits_for_nobody() -> None:
    """Its first token comes when its prompt is read."""
    out = play([(1.0, 500, 100)], replicas=1)
    assert out.waits_s == [0.0]
    assert out.first_tokens_s == [pytest.approx(0.5)]


def test_a_third_request_is_held_until_a_slot_is_free() -> None:
    """Two at once: prompts of 0.1 s each are read one after the other, then 30 ms a token."""
    out = play([(0.0, 100, 100), (0.0, 100, 200), (0.0, 100, 10)], replicas=1)
    assert out.waits_s[:2] == [0.0, 0.0]
    assert out.waits_s[2] == pytest.approx(0.2 + 100 * 0.03)


def test_a_fuller_batch_is_slower() -> None:
    """The second of two ends later beside the first than it would alone."""
    alone = play([(0.0, 0, 100), (0.0, 0, 100), (0.1, 0, 1)], replicas=1)
    apart = play([(0.0, 0, 100), (2.5, 0, 1)], replicas=1)
    assert alone.waits_s[2] == pytest.approx(100 * 0.03 - 0.1)
    assert apart.waits_s == [0.0, 0.0]


def test_a_fixed_fleet_costs_its_hours() -> None:
    """Replicas times time, whatever it serves."""
    assert play([(1.0, 1, 1)], replicas=3, horizon_s=200.0).replica_s == pytest.approx(600.0)


def test_a_fleet_with_a_fraction_costs_its_hours_too() -> None:
    """The extra replica is there for that share of the time."""
    trace = warmed(generated("even", lambda _: 1.0, length_s=900.0, seed=1))
    for late in (False, True):
        figures = run(trace, fixed(2.25, trace, late=late), engine=Engine(), seed=1)
        # The late one is paid from its order on; its cold start is part of its time.
        assert figures.replica_hours == pytest.approx(2.25 * 900 / 3600, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(0.1, 6.0),
    contender=st.sampled_from(CONTENDERS),
    target=st.floats(1.0, 20.0),
    seed=st.integers(0, 1000),
)
def test_every_request_is_served_and_every_second_paid(
    rate: float, contender: Contender, target: float, seed: int
) -> None:
    """Whoever scales: no wait is negative, nobody is forgotten, hours stay within the bounds."""
    trace = generated("any", lambda t: rate * (t % 200 < 120), length_s=600.0, seed=seed)
    scaler = contender.make(target, trace)
    out = simulate(trace, scaler, engine=Engine(), seed=seed, start=1, most=20)
    assert len(out.waits_s) == len(trace.arrivals_s)
    assert all(0.0 <= wait_s < 3600.0 for wait_s in out.waits_s)
    assert all(
        first_s >= wait_s for first_s, wait_s in zip(out.first_tokens_s, out.waits_s, strict=True)
    )
    assert 0.0 <= out.replica_s <= 20 * 600.0 * 1.1
    assert all(0 <= count <= 20 for _, count in out.changes)


def test_a_seed_gives_the_same_run_again() -> None:
    """Figures can be reprinted."""
    trace = warmed(generated("again", lambda _: 3.0, length_s=900.0, seed=7))
    ours = CONTENDERS[0]
    first, second = (run(trace, ours.make(8.0, trace), engine=Engine(), seed=3) for _ in range(2))
    assert first == second


def test_flaps_are_turns_within_five_minutes() -> None:
    """Up and down again is one; the same after a quiet while is none."""
    assert flaps([(0, 1), (10, 2), (20, 3), (30, 2)]) == 1
    assert flaps([(0, 1), (10, 2), (400, 1)]) == 0
    assert flaps([(0, 1), (10, 2), (20, 1), (30, 2)]) == 2
