"""A few seeds of each kind; the command plays a thousand."""

import pytest

from tests.sim.rollout.__main__ import KINDS, measure


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "(" not in kind])
def test_the_bad_are_stopped_and_the_good_get_through(kind: str) -> None:
    """12 of 12."""
    row = measure(kind, 12)
    assert (row.promoted, row.aborted) == ((12, 0) if row.good else (0, 12)), row
