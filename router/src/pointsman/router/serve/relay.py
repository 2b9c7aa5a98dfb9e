"""How an answer gets from a backend to the client.

| status, and what was asked for | relay   | committed: nothing else may answer any more           |
| 200, a stream                  | Stream  | with the first content; then an error event ends it   |
| 200, not a stream              | Whole   | when complete, or at once for a body over a bound     |
| 4xx that is about the request  | Refusal | when complete                                         |
| 200, "this does not fit"       | -       | at once: a 400 about the request                      |
| anything else                  | -       | never: a Fault; the next candidate, a retry, or 502   |
"""

from typing import TYPE_CHECKING, Final, cast

from pointsman.api.statuses import label_of
from pointsman.events.reviews import MAX_TEXT_BYTES
from pointsman.router.errors import GOING_AWAY
from pointsman.router.policy.provider_limits import retry_after_s
from pointsman.router.policy.retry import (
    CREDENTIAL_STATUSES,
    CUT,
    RETRYABLE_STATUSES,
    Fault,
    Kind,
)
from pointsman.router.serve.arrival import read_late
from pointsman.router.serve.capture import tail_of
from pointsman.router.wire.choices import choices
from pointsman.router.wire.openai import (
    USAGE_BYTES,
    read_answer,
    read_stream_usage,
    read_usage_at,
)
from pointsman.router.wire.refusal import in_openais_shape, says_too_long
from pointsman.router.wire.response import ResponseReader
from pointsman.router.wire.sse import (
    BLANK_LINES,
    Opening,
    StreamOpening,
    StreamTail,
    WholeEvents,
    ends_in_error,
)
from pointsman.router.wire.stated import finish_of
from pointsman.router.wire.usage import Usage

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.translated import TranslatedExchange

_CHARS_A_TOKEN: Final = 4
EVENT_STREAM: Final = b"text/event-stream"


class Relay:
    """Takes the body's bytes; `finished`, `lost` or `left` is called once, last."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """More of the body."""
        raise NotImplementedError

    def feed_chunk(self, framed: bytes, content: bytes) -> None:  # noqa: ARG002 - for streams
        """More of the body, which came as the chunk `framed`."""
        self.feed(content)

    def finished(self) -> None:
        """The body is complete."""
        raise NotImplementedError

    def lost(self, fault: Fault) -> None:
        """The body will not be complete."""
        raise NotImplementedError

    def left(self) -> None:
        """Nobody waits for the rest; what came of it counts."""
        raise NotImplementedError


def choose(exchange: "Exchange", reader: ResponseReader) -> Relay | Fault:
    """What to do with an answer whose head is `reader`'s."""
    status = reader.status
    if 200 <= status < 300:
        wanted = exchange.asked.stream
        media = reader.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        fits = media == EVENT_STREAM if wanted else media.endswith(b"json")
        if not fits:
            detail = "the answer is not a stream of events" if wanted else "the answer is not JSON"
            return Fault(Kind.ERROR, "WrongContentType", detail)
        return Stream(exchange, reader) if wanted else Whole(exchange, reader)
    retryable = status in RETRYABLE_STATUSES
    if 400 <= status < 500 and not retryable and status not in CREDENTIAL_STATUSES:
        return Refusal(exchange, reader)
    wait_s = retry_after_s(reader.headers.get(b"retry-after", b""), reader.told)
    detail = f"HTTP {status}"
    if status in CREDENTIAL_STATUSES:
        detail += ", it does not accept the router's credential"
    return Fault(Kind.ERROR, f"Http{label_of(status)}", detail, retryable, wait_s, status)


class Whole(Relay):
    """A JSON body, held back while it is small."""

    __slots__ = ("_begin", "_end", "_exchange", "_pieces", "_reader", "_size")

    def __init__(self, exchange: "Exchange", reader: ResponseReader) -> None:
        self._exchange = exchange
        self._reader = reader
        self._pieces: list[bytes] = []
        self._size = 0
        self._begin = self._end = b""
        """Of a body that was sent before it was complete: its first bytes, and its last."""

    def feed(self, data: bytes) -> None:
        exchange = self._exchange
        self._size += len(data)
        if exchange.committed:
            end = data if len(data) >= USAGE_BYTES else self._end + data
            self._end = end[-USAGE_BYTES:]
            if len(self._begin) < USAGE_BYTES:
                self._begin += data[:USAGE_BYTES]
            exchange.relay(data)
            return
        self._pieces.append(data)
        limits = exchange.plane.limits
        if exchange.translated:  # it is read whole
            if self._size > limits.translated_body_bytes:
                detail = f"the answer is larger than {limits.translated_body_bytes:,} bytes"
                exchange.fail(Fault(Kind.ERROR, "Malformed", detail))
        elif exchange.review is not None and exchange.review.holds_answer:
            if self._size > MAX_TEXT_BYTES:
                detail = f"the answer is larger than the {MAX_TEXT_BYTES:,} bytes of a review"
                exchange.fail(Fault(Kind.ERROR, "TooLarge", detail, retryable=False))
        elif max(self._size, self._reader.length or 0) > limits.buffered_body_bytes:
            body = b"".join(self._pieces)
            self._begin, self._end = body[:USAGE_BYTES], body[-USAGE_BYTES:]
            reader = self._reader
            exchange.commit(reader.status, reader.headers, reader.length, body)
            self._pieces = []

    def finished(self) -> None:
        exchange = self._exchange
        if exchange.committed:
            exchange.end = self._end
            usage = read_usage_at(self._end) or read_usage_at(self._begin)  # llama.cpp's embeddings
            exchange.use(usage or _estimate_whole(exchange, self._size))
            exchange.complete()
            return
        reader = self._reader
        answer_whole(exchange, reader.status, reader.headers, b"".join(self._pieces))

    def lost(self, fault: Fault) -> None:
        if self._exchange.committed:
            self._exchange.break_off(fault)
        else:
            self._exchange.fail(fault)

    def left(self) -> None:
        if self._exchange.committed:
            self._exchange.use(_estimate_whole(self._exchange, self._size))


def answer_whole(
    exchange: "Exchange", status: int, headers: dict[bytes, bytes], body: bytes
) -> None:
    """Relay a JSON body of which nothing was sent yet, if it is an answer."""
    answer, usage, wrong = read_answer(body)
    if wrong:
        _broken(exchange, wrong, body)
        return
    exchange.usage = used = usage or _estimate_whole(exchange, len(body))
    exchange.said, exchange.end = answer, body
    if exchange.review is not None and exchange.review.holds_answer:
        exchange.review.answered(exchange, body)
        return
    if exchange.translated:
        cast("TranslatedExchange", exchange).answer_whole(headers, body, used)
        return
    exchange.commit(status, headers, len(body), body)
    exchange.complete()


def _estimate_whole(exchange: "Exchange", size: int) -> Usage:
    return _estimate(exchange, size // _CHARS_A_TOKEN if exchange.operation.generates else 0)


class Refusal(Relay):
    """A 4xx about the request itself, relayed as it is, if it is an error in OpenAI's shape."""

    __slots__ = ("_exchange", "_pieces", "_reader", "_size")

    def __init__(self, exchange: "Exchange", reader: ResponseReader) -> None:
        self._exchange = exchange
        self._reader = reader
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        self._pieces.append(data)
        if self._size > self._exchange.plane.limits.buffered_body_bytes:
            detail = f"HTTP {self._reader.status} with an oversized body"
            self._exchange.fail(Fault(Kind.ERROR, "Malformed", detail))

    def finished(self) -> None:
        reader = self._reader
        _refuse(self._exchange, reader.status, reader.headers, b"".join(self._pieces))

    def lost(self, fault: Fault) -> None:
        self._exchange.fail(fault)

    def left(self) -> None:
        """It took nothing."""


def _refuse(exchange: "Exchange", status: int, headers: dict[bytes, bytes], body: bytes) -> None:
    """Tell the caller, unless the request may fit another backend's window."""
    falls_back = exchange.taken.on_context_window and exchange.others_left
    if falls_back and status in (400, 413, 422) and says_too_long(body):
        detail = "the request does not fit its context window"
        exchange.fail(Fault(Kind.CONTEXT_WINDOW, "ContextWindow", detail, retryable=False))
        return
    if status == 404 and exchange.track is not None:
        unknown, name = exchange.plane.live.unknown, exchange.track.name
        unknown[name] = unknown.get(name, 0) + 1
    shaped = in_openais_shape(status, body)
    if shaped is not body:
        headers[b"content-type"] = b"application/json"
    exchange.commit(status, headers, len(shaped), shaped)
    exchange.complete()


def _broken(exchange: "Exchange", why: str, said: bytes) -> None:
    """What came with status 200 is no answer: some servers say so that a request is too long."""
    if said and says_too_long(said):
        _refuse(exchange, 400, {b"content-type": b"application/json"}, said)
    else:
        exchange.fail(Fault(Kind.ERROR, "Malformed", why))


class Stream(Relay):
    """
    Server-sent events, held back until their first content; then one by one.

    Part of one is kept until its end has come: after a cut, readers would take it for all of it.
    """

    __slots__ = ("_exchange", "_opening", "_part", "_reader", "_straight", "_tail")

    def __init__(self, exchange: "Exchange", reader: ResponseReader) -> None:
        limits = exchange.plane.limits
        self._exchange = exchange
        self._reader = reader
        self._opening: StreamOpening | None = StreamOpening(
            limits.held_stream_bytes, limits.sse_frame_bytes
        )
        self._tail = StreamTail() if exchange.policy.capture is None else tail_of(exchange)
        if exchange.arm is not None and exchange.arm.hears:
            self._tail = exchange.arm.listen(self._tail)
        self._part: WholeEvents | None = None
        self._straight = False
        """True if chunks of whole events may go on as they come."""

    def feed_chunk(self, framed: bytes, content: bytes) -> None:
        if self._straight and content.endswith(BLANK_LINES):
            # It goes on with its framing: nothing is built anew.
            exchange = self._exchange
            exchange.client.write(framed)
            if self._tail.feed(content) and self._tail.done():
                exchange.may_end_soon()
        else:
            self.feed(content)

    def feed(self, data: bytes) -> None:
        exchange = self._exchange
        opening = self._opening
        if opening is None:
            whole = self._whole(data)
            if whole:
                exchange.relay(whole)
        else:
            seen = opening.feed(data)
            if seen is Opening.BROKEN:
                _broken(exchange, opening.why, opening.error)
                return
            if seen is Opening.WAITING:
                return
            self._opening = None
            data = b"".join(opening.held)
            exchange.opening = data
            whole = self._whole(data)
            exchange.commit(self._reader.status, self._reader.headers, None, whole)
        self._straight = self._part is None and exchange.chunked and not exchange.translated
        if self._tail.feed(data) and self._tail.done():
            exchange.may_end_soon()

    def _whole(self, data: bytes) -> bytes:
        """What may go on, after `data`."""
        part = self._part
        if part is None:
            if data.endswith(BLANK_LINES):
                return data
            self._part = part = WholeEvents()
        data = part.feed(data)
        if not part.held_bytes:
            self._part = None
        return data

    def finished(self) -> None:
        if self._opening is not None:
            detail = "the stream ended without content"
            self._exchange.fail(Fault(Kind.ERROR, "ClosedEarly", detail))
        elif self._tail.done() or self._is_told():
            self._complete()
        else:
            detail = "the stream ended without [DONE]"
            self._break_off(Fault(Kind.ERROR, "NoDone", detail))

    def _is_told(self) -> bool:
        """True if the one answer has said why it ends: not all providers send `[DONE]`."""
        finish = finish_of(self._tail.bytes())
        whole = self._part is None and finish not in ("", "error", "abort")
        return whole and choices(self._exchange.request.body) == 1

    def lost(self, fault: Fault) -> None:
        if self._opening is not None:
            self._exchange.fail(fault)
        elif self._tail.done():
            self._complete()
        else:
            self._break_off(fault)

    def left(self) -> None:
        if self._opening is None:
            self._count()

    def _count(self) -> None:
        exchange = self._exchange
        exchange.end = self._tail.bytes()
        exchange.use(read_stream_usage(exchange.end) or self._estimate())

    def _complete(self) -> None:
        self._count()
        exchange = self._exchange
        if self._part is not None:  # some servers end no line after [DONE]
            exchange.relay(self._part.rest())
        if ends_in_error(exchange.end):  # so vLLM and SGLang break: `[DONE]` follows
            exchange.told_broken("Malformed")
        else:
            exchange.complete()

    def _break_off(self, fault: Fault) -> None:
        self._count()
        exchange = self._exchange
        timeout = fault.kind is Kind.TIMEOUT
        code = "upstream_timeout" if timeout else "upstream_disconnected"
        if fault.reason == CUT:
            code = GOING_AWAY
        message = f"The answer is incomplete: {fault.detail or fault.reason}."
        event = exchange.error_event(message, code)
        if not (exchange.translated or exchange.end.endswith(BLANK_LINES)):
            event = b"\n\n" + event  # else it would be read as more of the event before it
        exchange.break_off(fault, event)

    def _estimate(self) -> Usage:
        # About one token an event; role, finish and [DONE] are none.
        return _estimate(self._exchange, max(self._tail.events - 3, 0))


def _estimate(exchange: "Exchange", completion_tokens: int) -> Usage:
    read_late(exchange)
    prompt_tokens = exchange.analysis.context_tokens
    if not exchange.operation.generates:  # of several texts that is the longest one
        prompt_tokens = max(prompt_tokens, len(exchange.request.body) // _CHARS_A_TOKEN)
    return Usage(prompt_tokens, completion_tokens, estimated=True)
