"""SANS-I/O: server-sent events, read up to the first content and then only at their end.

Guarantees that a role-only or empty delta, a comment or a usage chunk does not commit; that the
bytes held back are exactly those that were fed. Refuses events that are not JSON, errors in the
stream, events and start-ups over a bound. After commitment nothing is parsed but the tail.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pointsman.router.wire.delta import EMPTY, decode_chunk, has_content
from pointsman.router.wire.unreadable import UNREADABLE

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_DONE_AT_END: Final = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]\s*(?::[^\r\n]*[\r\n]\s*)*$")
"""Comments may follow: some servers send a last keep-alive."""
_DONE_BYTES: Final = 512
_TAIL_BYTES: Final = 4096
"""Room for the usage chunk (about 400 bytes with all details) and `[DONE]`."""


class EventReader:
    """The `data` of each event, however the bytes are cut (WHATWG HTML 9.2.6)."""

    __slots__ = ("_after_cr", "_data", "_data_bytes", "_first", "_partial", "_partial_bytes")

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._first = True
        self._after_cr = False

    @property
    def pending_bytes(self) -> int:
        """Size of the event that is not complete."""
        return self._partial_bytes + self._data_bytes

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that `piece` completes; events without data are left out."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        events: list[bytes] = []
        start = 0
        for end in _LINE_END.finditer(piece):
            self._partial.append(piece[start : end.start()])
            self._line(b"".join(self._partial), events)
            self._partial = []
            self._partial_bytes = 0
            start = end.end()
        if start < len(piece):
            self._partial.append(piece[start:])
            self._partial_bytes += len(piece) - start
        elif piece.endswith(b"\r"):
            self._after_cr = True
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
                self._data_bytes = 0
        elif line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            self._data_bytes += len(line)
        elif line == b"data":
            self._data.append(b"")


class Opening(StrEnum):
    """How the beginning of a stream looks."""

    WAITING = "Waiting"
    CONTENT = "Content"
    BROKEN = "Broken"


class StreamOpening:
    """Holds a stream's bytes back until its first content; `held` is to be sent then."""

    __slots__ = ("_events", "_max_frame", "_max_held", "held", "held_bytes", "why")

    def __init__(self, max_held_bytes: int, max_frame_bytes: int) -> None:
        self._events = EventReader()
        self._max_held = max_held_bytes
        self._max_frame = max_frame_bytes
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.why = ""
        """For BROKEN: what is wrong, in our words."""

    def feed(self, piece: bytes) -> Opening:
        """CONTENT as soon as the first content, or `[DONE]` of an empty answer, has been seen."""
        self.held.append(piece)
        self.held_bytes += len(piece)
        for data in self._events.feed(piece):
            if data.strip() == b"[DONE]":
                return Opening.CONTENT
            try:
                chunk = decode_chunk(data)
            except UNREADABLE:
                return self._broken("an event is not a chat completion chunk")
            if bytes(chunk.error) not in EMPTY:
                return self._broken("the stream begins with an error")
            if has_content(chunk):
                return Opening.CONTENT
        return self._bounded()

    def _bounded(self) -> Opening:
        pending = self._events.pending_bytes
        if pending > self._max_frame:
            return self._broken(f"an event is larger than {self._max_frame:,} bytes")
        if self.held_bytes - pending > self._max_held:
            return self._broken(f"no content in the first {self._max_held:,} bytes")
        return Opening.WAITING

    def _broken(self, why: str) -> Opening:
        self.why = why
        return Opening.BROKEN


class StreamTail:
    """The end of a stream: whether it is `[DONE]`, and what stood before it."""

    __slots__ = ("_pieces", "_size", "events")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.events = 0
        """About how many data events there were."""

    def feed(self, piece: bytes) -> bool:
        """True if the stream may be done after `piece`: ask `done()`."""
        self.events += piece.count(b"data:")
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > 4 * _TAIL_BYTES:
            tail = b"".join(self._pieces)[-_TAIL_BYTES:]
            self._pieces = [tail]
            self._size = len(tail)
        return piece.endswith(b"\n") and (len(piece) < 16 or piece.find(b"[DONE]", -16) >= 0)

    def bytes(self) -> bytes:
        """The last 4 KiB or more."""
        return b"".join(self._pieces)

    def done(self) -> bool:
        """True if the last event is `[DONE]`."""
        return _DONE_AT_END.search(self.bytes()[-_DONE_BYTES:]) is not None


class HeardTail(StreamTail):
    """Another one's, each piece of which is told to `hear` as well."""

    __slots__ = ("_hear", "_of")

    def __init__(self, of: StreamTail, hear: Callable[[bytes], None]) -> None:
        super().__init__()
        self._of = of
        self._hear = hear

    def feed(self, piece: bytes) -> bool:
        """See StreamTail."""
        self._hear(piece)
        may_be_done = self._of.feed(piece)
        self.events = self._of.events
        return may_be_done

    def bytes(self) -> bytes:
        """See StreamTail."""
        return self._of.bytes()

    def done(self) -> bool:
        """See StreamTail."""
        return self._of.done()
