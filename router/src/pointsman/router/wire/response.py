"""SANS-I/O: one upstream answer out of bytes, and its end.

Guarantees the same events however the bytes are cut; `complete` only for a body whose length, last
chunk or (where neither is given) end of connection says so. Refuses heads over a bound, 101,
answers nobody asked for, and compressed bodies, since it asked for identity.
"""

from typing import Any, Final

import httptools

KEPT: Final = frozenset({b"content-type", b"retry-after", b"x-request-id", b"date"})
"""What may come back to a caller; Set-Cookie, openai-* and x-ratelimit-* are the router's own."""


class Malformed(Exception):
    """The answer is not HTTP as this router reads it; the text is ours, not the backend's."""


class ResponseReader:
    """
    Feed it the bytes of one answer, then look at its attributes.

    `status` is 0 until the head is complete. `take()` gives the body's bytes since the last call.
    """

    __slots__ = (
        "_body",
        "_framed",
        "_head_size",
        "_max_head",
        "_parser",
        "complete",
        "headers",
        "length",
        "reusable",
        "status",
    )

    def __init__(self, max_head_bytes: int) -> None:
        self._max_head = max_head_bytes
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.complete = True
        self.reset()

    def reset(self) -> None:
        """Expect the next answer on the same connection."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.complete = self.reusable = self._framed = False
        self._head_size = 0
        if self._body:
            self._body = []

    def feed(self, data: bytes) -> None:
        """Raises Malformed."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, Malformed):
                raise cause from None
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Malformed("the answer is not HTTP/1.1") from error
        if not self.status:
            self._head_size += len(data)
            if self._head_size > self._max_head:
                raise Malformed(f"the head is larger than {self._max_head:,} bytes")

    def eof(self) -> bool:
        """The connection ended; True if that completes the answer."""
        if self.status and not self._framed:
            self.complete = True
        return self.complete

    def take(self) -> bytes:
        """The body's bytes since the last call."""
        body = self._body
        if not body:
            return b""
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    # httptools calls these.

    def on_message_begin(self) -> None:
        if self.complete:
            raise Malformed("an answer came that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:  # a trailer
            return
        self._head_size += len(name) + len(value)
        if self._head_size > self._max_head:
            raise Malformed(f"the head is larger than {self._max_head:,} bytes")
        name = name.lower()
        if name in KEPT:
            self.headers[name] = value
        elif name == b"content-length":
            self.length = int(value)
            self._framed = True
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise Malformed("the transfer coding is not chunked")
            self._framed = True
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Malformed("the body is compressed, though identity was asked for")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise Malformed("the answer switches protocols")
        if status < 200:
            self.headers = {}
            self.length = None
            self._framed = False
            return
        self.status = status
        if status in (204, 304):
            self._framed = True
        self.reusable = self._framed

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self.status:  # 100 Continue, 103 Early Hints
            return
        self.complete = True
        self.reusable = self.reusable and bool(self._parser.should_keep_alive())
