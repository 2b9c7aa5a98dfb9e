"""One routed request from its last byte to the answer's last byte: its state, deadlines and end.

| state       | deadline that may end it                          | how it ends                   |
| waiting     | the backend's hold time                           | the next candidate, or 503    |
| asking      | first token (a stream, or a fallback is left)     | the next candidate, or 504    |
| backing off | chain deadline (policy/retry.py)                  | the same backend again        |
| committed   | stream idle, not counted while the client is slow | error event, or a closed body |
| any         | total; the client has left                        | as above; the upstream is cut |
"""

import logging
from math import inf
from typing import TYPE_CHECKING, Final

from pointsman.analysis import Analysis
from pointsman.analysis.text import Text
from pointsman.api.predicting import Choice
from pointsman.api.statuses import CLIENT_GONE
from pointsman.api.table import Backend
from pointsman.router.callers import NOBODY, Caller
from pointsman.router.errors import Bug, Problem, Suspended, going_away
from pointsman.router.policy import retry
from pointsman.router.policy.retry import CUT, Fault, Kind
from pointsman.router.serve import attempt as attempts
from pointsman.router.serve import deadlines
from pointsman.router.serve import relay as relays
from pointsman.router.serve.arms import Arm
from pointsman.router.serve.budgets import Purse
from pointsman.router.serve.decision import decision_lines, send_head
from pointsman.router.serve.quotas import Ticket
from pointsman.router.serve.tracing import Trace
from pointsman.router.serve.tracks import Track
from pointsman.router.wire.openai import Asked
from pointsman.router.wire.operation import Operation
from pointsman.router.wire.problem import LAST_CHUNK, chunk, error_event, problem_answer
from pointsman.router.wire.received import Request
from pointsman.router.wire.shapes import NO_ANSWER, Answer
from pointsman.router.wire.usage import Usage
from pointsman.routing import CompiledPolicy, Decision, Skipped
from pointsman.routing.compiled import CompiledRoute

if TYPE_CHECKING:
    from pointsman.router.serve.client import Client
    from pointsman.router.serve.deadlines import Waits
    from pointsman.router.serve.plane import Plane
    from pointsman.router.serve.review.review import Review
    from pointsman.router.wire.spoken import Spoken

_log = logging.getLogger(__name__)
_STREAM_FRAMING: Final = b"transfer-encoding: chunked\r\ncache-control: no-cache\r\n"


class Exchange:
    """The layers of stack.py fill it in; see the module. `opening` and `end` are the answer's."""

    __slots__ = (
        "analysis", "arm", "asked", "attempt", "attempts", "baseline_nano", "caller", "candidates",
        "chain_s", "charges", "choice", "chunked", "client", "code", "committed", "committed_s",
        "conversation", "cost_nano", "data_rank", "debug", "decision_id", "done_by_s", "end",
        "failures", "first_by_s", "flat", "head_sent", "heard", "heard_s", "held_s", "images",
        "index", "let_by", "opening", "operation", "outcome", "over", "overhead_s", "paid_nano",
        "passed", "plane", "policy", "reading", "received_s", "request", "request_id", "retries",
        "retry_at_s", "review", "said", "skipped", "streamed", "taken", "ticket", "total_by_s",
        "trace", "track", "tried", "unread", "usage", "waiting",
    )  # fmt: skip
    asked: Asked
    policy: CompiledPolicy
    analysis: Analysis
    taken: CompiledRoute
    candidates: tuple[Backend, ...]
    skipped: tuple[Skipped, ...]
    outcome: str
    translated = False
    """True for another API's, whose answers `relay` and its like put into other words."""

    def __init__(
        self,
        plane: "Plane",
        client: "Client",
        request: Request,
        operation: Operation,
        now_s: float,
    ) -> None:
        self.plane = plane
        self.operation = operation
        self.client = client
        self.request = request
        self.received_s = self.heard_s = self.committed_s = now_s
        self.decision_id = plane.ids.next()
        self.request_id = request.head.request_id or self.decision_id
        self.caller: Caller = NOBODY
        self.ticket: Ticket | None = None
        self.charges: tuple[tuple[Purse, int], ...] = ()
        self.trace: Trace | None = None
        self.debug = request.head.debug
        self.unread = False  # the analysis of its text is left for the record
        self.images = self.committed = self.streamed = self.chunked = self.over = False
        self.flat = False  # its body has one array at most, so no message of it has parts
        self.head_sent = False
        """A status line was sent: before the commitment, of a stream that waits for long."""
        self.let_by = False
        """True for the attempt that a wait has ended with: it is its turn."""
        self.waiting: Waits | None = None
        self.review: Review | None = None  # what a person has to do with it
        self.held_s = self.overhead_s = 0.0
        self.track: Track | None = None
        self.arm: Arm | None = None  # of its policy's rollout
        self.conversation = b""  # what names it, once somebody asked
        self.attempt: attempts.Attempt | None = None
        self.attempts = self.retries = self.index = self.code = self.data_rank = 0
        self.cost_nano = self.baseline_nano = self.paid_nano = 0
        self.failures: list[tuple[str, Fault]] = []
        self.passed: tuple[tuple[str, str], ...] = ()  # (backend, reason) of who was left
        self.tried: tuple[tuple[str, int], ...] = ()
        self.usage: Usage | None = None
        self.said: Answer = NO_ANSWER
        self.opening = self.end = b""
        self.heard: Spoken | None = None  # of a stream whose text is kept
        self.reading: Text | None = None  # of the prompt, until it was chosen for
        self.choice: Choice | None = None  # of the policy's predictor
        self.chain_s = plane.limits.retry_deadline_s
        self.first_by_s = self.retry_at_s = self.total_by_s = self.done_by_s = inf

    def run(self) -> None:
        """Through the layers of arrival, up to the first attempt."""
        try:
            for layer in self.plane.arrival:
                layer(self)
        except Suspended:
            pass
        except Problem as problem:
            self.refuse(problem)
        except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
            self.bug(error)

    # What the layers ask and say.

    def route_taken(self, decision: Decision) -> None:
        """The decision; deadlines count from when the request came in."""
        self.taken = route = decision.route
        self.candidates = candidates = decision.candidates
        self.skipped = decision.skipped
        self.total_by_s = self.received_s + route.request_timeout_s
        if route.chain_s is not None:
            self.chain_s = route.chain_s
        if not candidates:
            self.track = self.plane.tracks.of(self.policy, self.taken, None)

    @property
    def candidate(self) -> Backend:
        """The backend that is tried now."""
        return self.candidates[self.index]

    @property
    def others_left(self) -> bool:
        """True if there are candidates after this one."""
        return self.index + 1 < len(self.candidates)

    def next_candidate(self) -> None:
        """Go on to the one after this."""
        self.index += 1
        self.retries = 0
        self.tried = ()

    def sending(self) -> None:
        """An attempt begins."""
        plane = self.plane
        now_s = plane.clock()
        if self.attempts == 1:
            if plane.budget < retry.BUDGET_MAX:
                plane.budget = retry.earn(plane.budget)
            self.overhead_s = now_s - self.received_s - self.held_s
        # Whoever waits for a whole answer waits for its last token: cutting it early is of use only
        # if another backend may answer instead.
        if self.asked.stream or (self.taken.on_timeout and self.index + 1 < len(self.candidates)):
            first_by_s = now_s + self.taken.first_token_timeout_s
        else:
            first_by_s = inf
        self.first_by_s = first_by_s
        total_by_s = self.total_by_s
        self.client.set_alarm(min(total_by_s, first_by_s))

    def wait(self, waiting: "Waits") -> None:
        """For a server of the candidate, or for a person."""
        self.waiting = waiting
        deadlines.arm(self, self.plane.clock())

    def let_go(self) -> None:
        """Its turn has come."""
        self.let_by = True
        try:
            attempts.start(self)
        except Exception as error:  # noqa: BLE001 - others wait behind it; logged and counted
            self.bug(error)
        finally:
            self.let_by = False

    def beat(self, what: bytes = b"a model server") -> None:
        """Bytes for what gives up on silent connections; the status line is out from here on."""
        if not self.head_sent:
            self.head_sent = self.chunked = True
            head = {b"content-type": relays.EVENT_STREAM}
            send_head(self, 200, head, _STREAM_FRAMING, b"")
        self.client.write(chunk(b": waiting for %b\n\n" % what))

    def succeeded_by(self, body: bytes) -> "Exchange":
        """Another one, that answers the same caller in its place; this one is silent from here."""
        head = self.request.head
        assert head.operation is not None, "it is routed"
        request = Request(head, body, self.request.verdict)
        further = type(self)(self.plane, self.client, request, head.operation, self.plane.clock())
        further.head_sent, further.chunked, further.trace = self.head_sent, self.chunked, self.trace
        self.over = True
        self.client.exchange = further
        return further

    def retry_in(self, delay_s: float) -> None:
        """Try the same candidate again."""
        if delay_s <= 0:
            attempts.start(self)
            return
        now_s = self.plane.clock()
        self.retry_at_s = now_s + delay_s
        deadlines.arm(self, now_s)

    # What the relay says.

    def commit(
        self, status: int, headers: dict[bytes, bytes], length: int | None, data: bytes
    ) -> None:
        """Send the head and the first bytes: from here on nobody else answers."""
        now_s = self.plane.clock()
        self.overhead_s += now_s - self.heard_s
        self.committed = True
        self.committed_s = now_s
        self.code = status
        client, chunked = self.client, False
        if self.head_sent:
            self._commit_begun(status, data)
            return
        self.head_sent = True
        if length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self.request.head.http11:
            self.chunked = chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            client.keep_alive = False
        if status == 200 and self.asked.stream:
            self.streamed = True
            framing += b"cache-control: no-cache\r\n"
        send_head(self, status, headers, framing, chunk(data) if chunked else data)
        if length != len(data):
            deadlines.arm(self, now_s)

    def _commit_begun(self, status: int, data: bytes) -> None:
        """Go on behind a head that was sent while the request waited."""
        if status == 200:
            self.streamed = True
            self.client.write(chunk(data))
            deadlines.arm(self, self.committed_s)
        else:
            why = f"The backend refused the request with status {status}."
            self.client.write(chunk(self.error_event(why, "backend_refused")))

    def relay(self, data: bytes) -> None:
        """Send more of the answer."""
        self.client.write(chunk(data) if self.chunked else data)

    def use(self, usage: Usage) -> None:
        """What the answer took."""
        self.usage = usage

    def may_end_soon(self) -> None:
        """`[DONE]` has been relayed; do not wait long for the end of the body."""
        now_s = self.plane.clock()
        self.done_by_s = now_s + self.plane.limits.done_grace_s
        deadlines.arm(self, now_s)

    def complete(self) -> None:
        """The answer has been relayed to its end."""
        if self.chunked:
            self.client.write(LAST_CHUNK)
        self.finish(attempts.OK)

    def told_broken(self, outcome: str) -> None:
        """The answer broke, and its backend has told the caller so to the end."""
        self.code = 502
        if self.chunked:
            self.client.write(LAST_CHUNK)
        self.finish(outcome)

    def break_off(self, fault: Fault, event: bytes = b"") -> None:
        """
        The answer broke after its beginning was sent, and the connection ends with it.

        `event` says so in a stream, whose body then ends in good form.
        """
        self.code = 502
        if event:
            self.client.write(chunk(event) + LAST_CHUNK if self.chunked else event)
        self.client.keep_alive = False
        if not event:
            self.client.abort()
        self.finish(fault.reason)

    def fail(self, fault: Fault) -> None:
        """This attempt gave no answer."""
        attempts.after(self, fault)

    def refuse(self, problem: Problem) -> None:
        """No answer of a model; the caller is told why."""
        self.code = problem.status
        if problem.close:
            self.client.keep_alive = False
        if self.head_sent:
            event = self.error_event(problem.message, problem.code or "upstream_error")
            self.client.write(chunk(event) + LAST_CHUNK)
        else:
            self.client.write(self.problem_answer(problem))
        self.finish("Refused")

    def error_event(self, message: str, code: str) -> bytes:
        """What ends a stream that has begun, in the caller's words."""
        return error_event(message, code)

    def problem_answer(self, problem: Problem) -> bytes:
        """A refusal in the caller's words."""
        more, keep_alive = decision_lines(self, {}), self.client.keep_alive
        return problem_answer(problem, more=more, keep_alive=keep_alive)

    def bug(self, error: Exception) -> None:
        """An error of this program: counted, logged, and told without details."""
        _log.error("request %s met a bug", self.decision_id.decode(), exc_info=error)
        self.plane.bug()
        if self.over:
            return
        if self.committed:
            self.break_off(Fault(Kind.ERROR, "InternalError"))
        else:
            self.refuse(Bug())

    # What the client's connection says.

    def cut_off(self) -> None:
        """The router ends before the answer did."""
        if self.committed and self.attempt is not None:
            detail = "the router was shut down"
            self.attempt.failed(Fault(Kind.ERROR, CUT, detail, retryable=False))
        else:
            self.refuse(going_away())

    def client_gone(self) -> None:
        """Nobody waits for the answer."""
        self.code = CLIENT_GONE
        if self.committed and self.attempt is not None:
            self.attempt.left()
        self.finish("ClientGone")

    def pause(self) -> None:
        """The client does not read: neither do we."""
        if self.attempt is not None and self.attempt.connection is not None:
            self.attempt.connection.pause()

    def resume(self) -> None:
        """The client reads again."""
        if self.attempt is not None and self.attempt.connection is not None:
            self.heard_s = self.plane.clock()
            self.attempt.connection.resume()

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""
        deadlines.ring(self, now_s)

    def finish(self, outcome: str) -> None:
        """It is over, if it was not."""
        if self.over:
            return
        self.over, self.outcome = True, outcome
        if self.waiting is not None:
            self.waiting.end(outcome)
        attempt = self.attempt
        if attempt is not None:
            self.attempt = None
            if attempt.answered:
                attempt.end(outcome)
            else:
                attempt.cut(outcome)
        self.plane.ended(self)
        self.client.answered()
