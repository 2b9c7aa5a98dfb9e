"""The shares the analysis has to reach on public prompts."""

import pytest

from tests.perf.analysis import (
    EXPLAINED,
    MIN_DECIDED,
    MIN_RIGHT,
    MIN_SOURCE,
    Score,
    data_file,
    decided_share,
    load,
    mean_right,
    score,
)

# First look at the sources that nobody had seen: 85.7 %. Less than this is a step back.
MIN_HELD_OUT = 0.80


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    """All prompts, each source scored."""
    path = data_file()
    if not path.is_file():
        pytest.skip(f"not run: {path.name} is absent (set POINTSMAN_SHARED to the shared folder)")
    return score(load(path))


def test_at_least_80_percent_are_decided_by_a_detector(scores: list[Score]) -> None:
    """Of all prompts."""
    assert decided_share(scores) >= MIN_DECIDED


def test_at_least_80_percent_are_right_as_the_mean_over_sources(scores: list[Score]) -> None:
    """A large source does not hide a small one."""
    assert mean_right(scores) >= MIN_RIGHT


def test_sources_not_looked_at_while_writing_do_not_fall_behind(scores: list[Score]) -> None:
    """The honest figure: prompts in a style the rules were not written for."""
    assert mean_right(one for one in scores if one.held_out) >= MIN_HELD_OUT


def test_no_source_is_below_half_without_a_reason(scores: list[Score]) -> None:
    """A kind of traffic that is always wrong would hide in the mean."""
    below = {one.source for one in scores if one.right < MIN_SOURCE}
    assert below <= EXPLAINED.keys()
