"""SANS-I/O: where a chunked body ends, found without the parser that reads it.

Guarantees that a request ends at the same byte for two readers, llhttp and this one. Refuses sizes
over 16 digits, lines and trailers over a bound, and all that RFC 9112 7.1 does not spell.
"""

import re
from typing import Final

LINE_BYTES: Final = 1024
"""A size with its extensions; the longest in use (a signature a chunk) takes about 90."""
TRAILED_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Headers that a trailer may not hold (RFC 9110 6.5.1)."""
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,16})(?:;[^\r\n\x00]*)?\r\n")


_COPIED_BYTES: Final = 8 * 1024


def part(data: bytes, at: int, end: int) -> bytes | memoryview:
    """`data[at:end]`, not copied if it is long: below that a copy is cheaper than a view."""
    if end - at < _COPIED_BYTES:
        return data[at:end]
    return memoryview(data)[at:end]


class BadChunks(Exception):
    """This is no chunked body, or one with more framing than is read; `too_large` tells which."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class ChunkWalk:
    """Feed it the bytes of one body."""

    __slots__ = ("_data_left", "_line", "_max_trailer", "_trailer", "body_bytes", "over")

    def __init__(self, max_trailer_bytes: int) -> None:
        self._max_trailer = max_trailer_bytes
        self._line = b""
        self._data_left = 0
        """Of the chunk that is coming in, with the line end after it."""
        self._trailer = -1
        """Bytes of trailers, -1 before the last chunk."""
        self.body_bytes = 0
        """What the sizes announced up to now."""
        self.over = False

    def feed(self, data: bytes, at: int) -> int:
        """The first byte of `data` from `at` on that is not the body's; raises BadChunks."""
        end = len(data)
        while at < end and not self.over:
            if self._data_left:
                step = min(self._data_left, end - at)
                self._data_left -= step
                at += step
                continue
            found = data.find(b"\n", at)
            stop = found + 1 or end
            self._line += data[at:stop]
            at = stop
            self._bound()
            if found >= 0:
                line, self._line = self._line, b""
                self._take(line)
        return at

    def _bound(self) -> None:
        if self._trailer >= 0:
            if self._trailer + len(self._line) > self._max_trailer:
                message = f"The trailers are larger than {self._max_trailer:,} bytes."
                raise BadChunks(message, too_large=True)
        elif len(self._line) > LINE_BYTES:
            message = f"A chunk's first line is larger than {LINE_BYTES:,} bytes."
            raise BadChunks(message, too_large=True)

    def _take(self, line: bytes) -> None:
        if self._trailer >= 0:
            self._trailer += len(line)
            self.over = line == b"\r\n"
            return
        size = _SIZE.fullmatch(line)
        if size is None:
            raise BadChunks("This is not how a chunk begins.")
        length = int(size[1], 16)
        self.body_bytes += length
        if length:
            self._data_left = length + 2
        else:
            self._trailer = 0
