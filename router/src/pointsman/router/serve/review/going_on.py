"""A request that goes on after a review: to its model, or to the backend that answers without one.

Guarantees that what was spent before is accounted once, that what goes on is decided by the table,
keys and approvals of now, and that an approved request which was answered is told as delivered.
"""

from typing import TYPE_CHECKING

from pointsman.events.reviews import Answering
from pointsman.router.errors import Problem, Suspended
from pointsman.router.serve import arrival
from pointsman.router.serve.arms import Arm
from pointsman.router.serve.review.gathering import Gathering
from pointsman.router.serve.review.review import UNAVAILABLE
from pointsman.router.serve.review.telling import why_not_shown
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.sse import HeardTail, StreamTail

if TYPE_CHECKING:
    import asyncio

    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.review.review import Review


def resume(exchange: "Exchange") -> None:
    """Through the layers that follow the decision."""
    layers = exchange.plane.arrival
    try:
        for following in layers[layers.index(arrival.decide) + 1 :]:
            following(exchange)
    except Suspended:
        pass
    except Problem as problem:
        exchange.refuse(problem)
    except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
        exchange.bug(error)


def approved(exchange: "Exchange", review: "Review", body: bytes) -> None:
    """The request as a person left it, all over again: nothing of it was spent."""
    further = exchange.succeeded_by(body)
    further.decision_id, further.request_id = exchange.decision_id, exchange.request_id
    further.review = review
    further.run()
    if not further.over:
        further.arm = Approved(further.arm, further, review)


def fall_back(exchange: "Exchange", review: "Review", body: bytes) -> None:
    """Another backend answers; what a model has said is accounted as a request of its own."""
    further = exchange.succeeded_by(body)
    further.request_id = exchange.request_id
    further.review = review
    if exchange.usage is None:
        further.decision_id = exchange.decision_id
    else:
        further.trace = None  # the span of what was said before ends here
        exchange.code, exchange.outcome = 403, "ReviewTimedOut"
        exchange.plane.began()
        exchange.plane.ended(exchange)
    further.run()
    if review.told == UNAVAILABLE:
        return
    if not further.over:
        further.arm = Approved(further.arm, further, review)
    elif further.code == 403:  # nobody answers: further requests of this text are others
        further.plane.desk.delivered(review.id)


class Approved(Arm):
    """In the place of a request's arm: keeps others from it while it runs, and tells its end."""

    __slots__ = ("_gathering", "_keeping", "_of", "_review")
    hears = True

    def __init__(self, of: Arm | None, exchange: "Exchange", review: "Review") -> None:
        self._of = of
        self._review = review
        self._gathering: Gathering | None = None
        desk = exchange.plane.desk
        self._keeping: asyncio.Task[None] = desk.errand(desk.keep(review.id, review.holder))

    def listen(self, tail: StreamTail) -> StreamTail:
        """For a stream; of the last attempt alone."""
        if self._of is not None and self._of.hears:
            tail = self._of.listen(tail)
        self._gathering = gathering = Gathering()
        return HeardTail(tail, gathering.keep)

    def count(self, exchange: "Exchange", now_s: float) -> None:
        """It is over: who else waits for it gets the same; its caller does not attach again."""
        self._keeping.cancel()
        if self._of is not None:
            self._of.count(exchange, now_s)
        if not (exchange.committed and exchange.code == 200):
            return
        whole: bytes | None = exchange.end if exchange.said is not NO_ANSWER else None
        if self._gathering is not None:
            whole = self._gathering.whole()
        backend = exchange.track.of[1] if exchange.track is not None else None
        name = backend.name if backend is not None else ""
        if whole is None or why_not_shown(whole) is not None:
            exchange.plane.desk.delivered(self._review.id)
        else:
            answering = Answering(holder=self._review.holder, answer=whole.decode(), backend=name)
            exchange.plane.desk.answered(self._review.id, answering)
