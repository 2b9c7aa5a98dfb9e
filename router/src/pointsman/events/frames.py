"""PURE: frames, the same on disk and on the wire: a line that describes them, then events.

    pointsman-events SCHEMA SPOOL FIRST COUNT BYTES CRC32\n
    BYTES bytes: COUNT lines, an event each

SPOOL names one run of one writer, whose events are numbered from 1: the ledger keeps the number it
wants next of each, which makes sending again harmless and shows what is missing.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
"""Twice the largest event."""
MAX_HEAD_BYTES: Final = 160
_HEAD: Final = re.compile(
    rb"pointsman-events (\d{1,4}) ([0-9a-z-]{8,63}) (\d{1,18}) (\d{1,7}) (\d{1,8}) ([0-9a-f]{8})\n"
)


class Frame(NamedTuple):
    """Events `first` to `after - 1` of a spool."""

    schema: int
    spool: str
    first: int
    events: int
    body: bytes

    @property
    def after(self) -> int:
        """The number behind its last event."""
        return self.first + self.events

    def lines(self) -> list[bytes]:
        """Its events, encoded."""
        return self.body.split(b"\n")[:-1]


class FrameError(ValueError):
    """Bytes are no frame; `torn` if they may only be the beginning of one."""

    def __init__(self, text: str, *, torn: bool = False) -> None:
        super().__init__(text)
        self.torn = torn


def build(schema: int, spool: str, first: int, events: Sequence[bytes]) -> bytes:
    """A frame of these encoded events, none of which holds a line end."""
    body = b"\n".join(events) + b"\n"
    head = b"pointsman-events %d %b %d %d %d %08x\n"
    values = (schema, spool.encode(), first, len(events), len(body), zlib.crc32(body))
    return head % values + body


def read(data: bytes, at: int = 0) -> tuple[Frame, int]:
    """The frame that begins at `at`, and where the next one does. Raises FrameError."""
    end = data.find(b"\n", at, at + MAX_HEAD_BYTES) + 1
    if not end:
        torn = len(data) - at < MAX_HEAD_BYTES
        raise FrameError("cut off in the line that describes a frame", torn=torn)
    head = _HEAD.fullmatch(data, at, end)
    if head is None:
        raise FrameError("not the line that describes a frame")
    schema, first, count, size = (int(head[group]) for group in (1, 3, 4, 5))
    if not first or not count or size > MAX_FRAME_BYTES:
        raise FrameError("a frame without events, or too large")
    body = data[end : end + size]
    if len(body) < size:
        raise FrameError("cut off in its events", torn=True)
    if zlib.crc32(body) != int(head[6], 16):
        raise FrameError("the checksum of its events is wrong")
    if body.count(b"\n") != count or body[-1:] != b"\n":
        raise FrameError("it holds another number of events than it says")
    return Frame(schema, head[2].decode(), first, count, body), end + size


def read_all(data: bytes) -> Iterator[Frame]:
    """Frame after frame to the end. Raises FrameError where that is not possible."""
    at = 0
    while at < len(data):
        frame, at = read(data, at)
        yield frame
