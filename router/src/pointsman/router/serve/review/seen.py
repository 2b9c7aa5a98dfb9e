"""An answer that goes out at once and is seen by a person later: an event for the ledger.

Guarantees that no request waits for it, and that what is too long to be shown says so.
"""

import hashlib
from typing import TYPE_CHECKING

import msgspec

from pointsman.events.schema import MAX_REVIEW_BYTES, REVIEWING, encode
from pointsman.events.schema import Review as Event
from pointsman.router.serve.arms import Arm
from pointsman.router.serve.review.desk import MOST_HEARD, Desk
from pointsman.router.serve.review.gathering import Gathering
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.sse import HeardTail, StreamTail

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.review.review import Review


class Seen(Arm):
    """In the place of a request's arm: what becomes of it is told to that one as well."""

    __slots__ = ("_desk", "_gathering", "_of", "_review")
    hears = True

    def __init__(self, of: Arm | None, review: "Review", desk: Desk) -> None:
        self._of = of
        self._desk = desk
        self._review = review
        self._gathering: Gathering | None = None

    def listen(self, tail: StreamTail) -> StreamTail:
        """For a stream; of the last attempt alone."""
        if self._of is not None and self._of.hears:
            tail = self._of.listen(tail)
        if self._gathering is None:
            if self._desk.listening >= MOST_HEARD:
                return tail
            self._desk.listening += 1
        self._gathering = gathering = Gathering()
        return HeardTail(tail, gathering.keep)

    def count(self, exchange: "Exchange", now_s: float) -> None:
        """It is over."""
        if self._of is not None:
            self._of.count(exchange, now_s)
        plane, mode = exchange.plane, self._review.need.mode
        self._desk.listening -= self._gathering is not None
        outcome = "Unanswered"
        if exchange.committed and exchange.code == 200:
            outcome = "Unrecorded"
            if plane.ledger is not None:
                outcome = "Told"
                plane.ledger.needs(REVIEWING)
                plane.ledger.put(encode(self._event(exchange)))
        self._desk.count(exchange.policy.name, mode, outcome)

    def _event(self, exchange: "Exchange") -> Event:
        need, asks, track = self._review.need, exchange.policy.review, exchange.track
        assert asks is not None
        backend = track.of[1] if track is not None else None
        whole: bytes | None = exchange.end if exchange.said is not NO_ANSWER else None
        if self._gathering is not None:
            whole = self._gathering.whole()
        request, answer = text_of(exchange.request.body), text_of(whole)
        return Event(
            id=self._review.id,
            at_ms=int(exchange.plane.wall() * 1000),
            request_hash=request_hash(exchange, exchange.request.body),
            mode="Escalate" if need.mode == "Escalate" else "Flag",
            priority=need.priority,
            reason=f"{need.cause}:{need.name}",
            policy=exchange.policy.name,
            revision=exchange.policy.revision,
            rule=exchange.taken.route.name,
            caller=exchange.caller.name,
            team=exchange.caller.team,
            backend=backend.name if backend else "",
            model=exchange.asked.model,
            operation=exchange.operation.name,
            stream=exchange.asked.stream,
            request=request or "",
            answer=answer or "",
            cut=request is None or answer is None,
            keep_s=int(asks.asks.retention_s),
        )


def text_of(body: bytes | None) -> str | None:
    """None if it is not known, or takes more than an event has room for; JSON is no shorter."""
    if body is None or len(body) > MAX_REVIEW_BYTES:
        return None
    text = body.decode("utf-8", "replace")
    return text if len(msgspec.json.encode(text)) <= MAX_REVIEW_BYTES else None


def request_hash(exchange: "Exchange", body: bytes) -> str:
    """Which request is meant: SHA-256 in hex over its path, a line end and its body."""
    path = exchange.request.head.target.partition(b"?")[0]
    return hashlib.sha256(path + b"\n" + body).hexdigest()
