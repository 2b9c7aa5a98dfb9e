"""A hundred seeds of each kind; the command plays a thousand."""

import pytest

from tests.sim.rollout.probes import KINDS, measure


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_golden_prompts_pass_no_bad_candidate_and_stop_no_good_one(kind: str) -> None:
    """100 prompts of each of three tasks, 10 points allowed."""
    found = measure(kind, 10, 100, 100)
    if kind.startswith("as good"):
        assert found["Pass"] >= 60
    if kind.startswith(("as good", "3 ")):
        assert found["Fail"] <= 3
    if kind.startswith("10 "):
        assert found["Pass"] <= 10, "it is at the limit"
    if kind.startswith(("20 ", "twice")):
        assert found["Pass"] == 0
        assert found["Fail"] >= 70
