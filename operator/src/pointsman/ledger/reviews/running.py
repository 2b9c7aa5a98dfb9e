"""PURE but for the transaction it is given: what routers do with a review that was opened.

Guarantees that of all routers one at a time runs an approved request, or the fallback of one that
timed out, and that its first answer is the answer.
"""

from msgspec.structs import replace

from pointsman.events.reviews import Answering, Decided, Taken
from pointsman.ledger.contract import Transaction
from pointsman.ledger.reviews import storing
from pointsman.ledger.reviews.errors import Taken as TakenByAnother
from pointsman.ledger.reviews.review import Review, Texts, passed, taken


def take(transaction: Transaction, id_: str, by: str, now_ms: int) -> Taken:
    """Raises Unknown, NotApproved, Taken."""
    review = storing.find(transaction, id_)
    texts = storing.texts_of(transaction, id_)
    after = taken(review, by, now_ms, answered=bool(texts.ran))
    storing.save(transaction, after)
    request, _ = passed(after, texts)
    return Taken(request, after.taken_until_ms, review.context)


def answer(transaction: Transaction, id_: str, told: Answering, now_ms: int) -> Decided:
    """
    The answer that counts: this one, or the one before. Raises Unknown, NotApproved, Taken.

    Who took it and is late may still answer, unless another one took it since.
    """
    review = storing.find(transaction, id_)
    texts = storing.texts_of(transaction, id_)
    if texts.ran:
        return decided(review, texts)
    after = taken(review, told.holder, now_ms, answered=False)
    if review.taken_by != told.holder:
        raise TakenByAnother(review.taken_by, review.taken_until_ms)
    after = replace(after, backend=told.backend or after.backend)
    storing.save(transaction, after)
    storing.save_text(transaction, id_, "ran", told.answer)
    return decided(after, replace(texts, ran=told.answer))


def delivered(transaction: Transaction, id_: str, now_ms: int) -> Review:
    """Its caller has what became of it: the same request again is a new one. Raises Unknown."""
    review = storing.find(transaction, id_)
    if review.state == "Pending" or review.delivered_ms:
        return review
    after = replace(review, delivered_ms=now_ms)
    storing.save(transaction, after)
    return after


def decided(review: Review, texts: Texts) -> Decided:
    """As routers are told it."""
    request, answer_ = passed(review, texts)
    return Decided(
        id=review.id,
        state=review.state,
        request_hash=review.request_hash,
        stage=review.stage,
        deadline_ms=review.deadline_ms,
        by=review.decided_by,
        message=review.message,
        request=request,
        answer=answer_,
        backend=review.backend,
    )
