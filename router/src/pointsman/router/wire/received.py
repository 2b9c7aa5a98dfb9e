"""What a client's bytes came to: requests, or the reason why no more are read."""

from dataclasses import dataclass
from typing import Final

from pointsman.api.dataclass import HEADER
from pointsman.router.callers import Verdict
from pointsman.router.wire.headers import Headers
from pointsman.router.wire.operation import OPERATIONS, Operation
from pointsman.router.wire.request_id import is_request_id
from pointsman.router.wire.trace_context import TraceContext

_FORWARDED: Final = frozenset({b"accept", b"traceparent", b"tracestate"})
"""Besides content type, length and request id, what a model server gets of a caller's headers."""
MOST_HOPS: Final = 8
"""Routers, one behind the other, that a request may pass: a model that leads back to a router would
else be asked by it for ever. Cascades of clusters have two or three."""
_HOPS: Final = b"x-pointsman-hops"
_READ: Final = frozenset(
    {b"x-request-id", b"x-pointsman-debug", b"content-encoding", HEADER, _HOPS}
)
_NEXT_HOP: Final = tuple(b"%b: %d\r\n" % (_HOPS, hops) for hops in range(1, MOST_HOPS + 1))


class Head:
    """
    All of a request that stands before its body, and what routing finds in it.

    A client's requests often differ in nothing but their bodies: they share one of these, on all of
    its connections. What `headers` says of the length is true of the first of them.
    """

    __slots__ = (
        "around", "compressed", "context", "data_class", "debug", "forwarded", "headers", "hops",
        "http11", "keep_alive", "method", "operation", "request_id", "size", "target", "texts",
        "verdict",
    )  # fmt: skip

    def __init__(
        self, method: bytes, target: bytes, headers: Headers, *, keep_alive: bool, http11: bool
    ) -> None:
        self.method = method
        self.target = target
        """The path with its query."""
        self.headers = headers
        self.keep_alive = keep_alive
        self.http11 = http11
        self.size = 0
        """Its bytes, about."""
        self.around = (b"", b"")
        """Its bytes before and after the digits of its length, if others are known by it."""
        self.operation: Operation | None = None
        """What is to be routed; None for all that is answered here."""
        if method == b"POST":
            self.operation = OPERATIONS.get(target.partition(b"?")[0])
        self.request_id: bytes | None = None
        """The caller's, if it may be taken over."""
        self.debug = self.compressed = False
        self.data_class: str | None = None
        """As the caller wrote it; several are one text with commas, as RFC 9110 has it."""
        self.forwarded = b""
        """Header lines that go on to the model server."""
        self.hops = 0
        """Routers that it has passed, MOST_HOPS at most."""
        self.texts: dict[str, str] | None = None
        """The headers as rules look at them; read by `headers.as_texts` when first needed."""
        self.context: TraceContext | None = None
        """Of `forwarded`; read by `trace_context.read_context` when first needed."""
        self.verdict: Verdict | None = None
        """What was said last of who shows this key; whether it still holds is for its reader."""
        for name, value in headers:
            if name in _FORWARDED:
                self.forwarded += b"%b: %b\r\n" % (name, value)
            elif name in _READ:
                self._note(name, value)
        if self.hops < MOST_HOPS:
            self.forwarded += _NEXT_HOP[self.hops]

    def without_trace(self) -> bytes:
        """`forwarded` of a request that nobody's trace waits for."""
        return _NEXT_HOP[min(self.hops, MOST_HOPS - 1)]

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"x-request-id":
            if self.request_id is None and is_request_id(value):
                self.request_id = value
        elif name == b"x-pointsman-debug":
            self.debug = value.strip().lower() == b"true"
        elif name == _HOPS:
            known = int(value) if value.isdigit() and len(value) < 3 else MOST_HOPS
            self.hops = min(max(self.hops, known), MOST_HOPS)
        elif name == HEADER:
            written = value.decode("latin-1")
            self.data_class = (
                written if self.data_class is None else f"{self.data_class}, {written}"
            )
        elif value.strip().lower() not in (b"", b"identity"):
            self.compressed = True


class Request:
    """One complete request."""

    __slots__ = ("body", "head", "verdict")

    def __init__(self, head: Head, body: bytes, verdict: Verdict | None = None) -> None:
        self.head = head
        self.body = body
        self.verdict = verdict
        """What `judge` said of its head."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The end of a connection: what is wrong with its bytes."""

    status: int
    message: str
