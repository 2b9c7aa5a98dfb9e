"""What callers ask that takes time and no model: feedback, and what became of a review."""

from typing import TYPE_CHECKING, Final

from pointsman.router.serve import feedback
from pointsman.router.serve.feedback import FeedbackExchange
from pointsman.router.wire.received import Head

if TYPE_CHECKING:
    from pointsman.router.serve.review.polling import PollExchange

_REVIEWS: Final = b"/v1/reviews/"


def errand_of(head: Head) -> "type[FeedbackExchange] | type[PollExchange] | None":
    """Who does what this head asks for; None if it is answered at once."""
    if head.target.startswith(_REVIEWS):
        from pointsman.router.serve.review.polling import PollExchange  # noqa: PLC0415 - seldom

        return PollExchange
    if head.method == b"POST" and head.target.partition(b"?")[0] == feedback.PATH:
        return FeedbackExchange
    return None
