"""The spans of a request: one of the router's own, and one for each attempt at a backend.

Guarantees that an attempt's span is the parent in the `traceparent` that its backend gets, that a
caller's choice to record or not is obeyed (a stranger's is not), and that no prompt and no answer
is in a span. A bug here is counted and logged, and ends no request. Sent by otlp/.

| caller's context | recorded                  | what the backend gets                      |
| sampled          | yes                       | the same trace, the attempt as its parent  |
| not sampled      | no                        | what came                                  |
| none, malformed  | a share of them, `sample` | a new trace if recorded, otherwise none    |
"""

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.events.schema import Request
from pointsman.router.policy.retry import Kind
from pointsman.router.serve.genai import OPERATIONS, Measures
from pointsman.router.serve.record import event_of
from pointsman.router.wire.stated import Stated, read_stated
from pointsman.router.wire.trace_context import SAMPLED, TraceContext, context_lines, read_context

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.place import Place
    from pointsman.router.serve.tracks import Track
    from pointsman.routing import CompiledPolicy
    from pointsman.routing.compiled import CompiledRoute

_log = logging.getLogger(__name__)
_NOTHING_STATED: Final = Stated("", "", "", "")
_OK: Final = "Ok"
_NO_ROOM: Final = (Kind.COLD, Kind.SATURATED, Kind.UNSCHEDULABLE)


class Call:
    """One attempt; `place` None: nothing was sent."""

    __slots__ = (
        "backend",
        "begun_s",
        "ended_s",
        "model",
        "outcome",
        "place",
        "provider",
        "span_id",
    )

    def __init__(self, track: "Track", place: "Place | None", span_id: int, begun_s: float) -> None:
        backend = track.of[1]
        assert backend is not None
        self.backend = backend.name
        self.model = backend.model
        self.provider = track.provider
        self.place = place
        self.span_id = span_id
        self.begun_s = self.ended_s = begun_s
        self.outcome = ""


class Trace:
    """What is known of a request's trace; the ids are 0 where it is not recorded."""

    __slots__ = ("calls", "context", "sampled", "span_id", "trace_id")

    def __init__(self, context: TraceContext, *, trace_id: int = 0, span_id: int = 0) -> None:
        self.context = context
        self.sampled = trace_id != 0
        self.trace_id = trace_id
        self.span_id = span_id
        self.calls: list[Call] = []


class Finished(msgspec.Struct, frozen=True):
    """A recorded request that is over; times of `trace` are of the clock of `received_s`."""

    trace: Trace
    received_s: float
    ended_s: float
    committed_s: float | None
    """When the first content of a stream went out."""
    wall_s: float
    """Unix time of `ended_s`."""
    operation: str
    decision: str
    status: int
    outcome: str
    attempts: int
    policy: str
    """That answers for `model`; empty: none does, and the next three are, too."""
    revision: str
    rule: str
    """Empty as well where no rule was reached."""
    model: str
    """What the caller asked for."""
    passed: tuple[tuple[str, str], ...]
    spilled: tuple[tuple[str, str], ...]
    """Of `passed`, who was left because there was no room."""
    event: Request | None
    """What is recorded of a routed request; None: it reached no rule."""
    review: str = ""
    """What its caller was told of its review; empty: there was none."""
    waited_s: float = 0.0
    """For a person."""

    @property
    def spans(self) -> int:
        """How many it is in all."""
        return 1 + len(self.trace.calls)


class Tracing:
    """Of one router. `sample`: the share of requests without a parent that is recorded, 0 to 1."""

    def __init__(
        self,
        put: Callable[[Finished], None],
        wall: Callable[[], float],
        *,
        sample: float,
        dice: Callable[[], float] = random.random,
        bits: Callable[[int], int] = random.getrandbits,
    ) -> None:
        self._put = put
        self._wall = wall
        self._sample = sample
        self._dice = dice
        self._bits = bits
        self.measures = Measures()
        self.failures = 0
        """Requests of which nothing is told because of a bug."""

    def calling(
        self, exchange: "Exchange", track: "Track", place: "Place"
    ) -> tuple[bytes, Call | None]:
        """Just before an attempt is sent: the header lines that go with it, and its call."""
        try:
            trace = exchange.trace or self._begin(exchange)
            call = self._called(exchange, trace, track, place)
            context = trace.context
            if not trace.sampled:
                return (
                    exchange.request.head.forwarded if context.trace_id else context.others,
                    call,
                )
            flags = context.flags | SAMPLED
            lines = context_lines(trace.trace_id, call.span_id, flags, context.state)
            return context.others + lines, call
        except Exception:  # noqa: BLE001 - the request goes on; counted and logged
            self._failed(exchange)
            return exchange.request.head.forwarded, None

    def not_sent(self, exchange: "Exchange", track: "Track", reason: str) -> None:
        """An attempt ended before anything was sent."""
        try:
            trace = exchange.trace or self._begin(exchange)
            self._called(exchange, trace, track, None).outcome = reason
        except Exception:  # noqa: BLE001 - as above
            self._failed(exchange)

    def ended(self, exchange: "Exchange", now_s: float) -> None:
        """A request is over."""
        try:
            trace = exchange.trace or self._begin(exchange)
            stated = _NOTHING_STATED
            if exchange.committed:
                stated = read_stated(exchange.said, exchange.opening, exchange.end)
            if trace.calls:
                self._measure(exchange, trace, stated, now_s)
            if trace.sampled:
                self._put(_finished(exchange, trace, stated, now_s, self._wall()))
        except Exception:  # noqa: BLE001 - as above
            self._failed(exchange)

    def _begin(self, exchange: "Exchange") -> Trace:
        head = exchange.request.head
        context = head.context
        if context is None:
            context = head.context = read_context(head.forwarded)
        if context.trace_id and exchange.code != 401:
            sampled = context.sampled
        else:  # a stranger could fill the queue
            sampled = self._dice() < self._sample
        if sampled:
            trace_id = context.trace_id or self._bits(128) or 1
            trace = Trace(context, trace_id=trace_id, span_id=self._bits(64) or 1)
        else:
            trace = Trace(context)
        exchange.trace = trace
        return trace

    def _called(
        self, exchange: "Exchange", trace: Trace, track: "Track", place: "Place | None"
    ) -> Call:
        span_id = (self._bits(64) or 1) if trace.sampled else 0
        call = Call(track, place, span_id, exchange.plane.clock())
        trace.calls.append(call)
        return call

    def _measure(self, exchange: "Exchange", trace: Trace, stated: Stated, now_s: float) -> None:
        measures, operation = self.measures, OPERATIONS[exchange.operation.name]
        last = trace.calls[-1]
        for call in trace.calls:
            if call.place is not None and (call is not last or not exchange.committed):
                key = (operation, call.provider, call.model, "")
                measures.duration.observe((*key, call.outcome), call.ended_s - call.begun_s)
        if not exchange.committed:
            return
        model = measures.named(last.model, stated.model) if stated.model else ""
        key = (operation, last.provider, last.model, model)
        error = error_of(last.outcome, exchange.code)
        measures.duration.observe((*key, error), last.ended_s - last.begun_s)
        usage = exchange.usage
        if usage is not None and not usage.estimated:
            measures.tokens.observe((*key, "input"), usage.prompt_tokens)
            if usage.completion_tokens:
                measures.tokens.observe((*key, "output"), usage.completion_tokens)
        if exchange.streamed and not error:
            first_s = exchange.committed_s - exchange.received_s
            measures.first_token.observe(key, first_s)
            if usage is not None and usage.completion_tokens > 1:
                after_s = now_s - exchange.committed_s
                measures.output_token.observe(key, after_s / (usage.completion_tokens - 1))

    def _failed(self, exchange: "Exchange") -> None:
        self.failures += 1
        _log.exception("request %s was not traced", exchange.decision_id.decode())


def error_of(outcome: str, status: int) -> str:
    """`error.type` of a call that was answered; empty if it is none."""
    if outcome != _OK:
        return outcome
    return str(status) if status >= 400 else ""


def _finished(
    exchange: "Exchange", trace: Trace, stated: Stated, now_s: float, wall_s: float
) -> Finished:
    # Set layer by layer: a request may be refused before any of them.
    policy: CompiledPolicy | None = getattr(exchange, "policy", None)
    taken: CompiledRoute | None = getattr(exchange, "taken", None)
    review = exchange.review
    waited_s = review.waited_s if review is not None else 0.0
    return Finished(
        trace,
        received_s=exchange.received_s - waited_s,
        ended_s=now_s,
        committed_s=exchange.committed_s if exchange.streamed else None,
        wall_s=wall_s,
        operation=exchange.operation.name,
        decision=exchange.decision_id.decode(),
        status=exchange.code,
        outcome=exchange.outcome,
        attempts=exchange.attempts,
        policy=policy.name if policy else "",
        revision=policy.revision if policy else "",
        rule=taken.route.name if taken else "",
        model=exchange.asked.model if policy else "",
        passed=exchange.passed,
        spilled=tuple([(b, f.reason) for b, f in exchange.failures if f.kind in _NO_ROOM]),
        event=event_of(exchange, stated, now_s, wall_s) if exchange.track else None,
        review=review.told.decode() if review is not None else "",
        waited_s=waited_s,
    )
