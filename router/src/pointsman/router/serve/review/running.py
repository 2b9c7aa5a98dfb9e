"""An approved request whose caller polls: run by whichever router is asked, kept by the ledger.

Guarantees that no two routers run it at once (the ledger lends it for 60 s, renewed while it runs),
that it goes on although its poll has left, and that it is decided by the table of now: by the rule
that was approved, for the class of data that it had.
"""

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from pointsman.events.reviews import Answering, Decided, Taken
from pointsman.router.errors import UpstreamBroken
from pointsman.router.serve.pinned import Asking
from pointsman.router.serve.review import telling
from pointsman.router.serve.review.approved import ApprovedExchange
from pointsman.router.serve.review.ledger import Away, Barred
from pointsman.router.serve.review.opening import Context
from pointsman.router.serve.review.review import TIMED_OUT, Review, told_of
from pointsman.router.wire.operation import OPERATIONS
from pointsman.router.wire.received import Head, Request
from pointsman.router.wire.restreamed import unstreamed
from pointsman.routing.review import Need

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane

_AGAIN_S: Final = 0.5
_NEED: Final = Need("Hold", "Request", "Normal", "Rule", "")


class Ran(NamedTuple):
    """What came of it; 200 is with the ledger."""

    status: int
    body: bytes
    retry_line: bytes


async def run(plane: "DataPlane", poll: Request, found: Decided, for_s: float) -> Ran | None:
    """
    What came of it, if that is known within `for_s`; None: not yet, or another router has it.

    Raises Away, and Problem for one that timed out and nobody may answer.
    """
    desk = plane.desk
    running = desk.runs.get(found.id)
    if running is None:
        try:
            taken = await desk.ledger.take(found.id, desk.holder)
        except Barred:
            if found.state == "TimedOut":
                raise telling.timed_out() from None
            return None
        if taken is None:  # another router runs it
            return None
        running = desk.runs.get(found.id)
        if running is None:  # nobody else began meanwhile
            running = asyncio.get_running_loop().create_task(_run(plane, poll, found, taken))
            desk.run(found.id, running)
    await asyncio.wait({running}, timeout=max(for_s, _AGAIN_S))
    return running.result() if running.done() and not running.cancelled() else None


async def _run(plane: "DataPlane", poll: Request, found: Decided, taken: Taken) -> Ran:
    desk = plane.desk
    context = msgspec.json.decode(taken.context, type=Context)
    body = unstreamed(taken.request.encode())
    # HTTP/1.0 has no chunks: what follows the head is the body, up to the end.
    kept = [pair for pair in poll.head.headers if pair[0] in (b"authorization", b"x-api-key")]
    head = Head(b"POST", context.path.encode(), kept, keep_alive=False, http11=False)
    head.data_class = context.data_class or None
    client = Asking(plane)
    operation = OPERATIONS[context.path.encode()]
    request = Request(head, body, poll.verdict)
    exchange = ApprovedExchange(plane, client, request, operation, plane.clock())
    exchange.review = review = Review(_NEED, found.id)
    review.told, review.rule = told_of(found), context.rule
    review.falls_back = found.state == "TimedOut"
    if review.falls_back:
        review.told = TIMED_OUT
    keeping = asyncio.get_running_loop().create_task(desk.keep(found.id, desk.holder))
    try:
        await client.wait_for(exchange)
    finally:
        keeping.cancel()
    answered = client.answer()
    if answered.status == 200:
        if (why := telling.why_not_shown(answered.body)) is not None:
            message = f"The approved request was answered, but {why.detail}."
            raise UpstreamBroken(502, message, code="review_untellable")
        backend = answered.headers.get("x-pointsman-backend", "")
        answering = Answering(holder=desk.holder, answer=answered.body.decode(), backend=backend)
        while True:
            try:
                await desk.ledger.answer(found.id, answering)
            except Away:
                await asyncio.sleep(_AGAIN_S)
            else:
                break
    retry = answered.headers.get("retry-after", "")
    return Ran(
        answered.status, answered.body, b"retry-after: %b\r\n" % retry.encode() if retry else b""
    )
