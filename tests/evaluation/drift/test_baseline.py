"""What stored runs say of a healthy backend, at the edge of what they may be wrong by."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.drift.baseline import summed_up, upper_bound

LEVEL = 0.00125


@given(st.floats(0, 1), st.integers(1, 5000), st.floats(0.0005, 0.4))
def test_a_bound_is_above_what_was_seen(share: float, trials: int, level: float) -> None:
    """And comes down to it with the number of trials."""
    bound = upper_bound(share * trials, trials, level)

    assert min(1.0, share) <= bound <= 1
    assert upper_bound(share * trials * 16, trials * 16, level) <= bound + 1e-9


def test_nothing_wrong_in_so_many_trials() -> None:
    """1 - level ** (1 / n), the exact bound for no failure: 0.67 % of 1,000 at 1 in 800."""
    assert upper_bound(0, 1000, LEVEL) == pytest.approx(1 - LEVEL ** (1 / 1000))
    assert upper_bound(0, 0, LEVEL) == 1


@pytest.mark.parametrize("flip", [0.0, 0.02, 0.1, 0.3])
def test_bounds_hold_for_what_comes_next(flip: float) -> None:
    """
    300 baselines of 100 prompts, of which 70 are right but for `flip`: what was promised of steady
    prompts and of all is not missed more often than one would miss it by 4 levels, 0.5 %.
    """
    rng, missed = Random(4), 0
    chances = [1 - flip] * 70 + [flip] * 20 + [0.5] * 10
    for _ in range(300):
        runs = [tuple(float(rng.random() < one) for _ in range(5)) for one in chances]
        said = summed_up(runs, LEVEL)
        right = [one for one, run in zip(chances, runs, strict=True) if min(run) == 1]
        wrong = [one for one, run in zip(chances, runs, strict=True) if max(run) == 0]
        missed += (
            abs(said.mean - sum(chances) / 100) > said.slack
            or (bool(right) and sum(right) / len(right) < said.steady_low)
            or (bool(wrong) and sum(wrong) / len(wrong) > said.steady_high)
        )

    assert missed <= 5


@pytest.mark.parametrize(("prompts", "each"), [(10, 5), (20, 5), (6, 3), (200, 5)])
def test_runs_without_a_fault_promise_no_more_than_they_can(prompts: int, each: int) -> None:
    """A backend that is worse by more than `slack` has such runs less often than `LEVEL`."""
    said = summed_up([(1.0,) * each] * prompts, LEVEL)

    assert (1 - said.slack) ** (prompts * each) <= LEVEL


def test_one_run_promises_little() -> None:
    """Nothing is known of how a prompt wavers, so it may be as much as the mean allows."""
    one = summed_up([(1,)] * 85 + [(0,)] * 15, LEVEL)
    five = summed_up([(1,) * 5] * 85 + [(0,) * 5] * 15, LEVEL)

    assert one.slack > 0.1
    assert five.slack < 0.015
    assert one.steady_low < 0.75
    assert five.steady_low > 0.98
