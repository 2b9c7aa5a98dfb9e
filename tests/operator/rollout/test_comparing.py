"""Two arms, compared at whatever moment one looks."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.rollout.comparing import (
    Estimate,
    Moments,
    interval,
    joined,
    means_ratio,
    pairs_differ,
    share,
    shares_differ,
)

VALUES = st.lists(st.floats(0, 1e6), max_size=40)


def moments(values: list[float]) -> Moments:
    """Of a list."""
    return sum((Moments(1, value, value * value) for value in values), Moments())


@given(VALUES, VALUES)
def test_routers_add_up(one: list[float], other: list[float]) -> None:
    """The moments of two are those of all values."""
    both, whole = moments(one) + moments(other), moments([*one, *other])
    assert both.n == whole.n
    assert both.total == pytest.approx(whole.total)
    assert both.variance >= 0


def test_a_few_say_nothing() -> None:
    """29 errors of 29 are no estimate; a person has looked at fewer than the formula needs."""
    assert shares_differ(share(29, 29), share(0, 1000)) is None
    assert means_ratio(Moments(29, 29.0, 29.0), Moments(1000, 1000.0, 1000.0)) is None
    assert pairs_differ(Moments(29, -29.0, 29.0)) is None


def test_no_error_so_far_is_not_no_error_ever() -> None:
    """The interval of 0 of 100 against 0 of 100 is not a point."""
    found = shares_differ(share(0, 100), share(0, 100))
    assert found is not None
    assert found.value == 0
    assert math.sqrt(found.variance) > 0.005


def test_who_may_be_worse_is_as_unsure_as_one_who_is() -> None:
    """By how few rare errors were met so far nobody is surer; who met more is no less unsure."""
    control = share(5, 1000)
    lucky, other = (shares_differ(share(n, 130), control, if_by=0.02) for n in (0, 2))
    assert lucky is not None
    assert other is not None
    assert lucky.value == pytest.approx(-0.005)
    assert lucky.variance == pytest.approx(other.variance)
    many, plain = (shares_differ(share(20, 130), control, if_by=by) for by in (0.02, 0.0))
    assert many == plain


def test_pairs_that_never_differed_leave_a_doubt() -> None:
    """30 equal answers do not prove that the next are."""
    found = pairs_differ(Moments(30))
    assert found is not None
    assert found.variance > 0


def test_joined_is_between_its_parts_and_surer() -> None:
    """What is known better counts more; what is not known does not count."""
    found = joined([Estimate(0.0, 1.0), None, Estimate(1.0, 0.25)])
    assert found is not None
    assert found.value == pytest.approx(0.8)
    assert found.variance == pytest.approx(0.2)
    assert joined([None]) is None


def test_an_interval_narrows_with_what_is_known() -> None:
    """And always holds its middle."""
    widths = []
    for variance in (1.0, 0.1, 0.01, 0.0001):
        seen = interval(Estimate(0.3, variance), scale=0.1, alpha=0.01)
        assert seen.low < seen.value < seen.high
        widths.append(seen.high - seen.low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.slow
def test_looking_after_each_ten_raises_no_more_false_alarms_than_stated() -> None:
    """400 streams of 2,000 equal pairs, alpha 5 %: 20 expected, 36 is 3.7 sd more."""
    alarms = 0
    for seed in range(400):
        dice = random.Random(seed)
        seen = Moments()
        for number in range(1, 2001):
            luck = dice.random()
            value = -1.0 if luck < 0.05 else 1.0 if luck < 0.1 else 0.0
            seen += Moments(1, value, value * value)
            found = None if number % 10 else pairs_differ(seen)
            if found and not (span := interval(found, scale=0.05, alpha=0.05)).low < 0 < span.high:
                alarms += 1
                break
    assert alarms <= 36
