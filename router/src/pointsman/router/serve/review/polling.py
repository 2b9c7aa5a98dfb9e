"""GET /v1/reviews/ID: what became of a request whose caller did not wait for the person.

| state                               | what the caller gets                              |
| pending                             | 202 with Retry-After                              |
| approved, edited                    | 200 with the answer, the same each time           |
| the same of a request that no model | 202: this router runs it, unless another one does |
| has seen; timed out with a fallback |                                                   |
| rejected, timed out, withdrawn      | 403                                               |
| another caller's, or none           | 404                                               |

Guarantees an answer within what `Prefer: wait` asks for (60 s at most) and a little more.
"""

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from pointsman.events.reviews import Decided
from pointsman.router.errors import BadRequest, Bug, Problem, Refused, Rejected, going_away
from pointsman.router.serve.authenticate import caller_of
from pointsman.router.serve.review import telling
from pointsman.router.serve.review.ledger import Away
from pointsman.router.serve.review.review import TIMED_OUT, told_of
from pointsman.router.serve.review.running import run
from pointsman.router.wire import problem
from pointsman.router.wire.preference import preferred
from pointsman.router.wire.received import Request

if TYPE_CHECKING:
    from pointsman.router.callers import Caller
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.listener import ClientConnection

_log = logging.getLogger(__name__)
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LOOK_S: Final = 1.0
"""Between two looks at one that another router runs."""
_HOLDS: Final = ("Approved", "Edited", "TimedOut")


class PollExchange:
    """One of them, in work on a connection like an Exchange."""

    head_sent = False
    """It never begins an answer that it does not end."""

    def __init__(self, plane: "DataPlane", client: "ClientConnection", request: Request) -> None:
        self.request = request
        self.policy, self.bytes = "", 0
        self._plane = plane
        self._client = client
        self._over = False
        self._looking: asyncio.Task[None] | None = None
        self._review = request.head.target.partition(b"?")[0][len(telling.PATH) :].decode("latin-1")

    def run(self) -> None:
        """Whose it is, and how it stands."""
        plane = self._plane
        try:
            caller = caller_of(plane, self.request)
            if self.request.head.method != b"GET":
                method = self.request.head.method.decode("latin-1")
                raise BadRequest(
                    f"A review takes GET, not {method}.",
                    status=405,
                    code="method_not_allowed",
                    allow="GET",
                )
            if not _ID.fullmatch(self._review):
                raise _not_found()
            plane.desk.admit(self, 0)
        except Problem as found:
            self._refuse(found)
            return
        self._looking = plane.desk.errand(self._guarded(caller))

    async def _guarded(self, caller: "Caller") -> None:
        try:
            await self._look(caller)
        except Exception as error:  # noqa: BLE001 - the caller would wait in vain
            self._plane.metrics.internal_errors += 1
            _log.error("review %s met a bug", self._review, exc_info=error)
            self._refuse(Bug())

    async def _look(self, caller: "Caller") -> None:
        desk, clock = self._plane.desk, self._plane.clock
        by_s = clock() + (preferred(self.request.head.headers).wait_s or 0.0)
        try:
            while True:
                found = await desk.ledger.read(self._review, caller.name)
                if found is None:
                    raise _not_found()
                if self._tell(found):
                    return
                left_s = by_s - clock()
                if found.state == "Pending":
                    if left_s <= 0:
                        break
                    await self._ended(left_s)
                    continue
                ran = await run(self._plane, self.request, found, left_s)
                if ran is None:  # it runs, here or elsewhere
                    if left_s <= 0:
                        break
                    await asyncio.sleep(min(_LOOK_S, left_s))
                elif ran.status != 200:
                    self._finish(ran.status, self._answer(ran.status, ran.body, ran.retry_line))
                    return
        except Away:
            message = "What keeps reviews does not answer."
            self._refuse(Refused(message, code="review_unavailable", retry_after_s=5))
            return
        except Problem as refused:
            if isinstance(refused, Rejected):
                desk.delivered(self._review)
            self._refuse(refused)
            return
        deadline_s = found.deadline_ms / 1000
        body = telling.pending_body(self._review, deadline_s)
        self._finish(202, self._answer(202, body, telling.pending_lines()))

    def _tell(self, found: Decided) -> bool:
        """False while there is nothing to tell."""
        if found.state in _HOLDS and found.answer:
            told = TIMED_OUT if found.state == "TimedOut" else told_of(found)
            more = b"x-pointsman-review: %b\r\n" % told
            body = found.answer.encode()
            if self._finish(200, self._answer(200, body, more)):
                self._plane.desk.delivered(self._review)
            return True
        if found.state in ("Rejected", "Withdrawn"):
            raise telling.refusal(found)
        return False

    async def _ended(self, for_s: float) -> None:
        """Until it has, or the time is over."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def heard(_: Decided) -> None:
            if not ended.done():
                ended.set_result(None)

        desk = self._plane.desk
        desk.watch(self._review, heard)
        try:
            await asyncio.wait({ended}, timeout=for_s)
        finally:
            desk.unwatch(self._review, heard)

    def _answer(self, status: int, body: bytes, more: bytes) -> bytes:
        more += self._id_line() + b"x-pointsman-review-id: %b\r\n" % self._review.encode()
        return problem.answer(status, body, more=more, keep_alive=self._client.keep_alive)

    def _refuse(self, found: Problem) -> None:
        if found.close:
            self._client.keep_alive = False
        answer = problem.problem_answer(
            found,
            more=self._id_line(),
            keep_alive=self._client.keep_alive,
            without_body=self.request.head.method == b"HEAD",
        )
        self._finish(found.status, answer)

    def _id_line(self) -> bytes:
        given = self.request.head.request_id
        return b"x-request-id: %b\r\n" % (given or self._plane.next_id())

    def _finish(self, status: int, answer: bytes) -> bool:
        """False if it was over before."""
        if self._over:
            return False
        self._over = True
        self._plane.desk.leave(self)
        self._plane.metrics.unrouted.answered(status)
        if answer:
            self._client.write(answer)
        self._plane.finished()
        self._client.answered()
        return True

    # What the client's connection says.

    def ring(self, now_s: float) -> None:
        """Its own waits have their ends."""

    def cut_off(self) -> None:
        """The router ends."""
        self._leave()
        self._refuse(going_away())

    def client_gone(self) -> None:
        """What runs goes on: the next poll has it."""
        self._leave()
        self._finish(499, b"")

    def _leave(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def pause(self) -> None:
        """Nothing is sent but one answer."""

    def resume(self) -> None:
        """See pause."""


def _not_found() -> BadRequest:
    message = "No review with this id is known, or the API key is not the one that it is of."
    return BadRequest(message, status=404, code="review_not_found")
