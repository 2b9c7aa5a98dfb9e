"""Why the promise holds: what is staked is 1 in all, and no bet wins while all is well."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.drift.baseline import Baseline
from pointsman.evaluation.drift.betting import (
    EVEN,
    STEADY,
    Arm,
    evidence,
    moved,
    pair_factors,
    stake,
    stored_factors,
    suspicion,
)
from pointsman.evaluation.drift.observation import Pair, Probe

CHANCES = st.floats(0.01, 0.99)


def baseline(low: float, high: float = 0.1, slack: float = 0.02) -> Baseline:
    """Five runs that promise this."""
    return Baseline(
        prompts=9, runs=5, mean=0.5, slack=slack, steady_low=low, steady_high=high, level=0.001
    )


def test_the_stakes_of_all_probes_are_one() -> None:
    """0.996 of it in 100,000 probes; the rest comes later."""
    staked = sum(stake(probe) for probe in range(100_000))

    assert 0.996 < staked < 1
    assert stake(0) > 0.6 > stake(1) > stake(2) > 0
    assert sum(stake(probe, first=0.0, span=100) for probe in range(100)) == pytest.approx(0.5)


@given(CHANCES, st.floats(0, 1), st.floats(0, 1), st.sampled_from([1, -1]))
def test_a_bet_on_steady_prompts_is_even_at_its_bound(
    bound: float, one: float, other: float, sign: int
) -> None:
    """Scores whose mean is the bound win 1 on average, whatever they are; better ones less."""
    said = baseline(bound, bound)
    runs = (1.0,) * 5 if sign > 0 else (0.0,) * 5
    low, high = sorted((one, other))
    if low <= bound <= high and high - low > 1e-6:
        share = (bound - low) / (high - low)
        for index in range(len(STEADY)):
            wins = [stored_factors(Probe(x, runs), said, sign)[index] for x in (low, high)]
            assert (1 - share) * wins[0] + share * wins[1] == pytest.approx(1)
            assert (wins[0] >= wins[1]) == (sign > 0) or wins[0] == pytest.approx(wins[1])


def test_wavering_prompts_take_no_part_in_it() -> None:
    """Nor do those that were always wrong, where nothing can get worse."""
    for runs in ((1.0, 0.0), (0.0, 0.0), (1.0, 0.99)):
        factors = stored_factors(Probe(0.0, runs), baseline(0.9), 1)
        assert factors[: len(STEADY)] == (1,) * len(STEADY)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.sampled_from([1, -1]))
def test_a_bet_on_differences_is_even_at_the_slack(
    outcome: float, run: float, slack: float, sign: int
) -> None:
    """It wins as far as the difference exceeds slack, and never loses all."""
    factors = stored_factors(Probe(outcome, (run, 0.5)), baseline(0.9, slack=slack), sign)
    loss = sign * ((run + 0.5) / 2 - outcome)

    for bet, factor in zip(EVEN, factors[len(STEADY) :], strict=True):
        assert factor >= 1 - bet - 1e-12
        assert (factor > 1) == (loss - slack > 0) or abs(loss - slack) < 1e-12


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([1, -1]))
def test_a_pair_and_the_exchanged_pair_win_one(one: float, other: float, sign: int) -> None:
    """Healthy answers could as well have come the other way round."""
    there, back = pair_factors(Pair(one, other), sign), pair_factors(Pair(other, one), sign)

    assert [(a + b) / 2 for a, b in zip(there, back, strict=True)] == pytest.approx([1] * 5)
    assert min(*there, *back) > 0


def test_evidence_is_one_on_average_over_all_that_could_have_come() -> None:
    """All 729 ways of six pairs, weighed as a backend with 30 % disagreement would have them."""
    chance = {1: 0.15, 0: 0.7, -1: 0.15}
    total, staked = 0.0, sum(stake(probe) for probe in range(6))
    for way in product(chance, repeat=6):
        arms: tuple[Arm, ...] = (Arm(),) * 5
        weight = 1.0
        for probe, step in enumerate(way):
            pair = Pair(outcome=float(step < 0), baseline=float(step > 0))
            arms = moved(arms, pair_factors(pair, 1), stake(probe), probe, step)
            weight *= chance[step]
        total += weight * evidence(arms)
        assert suspicion(arms) >= 0

    assert total == pytest.approx(staked)
