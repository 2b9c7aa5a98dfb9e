"""What the caller of a held request is told: the answer, that it has to wait, or that it gets none.

Guarantees the same words on the connection that waited and on one that polls.
"""

from typing import TYPE_CHECKING, cast

import msgspec

from pointsman.events.reviews import MAX_TEXT_BYTES, Decided
from pointsman.router.errors import Problem, Refused, Rejected, UpstreamBroken
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve.decision import decision_lines
from pointsman.router.serve.relay import EVENT_STREAM
from pointsman.router.serve.review.review import UNAVAILABLE
from pointsman.router.wire import problem
from pointsman.router.wire.restreamed import as_stream

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.translated import TranslatedExchange

PATH = b"/v1/reviews/"
RETRY_S = 5
"""Between two polls, where the caller does not wait in one."""
_JSON = {b"content-type": b"application/json"}


def tell(exchange: "Exchange", answer: bytes, *, stream: bool, usage: bool) -> None:
    """All of it."""
    if stream:
        try:
            events = as_stream(answer, usage=usage)
        except ValueError:
            message = "What the reviewer wrote cannot be told as a stream."
            exchange.refuse(UpstreamBroken(502, message, code="review_untellable"))
            return
        exchange.asked.stream = True
        exchange.commit(200, {b"content-type": EVENT_STREAM}, None, events)
        exchange.complete()
    elif exchange.translated:
        cast("TranslatedExchange", exchange).tell(answer)
    else:
        exchange.commit(200, _JSON, len(answer), answer)
        exchange.complete()


def why_not_shown(answer: bytes) -> Fault | None:
    """Of an answer that no person could be shown; None: one can."""
    if len(answer) > MAX_TEXT_BYTES:
        what = f"the answer is larger than the {MAX_TEXT_BYTES:,} bytes of a review"
        return Fault(Kind.ERROR, "TooLarge", what, retryable=False)
    try:
        answer.decode()
    except UnicodeDecodeError:
        return Fault(Kind.ERROR, "Malformed", "the answer is not UTF-8", retryable=False)
    return None


def pending_body(review: str, deadline_s: float) -> bytes:
    """Of a 202."""
    told = {"id": review, "object": "review", "status": "pending", "deadline": int(deadline_s)}
    return msgspec.json.encode(told)


def pending_lines() -> bytes:
    """Header lines of a 202."""
    return b"retry-after: %d\r\n" % RETRY_S


def pending(exchange: "Exchange", review: str, deadline_s: float) -> None:
    """202: the caller comes back."""
    exchange.code = 202
    body = pending_body(review, deadline_s)
    more = pending_lines() + b"preference-applied: respond-async\r\n"
    more += b"location: %b%b\r\n" % (PATH, review.encode())
    more += decision_lines(exchange, {})
    keep_alive = exchange.client.keep_alive
    exchange.client.write(problem.answer(202, body, more=more, keep_alive=keep_alive))
    exchange.finish("Pending")


def refusal(decided: Decided) -> Problem:
    """Of one that a person, or its caller, ended."""
    if decided.state == "Withdrawn":
        return Rejected("The request was withdrawn.", code="review_withdrawn")
    said = decided.message.strip()
    message = f"A reviewer rejected the request: {said}" if said else "A reviewer rejected it."
    return Rejected(message, code="review_rejected")


def unavailable() -> Problem:
    """Nobody can be asked now."""
    message = "A person has to see the request, and what keeps it for them does not answer."
    return Refused(message, code="review_unavailable", retry_after_s=RETRY_S)


def no_fallback(told: bytes) -> Problem:
    """The policy's fallback may not answer this one: as if there were none."""
    return unavailable() if told == UNAVAILABLE else timed_out()


def timed_out() -> Problem:
    """Nobody has decided."""
    message = "Nobody has reviewed the request by its deadline."
    return Rejected(message, code="review_timed_out")
