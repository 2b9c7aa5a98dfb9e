"""After a fault: next, again, or give up; as a table and as laws."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy import retry
from pointsman.router.policy.retry import Action, Fault, Kind, Situation, after_fault

FAULT = Fault(Kind.ERROR, "Http500", status=500)
HERE = Situation(
    others_left=False,
    falls_back=True,
    retries_done=0,
    max_retries=2,
    other_endpoint=False,
    elapsed_s=1.0,
    deadline_s=60.0,
    budget=10.0,
)


@pytest.mark.parametrize(
    ("change", "fault", "action"),
    [
        ({"others_left": True}, FAULT, Action.NEXT),
        ({"others_left": True, "falls_back": False}, FAULT, Action.RETRY),
        ({"others_left": True, "elapsed_s": 60.0}, FAULT, Action.GIVE_UP),
        ({}, FAULT, Action.RETRY),
        ({"retries_done": 2}, FAULT, Action.GIVE_UP),
        ({"budget": 0.9}, FAULT, Action.GIVE_UP),
        ({"elapsed_s": 59.8}, FAULT, Action.GIVE_UP),
        ({}, replace(FAULT, retryable=False), Action.GIVE_UP),
        ({}, replace(FAULT, kind=Kind.TIMEOUT), Action.GIVE_UP),
        ({}, replace(FAULT, retry_after_s=30.0), Action.RETRY),
        ({}, replace(FAULT, retry_after_s=90.0), Action.GIVE_UP),
    ],
)
def test_the_table(change: dict[str, object], fault: Fault, action: Action) -> None:
    """Each row of the module's table, and its limits."""
    step = after_fault(fault, replace(HERE, **change), 0.5)  # type: ignore[arg-type]
    assert step.action is action
    assert step.why


def test_another_endpoint_is_tried_at_once_the_first_time() -> None:
    """A pod that died is no reason to wait; a Retry-After is."""
    pair = replace(HERE, other_endpoint=True)
    assert after_fault(FAULT, pair, 0.5).delay_s == 0
    assert after_fault(FAULT, replace(pair, retries_done=1), 0.5).delay_s > 0
    assert after_fault(replace(FAULT, retry_after_s=2.0), pair, 0.5).delay_s == 2.0


@given(
    st.builds(
        Situation,
        others_left=st.booleans(),
        falls_back=st.booleans(),
        retries_done=st.integers(0, 5),
        max_retries=st.integers(0, 3),
        other_endpoint=st.booleans(),
        elapsed_s=st.floats(0, 100),
        deadline_s=st.floats(0, 100),
        budget=st.floats(0, 100),
    ),
    st.builds(
        Fault,
        st.sampled_from(Kind),
        st.just("Reason"),
        retryable=st.booleans(),
        retry_after_s=st.none() | st.floats(0, 100),
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_nothing_starts_after_the_deadline(at: Situation, fault: Fault, dice: float) -> None:
    """Nor without a budget, nor more often than allowed, nor before Retry-After."""
    step = after_fault(fault, at, dice)
    if step.action is not Action.GIVE_UP:
        assert at.elapsed_s + step.delay_s < at.deadline_s
    if step.action is Action.RETRY:
        assert at.budget >= 1
        assert at.retries_done < at.max_retries
        assert step.delay_s >= (fault.retry_after_s or 0.0)


@given(st.integers(0, 50), st.floats(0, 1, exclude_max=True))
def test_backoff_doubles_from_half_a_second_to_five(retries: int, dice: float) -> None:
    """With 20 % either way."""
    middle = min(0.5 * 2**retries, 5.0)
    assert 0.8 * middle <= retry.backoff_s(retries, dice) <= 1.2 * middle


def test_the_budget_is_a_fifth_of_the_requests() -> None:
    """Beyond the ten to begin with."""
    budget, retries = retry.BUDGET_START, 0
    for _ in range(1000):
        budget = retry.earn(budget)
        if after_fault(FAULT, replace(HERE, budget=budget), 0.5).action is Action.RETRY:
            budget -= 1
            retries += 1
    assert 208 <= retries <= 210


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5.0), (" 1.5 ", 1.5), ("0", 0.0), ("-1", None), ("Wed, 21 Oct", None), ("1e9", None),
     ("٣", None), ("999999999", None), ("", None), (".", None), ("nan", None)],
)  # fmt: skip
def test_retry_after_is_read_as_seconds(value: str, seconds: float | None) -> None:
    """Anything else is as if it were not there."""
    assert retry.parse_retry_after_s(value) == seconds
