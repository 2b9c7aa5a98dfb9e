"""POST /v1/feedback: what a caller says about an answer that it got.

| who knows the answer               | what the caller gets                                    |
| this router, or the ledger         | 200, or 404 for an answer that is not this caller's     |
| nobody can tell: the ledger is away | 202: kept, and bound to the answer once the ledger has it |
| whoever                            | 429 for more than policy/feedback.py lets a caller give   |

Guarantees an answer within ASK_S, and that feedback about another caller's answer is never told
from feedback about one that does not exist.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from pointsman.events.schema import Feedback, encode
from pointsman.router.errors import BadRequest, Problem, RateLimited, going_away
from pointsman.router.serve.authenticate import caller_of
from pointsman.router.wire import problem
from pointsman.router.wire.feedback import read_feedback
from pointsman.router.wire.received import Request

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.listener import ClientConnection

_log = logging.getLogger(__name__)
PATH: Final = b"/v1/feedback"
ASK_S: Final = 2.0
_encode = msgspec.json.Encoder().encode


class Ledger(Protocol):
    """What the data plane needs to know of it."""

    def put(self, event: bytes) -> None:
        """Keep an encoded event."""

    def needs(self, schema: int) -> None:
        """Events that are put from now on are of this version."""

    async def answered(self, feedback: Feedback) -> bool | None:
        """True if its caller got the answer that is meant; None if nobody can tell now."""


class FeedbackExchange:
    """One of them, in work on a connection like an Exchange."""

    head_sent = False
    """It never begins an answer that it does not end."""

    def __init__(self, plane: "DataPlane", client: "ClientConnection", request: Request) -> None:
        self.request = request
        self._plane = plane
        self._client = client
        self._over = False
        self._feedback: Feedback | None = None
        self._asking: asyncio.Task[bool | None] | None = None

    def run(self) -> None:
        """Read it, and find out whose answer it is about."""
        plane = self._plane
        try:
            caller = caller_of(plane, self.request)
            if plane.ledger is None:
                raise BadRequest(
                    "This router records no answers, so it takes no feedback.",
                    status=404,
                    code="not_recorded",
                )
            self._feedback = feedback = read_feedback(
                self.request.body,
                id=plane.next_id().decode(),
                at_ms=int(plane.wall() * 1000),
                caller=caller.name,
            )
            size = len(self.request.body)
            wait_s = plane.allowances.wait_s(caller.name, size, plane.clock())
            if wait_s:
                message = "This is more feedback than a caller may give at once."
                raise RateLimited(message, retry_after_s=wait_s)
        except Problem as found:
            self._refuse(found)
            return
        self._client.set_alarm(plane.clock() + ASK_S)
        self._asking = asyncio.get_running_loop().create_task(plane.ledger.answered(feedback))
        self._asking.add_done_callback(self._told)

    def _told(self, asking: asyncio.Task[bool | None]) -> None:
        if self._over:
            return
        error = None if asking.cancelled() else asking.exception()
        if error is not None:
            _log.error("feedback met a bug", exc_info=error)
            self._plane.bug()
        known = None if asking.cancelled() or error is not None else asking.result()
        if known is False:
            self._refuse(
                BadRequest(
                    "No answer with this id is known, or the API key is not the one that got it.",
                    status=404,
                    code="decision_not_found",
                    param="decision_id" if self._feedback and self._feedback.decision else None,
                )
            )
        else:
            self._keep(200 if known else 202)

    def _keep(self, status: int) -> None:
        plane, feedback = self._plane, self._feedback
        assert plane.ledger is not None
        assert feedback is not None
        plane.ledger.put(encode(feedback))
        told = {
            "id": feedback.id,
            "object": "feedback",
            "status": "accepted" if status == 200 else "pending",
        }
        self._end(status, _encode(told))

    def _refuse(self, found: Problem) -> None:
        if found.close:
            self._client.keep_alive = False
        answer = problem.problem_answer(
            found, more=self._id_line(), keep_alive=self._client.keep_alive
        )
        self._finish(found.status, answer)

    def _end(self, status: int, body: bytes) -> None:
        keep_alive = self._client.keep_alive
        answer = problem.answer(status, body, more=self._id_line(), keep_alive=keep_alive)
        self._finish(status, answer)

    def _id_line(self) -> bytes:
        given = self.request.head.request_id
        return b"x-request-id: %b\r\n" % (given or self._plane.next_id())

    def _finish(self, status: int, answer: bytes) -> None:
        if self._over:
            return
        self._over = True
        if self._asking is not None:
            self._asking.cancel()
        self._plane.metrics.unrouted.answered(status)
        if answer:
            self._client.write(answer)
        self._plane.finished()
        self._client.answered()

    # What the client's connection says.

    def ring(self, now_s: float) -> None:  # noqa: ARG002 - an Exchange has several deadlines
        """The ledger does not answer in time: it will say later whose answer it was."""
        if self._feedback is not None:
            self._keep(202)

    def cut_off(self) -> None:
        """The router ends."""
        self._refuse(going_away())

    def client_gone(self) -> None:
        """It is kept if that was decided; else the caller does not know that it was heard."""
        self._finish(499, b"")

    def pause(self) -> None:
        """Nothing is sent but one small answer."""

    def resume(self) -> None:
        """See pause."""
