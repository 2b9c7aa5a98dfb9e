"""A request that waits for a person on its caller's connection: the request, or a model's answer.

Guarantees that it ends by its deadline, that each way out is the policy's or a person's, and that
the same request again, at whatever router, gets what was decided instead of a second review.

| state    | what it waits for                        | what follows                               |
| looking  | whether the ledger has its review (stage | a model is asked; or attached to that one  |
|          | Answer: before money is spent)           |                                            |
| opening  | that the ledger has committed it         | deciding; away: what onTimeout says        |
| deciding | a person; `Prefer: respond-async`: its   | answered, refused, another backend; 202    |
|          | own wait                                 |                                            |
| ending   | how it really was at its deadline        | the same                                   |
| taking   | that nobody else runs what was approved  | a model is asked                           |
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import inf
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, cast

from pointsman.events.reviews import MAX_TEXT_BYTES, Decided, Opened, Taken
from pointsman.router.errors import (
    BadRequest,
    Problem,
    RateLimited,
    Refused,
    Suspended,
    going_away,
)
from pointsman.router.serve import quotas
from pointsman.router.serve.attempt import OK
from pointsman.router.serve.review import going_on, telling
from pointsman.router.serve.review.ledger import Away, Barred, Full
from pointsman.router.serve.review.opening import opening_of
from pointsman.router.serve.review.review import TIMED_OUT, UNAVAILABLE, Review, told_of
from pointsman.router.serve.review.seen import request_hash
from pointsman.router.wire.preference import Preference, preferred
from pointsman.router.wire.received import Request
from pointsman.router.wire.restreamed import unstreamed, wants_usage
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.routing.review import Need

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.translated import TranslatedExchange

_log = logging.getLogger(__name__)
GRACE_S: Final = 1.0
"""After a deadline, by which the ledger counts: its own word comes first."""
_LOST_S: Final = 5.0
"""How long the ledger is asked how it was, before the deadline counts as it is here."""
_AGAIN_S: Final = 1.0
_PROCESSING: Final = b"HTTP/1.1 102 Processing\r\n\r\n"
T = TypeVar("T")


class Held(Review):
    """See the module; an exchange waits for it as for a server."""

    __slots__ = (
        "_async_at_s", "_beat_at_s", "_by_s", "_doing", "_ends_by_s", "_exchange", "_hash",
        "_last_by_s", "_prefers", "_request", "_since_s", "_streams", "_usage", "bytes", "caller",
        "policy",
    )  # fmt: skip

    def __init__(self, exchange: "Exchange", need: Need, review: str) -> None:
        super().__init__(need, review)
        self._exchange = exchange
        self._hash = request_hash(exchange, exchange.request.body)
        self._request = exchange.request
        self._streams = exchange.asked.stream
        self._usage = self._streams and (exchange.translated or wants_usage(exchange.request.body))
        """Its stream ends with what it took."""
        self._prefers = Preference()
        if not exchange.translated:  # a poll would have to be told in another API's words
            self._prefers = preferred(exchange.request.head.headers)
        self._doing: asyncio.Task[None] | None = None
        self._since_s = exchange.plane.clock()
        self._by_s = self._ends_by_s = self._async_at_s = self._beat_at_s = self._last_by_s = inf
        self.policy, self.caller, self.bytes = exchange.policy.name, exchange.caller.name, 0

    # What the layers and the relay say.

    def hold(self) -> NoReturn:
        """Raises Suspended, or Problem for what cannot be held."""
        exchange, body = self._exchange, self._exchange.request.body
        if len(body) > MAX_TEXT_BYTES:
            message = f"A person has to see the request: at most {MAX_TEXT_BYTES:,} bytes."
            raise BadRequest(message, status=413, code="review_too_large")
        try:
            body.decode()
        except UnicodeDecodeError:
            raise BadRequest("The body is not UTF-8.") from None
        exchange.plane.desk.admit(self, len(body))
        exchange.review = self
        self._wait()
        if self.need.stage == "Answer":
            self._do(self._look(), self._looked)
        else:
            self._do(self._open(b""), self._opened)
        raise Suspended

    def answered(self, exchange: "Exchange", body: bytes) -> None:
        """A whole good answer came, which is held."""
        if (why := telling.why_not_shown(body)) is not None:
            exchange.usage, exchange.said, exchange.end = None, NO_ANSWER, b""  # nobody gets it
            exchange.fail(why)
            return
        if exchange.translated:
            usage = exchange.usage
            assert usage is not None, "estimated, if it was not stated"
            if cast("TranslatedExchange", exchange).told(body, usage) is None:
                return  # the next candidate has it
        try:
            exchange.plane.desk.admit(self, len(exchange.request.body) + len(body))
        except Refused as refused:
            exchange.refuse(refused)
            return
        attempt, exchange.attempt = exchange.attempt, None
        if attempt is not None:
            attempt.end(OK)
        quotas.settle(exchange)  # a caller's own limits do not count what only waits
        self.holds_answer = False
        self._since_s = exchange.plane.clock()
        self._wait()
        self._do(self._open(body), self._opened)

    # What an exchange asks of who it waits for.

    @property
    def at_s(self) -> float:
        """The next deadline."""
        return min(self._by_s, self._async_at_s, self._beat_at_s)

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""
        if now_s >= self._by_s:
            self._by_s, self._async_at_s = inf, inf
            self._ends_by_s = min(self._ends_by_s, now_s + _LOST_S)
            self._unwatch()
            self._do(self._end_it(), self._decided)
        elif now_s >= self._async_at_s:
            self._async_at_s = inf
            self._answer_later()
        elif now_s >= self._beat_at_s:
            self._beat_at_s = now_s + self._exchange.plane.limits.hold_heartbeat_s
            self._beat()

    def end(self, outcome: str) -> None:
        """The exchange is over, whoever ended it."""
        self._stop({"ClientGone": "Left", "Refused": "Cut"}.get(outcome, outcome))

    def cut_off(self) -> None:
        """The router ends: the same request attaches to the review at another one."""
        self._exchange.refuse(going_away())

    # On the way.

    def _wait(self) -> None:
        exchange, now_s = self._exchange, self._exchange.plane.clock()
        exchange.total_by_s = inf  # its own deadlines count what a model does
        if exchange.request.head.http11:
            self._beat_at_s = now_s + exchange.plane.limits.hold_heartbeat_s
        exchange.wait(self)

    def _stop(self, outcome: str) -> None:
        """It waits no longer; what it waited is no time of its request."""
        exchange = self._exchange
        if self._doing is not None:
            self._doing.cancel()
            self._doing = None
        self._unwatch()
        exchange.plane.desk.leave(self)
        if exchange.waiting is self:
            exchange.waiting = None
            waited_s = exchange.plane.clock() - self._since_s
            exchange.received_s += waited_s
            self.waited_s += waited_s
            exchange.heard_s = exchange.plane.clock()
            if outcome:
                exchange.plane.desk.count(self.policy, "Hold", outcome, waited_s)

    def _unwatch(self) -> None:
        self._exchange.plane.desk.unwatch(self.id, self._decided)

    def _do(self, doing: Coroutine[None, None, T], then: Callable[[T], None]) -> None:
        """One thing at a time; what comes of it is told on the loop, unless it has stopped."""

        async def run() -> None:
            try:
                found = await doing
            except Away as away:
                self._doing, why = None, str(away)
                self._guarded(lambda: self._away(why))
            except Full as full:
                self._doing = None
                message = f"As many requests of {self.policy} wait for a person as may."
                self._refuse(RateLimited(message, retry_after_s=full.retry_after_s), "Full")
            except Exception as error:  # noqa: BLE001 - the request would wait in vain
                self._doing = None
                self._exchange.bug(error)
            else:
                self._doing = None
                self._guarded(lambda: then(found))

        if self._doing is not None:
            self._doing.cancel()
        self._doing = self._exchange.plane.desk.errand(run())

    def _guarded(self, then: Callable[[], None]) -> None:
        try:
            then()
        except Problem as problem:
            self._refuse(problem, "Refused")
        except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
            self._exchange.bug(error)

    def _beat(self) -> None:
        exchange = self._exchange
        if self._streams and not self._prefers.asynchronous:
            exchange.beat(b"a person")
        elif not exchange.head_sent:
            exchange.client.write(_PROCESSING)

    async def _look(self) -> Opened | None:
        exchange, desk = self._exchange, self._exchange.plane.desk
        names = exchange.caller.name, exchange.policy.name
        found = await desk.ledger.find(*names, self._hash)
        if found is not None and await desk.told(found.review):  # asked again at once
            found = await desk.ledger.find(*names, self._hash)
        return found

    def _looked(self, opened: Opened | None) -> None:
        exchange = self._exchange
        if opened is not None:
            self._opened(opened)
            return
        self._stop("")
        self.holds_answer = True
        now_s = exchange.plane.clock()
        exchange.total_by_s = now_s + exchange.taken.route.request_timeout_s
        if self._streams:  # a person is shown all of it, and then it can be streamed as well
            request = exchange.request
            body = unstreamed(request.body)
            exchange.request = Request(request.head, body, request.verdict)
            exchange.asked.stream = False
        going_on.resume(exchange)

    async def _open(self, answer: bytes) -> Opened:
        opening = opening_of(
            self._exchange,
            self.need,
            request=self._request.body,
            answer=answer,
            stream=self._streams,
            asynchronous=self._prefers.asynchronous,
        )
        desk, clock = self._exchange.plane.desk, self._exchange.plane.clock
        by_s = clock() + (_LOST_S if answer else 0.0)
        while True:
            try:
                opened = await desk.ledger.open(opening)
                break
            except Away:  # a model was paid for the answer: a ledger that starts again has it
                if clock() >= by_s:
                    raise
                await asyncio.sleep(_AGAIN_S / 4)
        if await desk.told(opened.review):  # asked again at once
            opened = await desk.ledger.open(opening)
        return opened

    def _opened(self, opened: Opened) -> None:
        exchange = self._exchange
        plane, now_s = exchange.plane, exchange.plane.clock()
        self.id, self.opened = opened.review, True
        assert exchange.policy.review is not None
        within_s = exchange.policy.review.asks.deadline_s  # whatever the ledger's clock says
        left_s = min(max(opened.deadline_ms / 1000 - plane.wall(), 0.0), within_s)
        self._by_s = now_s + left_s + GRACE_S
        self._last_by_s = now_s + within_s + GRACE_S
        if self._prefers.asynchronous:
            wait_s = self._prefers.wait_s or 0.0
            if opened.state != "Pending":  # it is told at once
                wait_s = max(wait_s, GRACE_S)
            self._async_at_s = now_s + wait_s
            if self._async_at_s <= now_s:
                self._answer_later()
                return
        plane.desk.watch(self.id, self._decided)
        exchange.wait(self)

    async def _end_it(self) -> Decided | None:
        desk = self._exchange.plane.desk
        while True:
            try:
                return await desk.ledger.end(self.id)
            except Away:
                if self._exchange.plane.clock() >= self._ends_by_s:
                    return None
                await asyncio.sleep(_AGAIN_S / 4)

    def _decided(self, decided: Decided | None) -> None:
        """How it ended; None: nobody can tell, and the deadline counts."""
        self._guarded(lambda: self._follow(decided))

    def _follow(self, decided: Decided | None) -> None:
        exchange = self._exchange
        state = "TimedOut" if decided is None else decided.state
        if decided is not None and decided.answer:
            self.told = TIMED_OUT if state == "TimedOut" else told_of(decided)
            self._deliver(decided.answer, state, decided.backend)
        elif decided is not None and state in ("Approved", "Edited"):
            self.told = told_of(decided)
            self._do(self._take(), self._taken)
        elif state == "Pending" and exchange.plane.clock() < self._last_by_s + _LOST_S:
            self._by_s, self._ends_by_s = exchange.plane.clock() + _LOST_S, inf  # its clock counts
            exchange.plane.desk.watch(self.id, self._decided)
            exchange.wait(self)
        elif state in ("TimedOut", "Pending"):
            self._time_out()
        else:
            assert decided is not None
            self._refuse(telling.refusal(decided), state)
            exchange.plane.desk.delivered(self.id)

    def _deliver(self, answer: str, outcome: str, by: str) -> None:
        """What a person let through, in the form that its caller asked for."""
        exchange, desk = self._exchange, self._exchange.plane.desk
        self._stop(outcome)
        if exchange.track is None:
            backend = exchange.policy.backends.get(by)
            exchange.track = exchange.plane.tracks.of(exchange.policy, exchange.taken, backend)
        telling.tell(exchange, answer.encode(), stream=self._streams, usage=self._usage)
        desk.delivered(self.id)

    async def _take(self) -> Taken | Decided | None:
        """Of an approved request; while another runs it, there may soon be an answer."""
        desk, may = self._exchange.plane.desk, True
        while may:
            try:
                if (taken := await desk.ledger.take(self.id, self.holder)) is not None:
                    return taken
            except Barred:  # it was answered, or forgotten
                may = False
            found = await desk.ledger.read(self.id, self._exchange.caller.name)
            if found is not None and found.answer:
                return found
            await asyncio.sleep(_AGAIN_S)
        return None

    def _taken(self, taken: Taken | Decided | None) -> None:
        if taken is None:
            self._time_out()
        elif isinstance(taken, Decided):
            self._deliver(taken.answer, taken.state, taken.backend)
        else:
            self._stop(self.told.decode().capitalize())
            going_on.approved(self._exchange, self, taken.request.encode())

    def _answer_later(self) -> None:
        """202: its caller polls."""
        exchange = self._exchange
        left_s = max(self._by_s - GRACE_S - exchange.plane.clock(), 0.0)
        self._stop("Polled")
        deadline_s = exchange.plane.wall() + left_s
        if exchange.track is None:
            exchange.track = exchange.plane.tracks.of(exchange.policy, exchange.taken, None)
        telling.pending(exchange, self.id, deadline_s)

    # What the policy says.

    def _away(self, why: str) -> None:
        _log.warning("review-unavailable", extra={"reason": why})
        if self._fall_back(UNAVAILABLE, "Unavailable"):
            return
        self._refuse(telling.unavailable(), "Unavailable")

    def _time_out(self) -> None:
        if not self._fall_back(TIMED_OUT, "TimedOut"):
            self._refuse(telling.timed_out(), "TimedOut")
            self._exchange.plane.desk.delivered(self.id)

    def _fall_back(self, told: bytes, outcome: str) -> bool:
        """False if the policy has nobody who answers without a person."""
        compiled = self._exchange.policy.review
        if compiled is None or compiled.fallback is None:
            return False
        self._stop(outcome)
        self.told, self.fallback = told, compiled.fallback
        going_on.fall_back(self._exchange, self, self._request.body)
        return True

    def _refuse(self, problem: Problem, outcome: str) -> None:
        exchange = self._exchange
        self._stop(outcome)
        if exchange.track is None and hasattr(exchange, "taken"):
            exchange.track = exchange.plane.tracks.of(exchange.policy, exchange.taken, None)
        exchange.refuse(problem)
