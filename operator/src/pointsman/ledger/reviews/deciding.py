"""PURE but for the transaction it is given: what people, deadlines and callers do to a review.

Guarantees that what was decided, the line in the audit trail and the label are written together or
not at all. A deadline that has passed is noticed first: nobody decides after it.

PENDING's key is (spool, number): a review's label has a spool of its own, the review's name.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from pointsman.events.reviews import State
from pointsman.ledger import auditing
from pointsman.ledger.auditing import Said as Audited
from pointsman.ledger.binding import bind, write_tally
from pointsman.ledger.contract import Transaction
from pointsman.ledger.people.person import Person
from pointsman.ledger.reviews import editing, storing
from pointsman.ledger.reviews.errors import Ended
from pointsman.ledger.reviews.review import (
    Decision,
    Review,
    claimed,
    decided,
    is_due,
    over,
    released,
)
from pointsman.ledger.rows import PENDING, Said
from pointsman.ledger.tally import Tally

GOOD_MICRO: Final = 1_000_000
SOURCE: Final = "Review"


def claim(transaction: Transaction, id_: str, who: Person, now_ms: int) -> Review:
    """Raises Unknown, Ended, ClaimedBy."""
    review = _waiting(transaction, id_, now_ms)
    after = claimed(review, who.name, now_ms)
    return _save(transaction, after, _said(after, who, "claim"), now_ms)


def release(transaction: Transaction, id_: str, who: Person, now_ms: int) -> Review:
    """Raises Unknown, Ended, NotClaimed, ClaimedBy."""
    review = _waiting(transaction, id_, now_ms)
    after = released(review, who.name, now_ms)
    return _save(transaction, after, _said(after, who, "release"), now_ms)


def decide(
    transaction: Transaction, id_: str, decision: Decision, who: Person, now_ms: int
) -> Review:
    """Raises Unknown, Ended, HashMismatch, NotClaimed, ClaimedBy, BadEdit."""
    decision = replace(decision, message=decision.message.replace("\0", "\ufffd"))
    review = _waiting(transaction, id_, now_ms)
    after = decided(review, decision, who.name, now_ms)
    texts = storing.texts_of(transaction, id_)
    if decision.verdict == "edit":
        editing.check(review, texts, decision.edited)
        storing.save_text(transaction, id_, "edited", decision.edited)
    _label(transaction, after, decision, now_ms)
    detail = {"request_hash": review.request_hash, "message": decision.message}
    return _save(transaction, after, _said(after, who, decision.verdict, detail), now_ms)


def end(transaction: Transaction, id_: str, state: State, now_ms: int) -> Review:
    """
    As it is then: what has ended otherwise stays so. Raises Unknown.

    No router's clock ends what has a deadline: TimedOut before it leaves it as it is.
    """
    review = storing.find(transaction, id_)
    due = is_due(review, now_ms)
    if state == "TimedOut" and not due:
        return review
    after = over(review, "TimedOut" if due else state, now_ms)
    return review if after is review else _system(transaction, after, now_ms)


def expire(transaction: Transaction, now_ms: int, limit: int) -> list[Review]:
    """End what is past its deadline, so many at most."""
    return [
        _system(transaction, over(review, "TimedOut", now_ms), now_ms)
        for review in storing.due(transaction, now_ms, limit)
    ]


def _waiting(transaction: Transaction, id_: str, now_ms: int) -> Review:
    """Held until the end. Raises Unknown, Ended."""
    review = storing.find(transaction, id_)
    if is_due(review, now_ms):  # ended by whoever looks next: this transaction is given up
        raise Ended("TimedOut", "")
    return review


def _said(
    review: Review, who: Person, action: str, detail: Mapping[str, object] | None = None
) -> Audited:
    subject = f"review/{review.id}"
    return Audited(who.name, who.role.value, f"review.{action}", subject, detail or {})


def _save(transaction: Transaction, review: Review, said: Audited, now_ms: int) -> Review:
    storing.save(transaction, review)
    auditing.append(transaction, said, now_ms)
    return review


def _system(transaction: Transaction, review: Review, now_ms: int) -> Review:
    action = "review.withdraw" if review.state == "Withdrawn" else "review.time-out"
    said = Audited(auditing.SYSTEM, "", action, f"review/{review.id}")
    return _save(transaction, review, said, now_ms)


def _label(transaction: Transaction, review: Review, decision: Decision, now_ms: int) -> None:
    """Feedback about the answer; of a request that nobody has answered there is none."""
    if review.stage != "Answer":
        return
    edited = editing.text_of(decision.edited) if decision.verdict == "edit" else ""
    score = {"approve": GOOD_MICRO, "reject": 0, "edit": None}[decision.verdict]
    if score is None and not edited:
        return
    said = Said(
        spool=f"review-{review.id}",
        number=1,
        came_ms=now_ms,
        decision=review.id,
        response_id="",
        id=f"review-{review.id}",
        at_ms=now_ms,
        caller=review.caller,
        score_micro=score,
        good=None,
        verdict="",
        comment="",
        demonstration=edited,
        signal="",
        source=SOURCE,
    )
    tally = Tally()
    outcome = bind(transaction, [said], tally)
    if outcome.waiting:  # its request is recorded when it is over, which it was waiting for
        transaction.add("pending", PENDING, [said.pending_row()])
    write_tally(transaction, tally)
