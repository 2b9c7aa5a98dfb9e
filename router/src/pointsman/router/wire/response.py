"""SANS-I/O: one upstream answer out of bytes, and its end.

Guarantees the same events however the bytes are cut; `complete` only for a body whose length, last
chunk or (where neither is given) end of connection says so; `reusable` only if nothing followed.
Refuses heads over a bound, other protocols than HTTP/1.x, 101, and compressed bodies, since it
asked for identity.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import httptools

from pointsman.router.wire.chunks import TRAILED_FRAMING, part
from pointsman.router.wire.framing import LENGTH_DIGITS

KEPT: Final = frozenset({b"content-type", b"retry-after", b"x-request-id", b"date"})
"""What may come back to a caller; Set-Cookie, openai-* and x-ratelimit-* are the router's own."""
TOLD: Final = frozenset(
    {
        *(b"x-ratelimit-remaining-requests", b"x-ratelimit-remaining-tokens"),
        *(b"x-ratelimit-reset-requests", b"x-ratelimit-reset-tokens", b"retry-after-ms"),
    }
)
"""What a provider tells the router of its limits."""

NOTHING_TOLD: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class Malformed(Exception):
    """The answer is not HTTP as this router reads it; the text is ours, not the backend's."""


_START: Final = b"HTTP/1."
_HEAD_END: Final = b"\r\n\r\n"
_HEX: Final = bytes(
    int(chr(one), 16) if chr(one) in "0123456789abcdefABCDEF" else 255 for one in range(256)
)
"""What each byte is worth as a digit; 255 for what is none."""
_SIZE_DIGITS: Final = 6
_LEAST_CHUNK: Final = _SIZE_DIGITS + 2
"""Bytes; of less the digits are not looked for."""
_EDGE_BYTES: Final = 1024
"""What ends in a chunk that may be kept for its last bytes."""
_CR: Final = 13
_LF: Final = 10
_BARREN_BYTES: Final = 64 * 1024
"""Of chunk extensions and trailers in a row: no server sends that many, and trailers are held."""


_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class _Over(Exception):
    """The end of an interim answer, or the beginning of one after this."""


class ResponseReader:
    """
    Feed it the bytes of one answer, then look at its attributes.

    `status` is 0 until the head is complete. `take()` gives the body's bytes since the last call.
    """

    __slots__ = (
        "_barren",
        "_body",
        "_chunked",
        "_edge",
        "_expected",
        "_framed",
        "_head_size",
        "_max_head",
        "_parser",
        "_raw",
        "_start",
        "_whole_chunks",
        "between_chunks",
        "complete",
        "headers",
        "length",
        "reusable",
        "status",
        "told",
    )

    def __init__(self, max_head_bytes: int) -> None:
        self._max_head = max_head_bytes
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.reset()

    def reset(self) -> None:
        """Expect the next answer on the same connection."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.told: Mapping[bytes, bytes] = NOTHING_TOLD
        """Those of TOLD; the last of a name counts."""
        self.length: int | None = None
        self.complete = self.reusable = self._framed = self._chunked = False
        self._whole_chunks = False
        self.between_chunks = False
        """True if the next byte begins a chunk: `take_chunk` may do."""
        self._head_size = self._barren = self._raw = 0
        self._start = self._edge = b""
        self._expected: int | None = None
        if self._body:
            self._body = []

    def feed(self, data: bytes) -> None:
        """Raises Malformed; what follows a complete answer is dropped, and the connection spent."""
        size = len(data)
        if not self.status:
            end = data.find(_HEAD_END) + 4
            if self._head_size or end < 4 or data[:7] != _START or end > self._max_head:
                size = self._feed_head(data, 0)
            else:  # the usual case: all of the head in one read
                self._feed(data)
                if self.status:
                    size -= end
                else:
                    self._head_size = end
                    size = self._feed_head(data, self._skip_interim(end))
            if not self.status:
                return
        elif self.complete:
            self.reusable = False
            return
        else:
            self._feed(data)
        if self._chunked:
            self._follow_chunks(data, size)
            # The line that begins a chunk would have been told of; half of it ends otherwise.
            self.between_chunks = self._whole_chunks and data.endswith(b"\r\n")
        elif self._expected is not None:
            self._raw += size
            if self._raw > self._expected:  # llhttp skips line ends between two answers
                self.reusable = False

    def take_chunk(self, data: bytes) -> bytes:
        """The content of `data` if it is one whole plain chunk; empty if `feed` has to read it."""
        whole, size, at = len(data), 0, 0
        if whole < _LEAST_CHUNK:
            return b""
        while at <= _SIZE_DIGITS:
            digit = _HEX[data[at]]
            if digit > 15:
                break
            size = size * 16 + digit
            at += 1
        if not 0 < at <= _SIZE_DIGITS or whole != size + at + 4:
            return b""
        if data[at] != _CR or data[at + 1] != _LF or not data.endswith(b"\r\n"):
            return b""
        self._edge = data[-5:] if whole > _EDGE_BYTES else data
        self._barren = 0
        return data[at + 2 : -2]

    def _skip_interim(self, end: int) -> int:
        """Begin anew at `end`, behind an interim answer."""
        self._start = self._edge = b""
        self._parser = httptools.HttpResponseParser(self)
        return end

    def _feed_head(self, data: bytes, at: int) -> int:
        """Read interim answers and the head with what follows it: how many bytes that are."""
        while at < len(data):
            if len(self._start) < len(_START):
                self._start = (self._start + data[at : at + len(_START)])[: len(_START)]
                if not _START.startswith(self._start):
                    raise Malformed("the answer is not HTTP/1.1")
            edge = self._edge
            if edge and (found := (edge + data[at : at + 3]).find(_HEAD_END)) >= 0:
                over, end = True, at - len(edge) + found + 4
            else:
                found = data.find(_HEAD_END, at)
                over, end = found >= 0, found + 4 if found >= 0 else len(data)
            self._head_size += end - at
            if self._head_size > self._max_head:
                raise Malformed(f"the head is larger than {self._max_head:,} bytes")
            self._feed(part(data, at, len(data)) if at else data)
            if not over:
                self._edge = (edge + data[at:])[-3:]
                return 0
            self._edge = b""
            if self.status:
                return len(data) - end
            at = self._skip_interim(end)
        return 0

    def _follow_chunks(self, data: bytes, size: int) -> None:
        if self.complete:  # llhttp skips line ends between two answers
            end = data if size >= 5 else self._edge + data
            if end[-4:] != _HEAD_END or end[-5:-4] in b"\r\n":
                self.reusable = False
            return
        self._edge = data if size >= 5 else (self._edge + data[len(data) - size :])[-5:]
        if self._body:
            self._barren = 0
        else:
            self._barren += size
            if self._barren > _BARREN_BYTES:
                raise Malformed("the body has framing without content")

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, _Over):
                if self.complete:
                    self.reusable = False
            elif isinstance(cause, Malformed):
                raise cause from None
            else:
                raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise Malformed("the answer is not HTTP/1.1") from error
            self.reusable = False

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
            raise _Over

    def on_status(self, reason: bytes) -> None:
        if _CONTROL.search(reason) is not None:
            raise Malformed("there are control bytes in its first line")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self.status:
            if name in TRAILED_FRAMING:
                raise Malformed("a trailer says where the body ends")
            return
        if name in KEPT:
            self.headers[name] = value
        elif name == b"content-length":
            if len(value.strip(b" \t")) > LENGTH_DIGITS:
                raise Malformed("the length has too many digits")
            self.length = int(value)
            self._framed = True
        elif name == b"transfer-encoding":
            if self._chunked or value.strip(b" \t").lower() != b"chunked":
                raise Malformed("the transfer coding is not chunked")
            self._framed = self._chunked = True
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Malformed("the body is compressed, though identity was asked for")
        elif name in TOLD:
            self.told = {**self.told, name: value}

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise Malformed("the answer switches protocols")
        if status < 100:
            raise Malformed("the status is none")
        if status < 200:
            self.headers, self.told = {}, NOTHING_TOLD
            self.length = None
            self._framed = self._chunked = False
            raise _Over
        self.status = status
        self._whole_chunks = True
        if status in (204, 304):
            self._framed = True
            self._chunked = False  # they have no body, whatever they say
            self._expected = 0
        else:
            self._expected = self.length
        self.reusable = self._framed

    def on_chunk_header(self) -> None:
        self._whole_chunks = False

    def on_chunk_complete(self) -> None:
        self._whole_chunks = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True
        self.reusable = self.reusable and bool(self._parser.should_keep_alive())
