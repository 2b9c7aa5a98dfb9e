"""One piece of a spool: whole frames in a file or in memory, and what of them the ledger has.

A file says itself what it holds: its frames are read again by whoever finds it.
"""

import errno
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pointsman.events import frames
from pointsman.events.frames import FrameError

_log = logging.getLogger(__name__)
SUFFIX: Final = ".events"
_MAGIC: Final = b"pointsman-events "
_LOST: Final = frozenset({errno.ENOENT, errno.EIO, errno.EBADMSG})


@dataclass(slots=True, eq=False)
class Segment:
    """Frames of one spool, in a file or in memory."""

    spool: str
    first: int
    after: int
    """The number behind its last event."""
    path: Path | None = None
    held: bytearray = field(default_factory=bytearray)
    """Its bytes, if it has no file."""
    size: int = 0
    """Bytes of whole frames."""
    wanted: int = 0
    """The number of the first event that the ledger does not have."""
    offset: int = 0
    """Where the frame with it begins, at most."""
    closed: bool = False
    file: int | None = None
    """Open while frames are added to `path`."""

    @property
    def left(self) -> int:
        """Events that the ledger does not have."""
        return self.after - max(self.wanted, self.first)


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole frames to be sent; `segment` and `end` say what it was cut from."""

    segment: Segment
    data: bytes
    after: int
    end: int


def in_order(paths: Iterable[Path]) -> list[Path]:
    """By number within a spool, whatever its clock did; of spools the oldest first."""
    begun: dict[str, str] = {}
    found: list[tuple[str, str, Path]] = []
    for path in paths:
        at, _, rest = path.name.removesuffix(SUFFIX).partition("-")
        spool, _, first = rest.rpartition("-")
        begun[spool] = min(at, begun.get(spool, at))
        found.append((spool, first, path))
    return [path for _, _, _, path in sorted((begun[one[0]], *one) for one in found)]


def found_in(path: Path) -> Segment | None:
    """What a file holds, up to where it is torn; None if that is nothing. Raises OSError."""
    data = path.read_bytes()
    segment: Segment | None = None
    at = 0
    while at < len(data):
        try:
            frame, end = frames.read(data, at)
        except FrameError:
            at = next_head(data, at + 1)
            continue
        if segment is None:
            segment = Segment(frame.spool, frame.first, frame.after, path, wanted=frame.first)
            segment.closed = True
            segment.offset = at
        segment.after, segment.size, at = frame.after, end, end
    return segment


def read_at(path: Path, at: int, end: int) -> bytes:
    """Raises OSError."""
    with path.open("rb") as file:
        file.seek(at)
        return file.read(end - at)


def is_lost(error: OSError) -> bool:
    """True if what a file held is gone; else it may be read later."""
    return error.errno in _LOST


def next_head(data: bytes, at: int) -> int:
    """Where a frame may begin, from `at` on."""
    found = data.find(_MAGIC, at)
    return found if found >= 0 else len(data)


def unlink(path: Path) -> None:
    """A failure is logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("events-not-deleted", extra={"reason": error.strerror})
