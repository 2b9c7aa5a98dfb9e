"""stamp(): what is stored of the conditions that were decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.conditions import Condition, ConditionType, Reason, stamp
from pointsman.api.v1alpha1.status import StoredCondition
from pointsman.api.validation import parse

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
STATUSES = st.sampled_from([True, False, None])


def condition(status: bool | None, message: str = "") -> Condition:
    return Condition(type=ConditionType.READY, status=status, reason=Reason.READY, message=message)


@given(STATUSES, STATUSES)
def test_the_time_moves_only_when_the_status_flips(before: bool | None, after: bool | None) -> None:
    """Reason, message and generation may change without it."""
    stored = stamp([condition(before)], [], generation=1, now=EARLY)
    (new,) = stamp([condition(after, "else")], stored, generation=2, now=LATE)
    assert new["lastTransitionTime"] == (EARLY if before == after else LATE)
    assert (new["observedGeneration"], new["message"]) == (2, "else")


def test_what_is_not_wanted_is_dropped() -> None:
    """Reconciling and Stalled exist only while true."""
    stalled = Condition(type=ConditionType.STALLED, status=True, reason=Reason.INVALID)
    stored = stamp([condition(True), stalled], [], generation=1, now=EARLY)
    assert [c["type"] for c in stored] == ["Ready", "Stalled"]
    assert [c["type"] for c in stamp([condition(True)], stored, generation=1, now=LATE)] == [
        "Ready"
    ]


@given(STATUSES, st.text(max_size=40), st.integers(0, 2**62))
@pytest.mark.slow
def test_what_is_stored_fits_the_status_schema(
    status: bool | None, message: str, generation: int
) -> None:
    """The API server takes every condition that can be written."""
    (stored,) = stamp([condition(status, message)], [], generation=generation, now=EARLY)
    assert (
        parse(StoredCondition, stored).status
        == {True: "True", False: "False", None: "Unknown"}[status]
    )


def test_long_messages_are_cut() -> None:
    """metav1.Condition allows 32,768 characters."""
    (stored,) = stamp([condition(True, "x" * 40_000)], [], generation=1, now=EARLY)
    assert len(str(stored["message"])) == 32_768


def test_reasons_are_words_that_a_condition_may_hold() -> None:
    """Every reason matches the pattern of metav1.Condition."""
    for reason in Reason:
        (stored,) = stamp(
            [Condition(type=ConditionType.READY, status=True, reason=reason)],
            [],
            generation=1,
            now=EARLY,
        )
        parse(StoredCondition, stored)
