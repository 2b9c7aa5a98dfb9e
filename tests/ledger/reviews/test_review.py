"""The states of a review, whatever people, routers and clocks do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.events.reviews import ENDED
from pointsman.ledger.reviews.errors import ReviewError
from pointsman.ledger.reviews.review import (
    CLAIM_MS,
    Decision,
    Review,
    Texts,
    claimed,
    decided,
    holder,
    is_due,
    over,
    passed,
    place,
    released,
)
from tests.ledger.events import NOW_MS
from tests.ledger.reviews.opened import hash_of

HASH = hash_of("a")


def pending(**fields: object) -> Review:
    names = (
        "reason", "policy", "revision", "rule", "caller", "team", "backend", "model", "operation",
        "context",
    )  # fmt: skip
    rank, place_ms = place("Normal", NOW_MS + 60_000, NOW_MS)
    values = dict.fromkeys(names, "") | {
        "id": "d-1", "request_hash": HASH, "mode": "Hold", "stage": "Answer", "rank": rank,
        "place_ms": place_ms, "priority": "Normal", "stream": False, "asynchronous": False,
        "cut": False, "fallback": False, "created_ms": NOW_MS, "deadline_ms": NOW_MS + 60_000,
        "until_ms": NOW_MS + 60_000,
    }  # fmt: skip
    return Review(**(values | fields))  # type: ignore[arg-type]


steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "release", "approve", "reject", "forge", "end"]),
        st.sampled_from(["ada", "ben", "cleo"]),
        st.integers(0, CLAIM_MS),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=400)
@given(steps)
def test_one_person_holds_it_and_it_ends_once(sequence: list[tuple[str, str, int]]) -> None:
    """A step is refused or gives a state that the table allows; what has ended never changes."""
    review, now_ms = pending(deadline_ms=0), NOW_MS
    for step, who, pause_ms in sequence:
        now_ms += pause_ms
        before, held = review, holder(review, now_ms)
        try:
            match step:
                case "claim":
                    review = claimed(review, who, now_ms)
                case "release":
                    review = released(review, who, now_ms)
                case "approve":
                    review = decided(review, Decision("approve", HASH), who, now_ms)
                case "reject":
                    review = decided(review, Decision("reject", HASH), who, now_ms)
                case "forge":
                    review = decided(review, Decision("approve", hash_of("b")), who, now_ms)
                case _:
                    review = over(review, "Withdrawn", now_ms)
        except ReviewError:
            assert review is before
            continue
        assert step != "forge"
        if before.state in ENDED:
            assert review is before
        elif step == "claim":
            assert held in ("", who)
            assert holder(review, now_ms) == who
        elif step != "end":
            assert held == who
            assert holder(review, now_ms) == ""


def test_a_deadline_counts_from_its_millisecond_on() -> None:
    """Of one that waits; without a deadline never."""
    review = pending()
    assert not is_due(review, review.deadline_ms - 1)
    assert is_due(review, review.deadline_ms)
    assert not is_due(over(review, "Approved", NOW_MS), review.deadline_ms)
    assert not is_due(pending(deadline_ms=0), 2**53)


def test_nothing_passes_before_a_person_let_it() -> None:
    """Neither the held answer nor the request."""
    texts = Texts("request", "answer", "edited", "ran")
    for state in ("Pending", "Rejected", "TimedOut", "Withdrawn"):
        for stage in ("Request", "Answer"):
            assert passed(pending(state=state, stage=stage), texts) == ("", "")
    assert passed(pending(state="Approved"), texts) == ("", "answer")
    assert passed(pending(state="Edited"), texts) == ("", "edited")
    assert passed(pending(state="Approved", stage="Request"), texts) == ("request", "ran")
    assert passed(pending(state="Edited", stage="Request"), texts) == ("edited", "ran")
    assert passed(pending(state="TimedOut", fallback=True), texts) == ("request", "ran")
