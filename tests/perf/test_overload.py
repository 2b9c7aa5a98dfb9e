"""The overload's figures are of answers alone, and a router at capacity refuses nobody."""

import os

import pytest

from tests.perf import overload

pytestmark = pytest.mark.local


def test_at_capacity_all_are_answered_and_beyond_it_the_rest_is_refused() -> None:
    """No more are answered than the backend takes; the others are told so."""
    core = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    ((full, over),) = overload.measure(core, 1, 0.5)

    assert full.answered > 0
    assert full.refused == 0
    assert over.answered > 0
    assert over.refused > 0
    assert min(full.p50_ms, over.p50_ms) >= 1000 * overload.SERVICE_S
