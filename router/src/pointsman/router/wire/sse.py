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

_LINE_ENDS: Final = re.compile(rb"[\r\n][\r\n]*")
"""Of one line or, in a run of them, of blank ones as well. Twice as fast as the same with `+`."""
_LINE_BYTES: Final = 48
"""What each line of an event takes besides its bytes."""
_BOM: Final = b"\xef\xbb\xbf"
_DONE_AT_END: Final = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]\s*(?::[^\r\n]*[\r\n]\s*)*$")
"""Comments may follow: some servers send a last keep-alive."""
_DONE_BYTES: Final = 512
_DATA: Final = b"data:"
_ERROR: Final = b'"error"'
_BARE_ERROR: Final = b"error:"
"""How llama.cpp said one until October 2025, with `[DONE]` behind it."""
PART_BYTES: Final = 64 * 1024
"""Of an event whose end has not come: most take less than 1 KiB."""
BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""What an event ends with; what ends so otherwise (line ends that are mixed) is found as well."""
_BETWEEN: Final = b"\n\n"
_NOTHING: Final = re.compile(rb"[\r\n]*(?::[^\r\n]*[\r\n]+)*")
"""Blank lines and comments, which may come alone to keep proxies awake."""
_TAIL_BYTES: Final = 4096
"""Room for the usage chunk (about 400 bytes with all details) and `[DONE]`."""
_LAST_BYTES: Final = 32 * 1024
"""Of one event, if it is the last one: an error may quote what was asked."""


_MOST_OBJECTS: Final = 65_536
_OBJECT_BYTES: Final = 32
"""Log-probabilities take more for each, whatever their number."""


def is_crowded(data: bytes) -> bool:
    """
    True for an event or answer that is made of objects with nothing in them: it is not decoded.

    Each would take 100 to 300 bytes. Those in texts count as well: no model says as many.
    """
    if len(data) < 2 * _MOST_OBJECTS:
        return False
    objects = data.count(b"{")
    return objects > _MOST_OBJECTS and objects * _OBJECT_BYTES > len(data)


class EventReader:
    """
    The `data` of each event, however the bytes are cut (WHATWG HTML 9.2.6).

    A field `error`, which readers pass over, is told as the data that it should have been.
    """

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
        """What the event takes that is not complete: its bytes, and more for each further line."""
        return self._partial_bytes + self._data_bytes

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that `piece` completes; events without data are left out."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        events: list[bytes] = []
        start = 0
        for ends in _LINE_ENDS.finditer(piece):
            stop = ends.start()
            line = piece[start:stop]
            if self._partial:
                line = b"".join([*self._partial, line])
                self._partial = []
                self._partial_bytes = 0
            self._line(line, events)
            start = ends.end()
            if start - stop > 2 or (start - stop == 2 and ends[0] != b"\r\n"):
                self._line(b"", events)
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
            self._add(line[6:] if line[5:6] == b" " else line[5:], len(line))
        elif line == b"data":
            self._add(b"", len(line))
        elif line.startswith(_BARE_ERROR):
            self._add(b'{"error":%b}' % line[len(_BARE_ERROR) :], len(line))

    def _add(self, data: bytes, size: int) -> None:
        self._data_bytes += size + (_LINE_BYTES if self._data else 0)
        self._data.append(data)


class Opening(StrEnum):
    """How the beginning of a stream looks."""

    WAITING = "Waiting"
    CONTENT = "Content"
    BROKEN = "Broken"


class StreamOpening:
    """Holds a stream's bytes back until its first content; `held` is to be sent then."""

    __slots__ = ("_events", "_max_frame", "_max_held", "error", "held", "held_bytes", "why")

    def __init__(self, max_held_bytes: int, max_frame_bytes: int) -> None:
        self._events = EventReader()
        self._max_held = max_held_bytes
        self._max_frame = max_frame_bytes
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.why = ""
        """For BROKEN: what is wrong, in our words."""
        self.error = b""
        """The error that the stream begins with, if that is why."""

    def feed(self, piece: bytes) -> Opening:
        """CONTENT as soon as the first content, or `[DONE]` of an empty answer, has been seen."""
        self.held.append(piece)
        self.held_bytes += len(piece)
        for data in self._events.feed(piece):
            if data.strip() == b"[DONE]":
                return Opening.CONTENT
            if is_crowded(data):
                return self._broken("an event is made of empty objects")
            try:
                chunk = decode_chunk(data)
            except UNREADABLE:
                return self._broken("an event is not a chat completion chunk")
            if bytes(chunk.error) not in EMPTY:
                self.error = data
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


def ends_in_error(tail: bytes) -> bool:
    """True if the last event of a stream that says anything is an error, whatever follows it."""
    # As of nearly all; in a text the quotes are escaped, and no line begins there.
    if _ERROR not in tail and b"\n" + _BARE_ERROR not in tail:
        return False
    for line in reversed(tail.split(b"\n")):
        if line.startswith(_BARE_ERROR):
            return True
        if line.startswith(_DATA):
            try:
                chunk = decode_chunk(line[len(_DATA) :])
            except UNREADABLE:  # `[DONE]`, or half a line
                continue
            if bytes(chunk.error) not in EMPTY:
                return True
            if has_content(chunk):
                return False
    return False


class WholeEvents:
    """
    Lets whole events and comments of a stream go on, and keeps part of one until its end comes.

    One over a bound goes on as it comes.
    """

    __slots__ = ("_edge", "_part", "held_bytes")

    def __init__(self) -> None:
        self._part: list[bytes] = []
        self._edge = _BETWEEN
        """The last two bytes that were fed; what ends no event is a line end there."""
        self.held_bytes = 0

    def feed(self, piece: bytes) -> bytes:
        """What may go on now; empty if nothing may."""
        seen = self._edge + piece
        end = _whole(seen) - len(self._edge)
        whole = self.rest() + piece[:end] if end > 0 else b""
        if end == len(piece):
            self._edge = _BETWEEN
            return whole
        self._edge = seen[-2:]
        part = piece[max(end, 0) :]
        self._part.append(part)
        self.held_bytes += len(part)
        if self.held_bytes > PART_BYTES:
            whole += self.rest()
        return whole

    def rest(self) -> bytes:
        """What was kept, and is not any more."""
        part = b"".join(self._part)
        self._part, self.held_bytes = [], 0
        return part


def _whole(seen: bytes) -> int:
    """Where the last blank line ends, with all behind it that begins no event; 0 without one."""
    end = seen.rfind(b"\n\n") + 2
    if b"\r" in seen:
        end = max(end, seen.rfind(b"\n\r") + 2, seen.rfind(b"\r\r") + 2)
    if end < 2:
        return 0
    found = _NOTHING.match(seen, end)
    assert found is not None  # it may be empty
    return found.end()


class StreamTail:
    """The end of a stream: whether it is `[DONE]`, and what stood before it."""

    __slots__ = ("_before", "_dropped", "_pieces", "_size")

    def __init__(self) -> None:
        self._before: list[bytes] = []
        """Those before `_pieces`, which alone may be too few."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._dropped = 0
        """Events of what is not kept any more."""

    def feed(self, piece: bytes) -> bool:
        """True if the stream may be done after `piece`: ask `done()`."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= _TAIL_BYTES and (piece.endswith(b"\n") or self._size >= _LAST_BYTES):
            self._turn()
        if piece.endswith(b"}\n\n"):  # as nearly all do
            return False
        return piece.endswith(b"\n") and (len(piece) < 16 or piece.find(b"[DONE]", -16) >= 0)

    def _turn(self) -> None:
        """Begin anew; of what is kept nothing is copied, and nothing is kept for long."""
        if self._before:
            self._dropped += b"".join(self._before).count(_DATA)
        self._before = self._pieces
        self._pieces = []
        self._size = 0

    @property
    def events(self) -> int:
        """About how many data events there were."""
        kept = self.bytes()  # which may drop some
        return self._dropped + kept.count(_DATA)

    def bytes(self) -> bytes:
        """The last 4 KiB or more, and all of an event of up to 32 KiB."""
        if self._before or len(self._pieces) > 1:
            # Once: who sends byte by byte has it asked for as often.
            joined = b"".join([*self._before, *self._pieces])
            if len(joined) > 2 * _LAST_BYTES:
                self._dropped += joined.count(_DATA, 0, len(joined) - _LAST_BYTES)
                joined = joined[-_LAST_BYTES:]
            self._before, self._pieces = [], [joined]
            self._size = 0
        return self._pieces[0] if self._pieces else b""

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
        return self._of.feed(piece)

    @property
    def events(self) -> int:
        """See StreamTail."""
        return self._of.events

    def bytes(self) -> bytes:
        """See StreamTail."""
        return self._of.bytes()

    def done(self) -> bool:
        """See StreamTail."""
        return self._of.done()
