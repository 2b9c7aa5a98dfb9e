"""The spool's files: whole frames, oldest first, each file deleted once the ledger has all of it.

Guarantees that what `add` returned for survives the process, that size on disk and in memory stays
below their bounds, and that every event dropped for them is counted. While the disk takes nothing,
frames are kept in memory. Called from threads; holds its lock for no I/O but deletions.
"""

import contextlib
import fcntl
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pointsman.events import frames
from pointsman.events.frames import FrameError
from pointsman.events.segment import (
    SUFFIX,
    Batch,
    Segment,
    found_in,
    in_order,
    is_lost,
    next_head,
    read_at,
    unlink,
)

_log = logging.getLogger(__name__)
Loss = Literal["SpoolFull", "MemoryFull", "Damaged", "TooLarge", "Bug"]
"""Why events never reach the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of one spool."""

    disk_bytes: int = 256 * 1024 * 1024
    """About 350,000 events without text. Past it the oldest file goes."""
    memory_bytes: int = 16 * 1024 * 1024
    """What the disk does not take; the same again for what waits to be written."""
    segment_bytes: int = 8 * 1024 * 1024
    """A file is closed at this size: what is dropped at once, and what is sent twice at most."""
    fsync_s: float = 1.0
    """What a power failure may take; 0: every write is on disk before it counts."""


class Segments:
    """All of one folder (or none: everything in memory)."""

    def __init__(self, folder: Path | None, bounds: Bounds) -> None:
        self.folder = folder
        self.bounds = bounds
        self.changed = threading.Condition()
        """Guards all below; notified when there is more to send."""
        self.dropped: dict[str, int] = {}
        """Why -> events that will never reach the ledger."""
        self._all: list[Segment] = []
        self._open: Segment | None = None
        self._sending: Segment | None = None
        """What the last batch was cut from."""
        self._lock: int | None = None
        self._trouble = ""
        """Why the disk takes nothing."""

    def bytes_held(self) -> tuple[int, int]:
        """(on disk, in memory)."""
        with self.changed:
            on_disk = sum(s.size for s in self._all if s.path is not None)
            return on_disk, sum(len(s.held) for s in self._all)

    def events_left(self) -> int:
        """How many the ledger does not have."""
        with self.changed:
            return sum(segment.left for segment in self._all)

    def drop(self, why: Loss, events: int) -> None:
        """Count events that are lost."""
        if events > 0:
            with self.changed:
                self.dropped[why] = self.dropped.get(why, 0) + events

    # Writing: one thread.

    def recover(self) -> None:
        """Take over what an earlier process left; OSError, and nothing is, if that cannot be."""
        if self.folder is None or self._lock is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.ExitStack() as undone:
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            undone.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            paths = [path for path in self.folder.iterdir() if path.name.endswith(SUFFIX)]
            found = [one for path in in_order(paths) if (one := _recovered(path)) is not None]
            undone.pop_all()
        self._lock = lock
        with self.changed:
            self._all += found
            self.changed.notify_all()
        self._stay_below()

    def add(self, spool: str, first: int, events: list[bytes], schema: int, now_ms: int) -> None:
        """Keep these events, numbered from `first`."""
        frame = frames.build(schema, spool, first, events)
        if self.folder is None or not self._write(spool, first, frame, now_ms):
            self._hold(spool, first, frame)
        with self.changed:
            assert self._open is not None
            self._open.after = first + len(events)
            self.changed.notify_all()
        if self._open.size >= self.bounds.segment_bytes:
            self.close()
        self._stay_below()

    def _write(self, spool: str, first: int, frame: bytes, now_ms: int) -> bool:
        """False if the disk does not take it."""
        assert self.folder is not None
        if self._lock is None:
            return False
        try:
            segment = self._open
            if segment is None or segment.file is None:
                path = self.folder / f"{now_ms:013d}-{spool}-{first:018d}{SUFFIX}"
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
                file = os.open(path, flags, 0o600)
                segment = Segment(spool, first, first, path, wanted=first, file=file)
                self._begin(segment)
            assert segment.file is not None
            done = 0
            while done < len(frame):
                done += os.write(segment.file, memoryview(frame)[done:])
            if not self.bounds.fsync_s:
                os.fdatasync(segment.file)
        except OSError as error:
            self._tell(error.strerror or type(error).__name__)
            self.close()
            return False
        self._tell("")
        with self.changed:
            segment.size += len(frame)
        return True

    def _tell(self, trouble: str) -> None:
        """Once, and not at every write."""
        if trouble == self._trouble:
            return
        if trouble:
            _log.warning("events-not-stored", extra={"reason": trouble})
        else:
            _log.info("events-stored-again")
        self._trouble = trouble

    def _hold(self, spool: str, first: int, frame: bytes) -> None:
        if self._open is None or self._open.path is not None:
            self._begin(Segment(spool, first, first, wanted=first))
        assert self._open is not None
        with self.changed:
            self._open.held += frame
            self._open.size += len(frame)

    def _begin(self, segment: Segment) -> None:
        self.close()
        with self.changed:
            self._all.append(segment)
            self._open = segment

    def sync(self) -> None:
        """Put on disk what was written; a failure is logged."""
        if self._open is not None and self._open.file is not None:
            try:
                os.fdatasync(self._open.file)
            except OSError as error:
                _log.warning("events-not-stored", extra={"reason": error.strerror})

    def close(self) -> None:
        """The next event begins a new segment; of one that was written half, the half goes."""
        segment = self._open
        if segment is None:
            return
        if segment.file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(segment.file, segment.size)
                os.fdatasync(segment.file)
            os.close(segment.file)
            segment.file = None
        with self.changed:
            segment.closed = True
            self._forget_shipped()
            self._open = None

    def release(self) -> None:
        """Another process may have the folder."""
        self.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stay_below(self) -> None:
        """
        Drop the oldest until both bounds hold; what is being written stays, and what is being sent.

        Of that nobody knows whether the ledger has it, and what is counted as lost must be lost.
        """
        with self.changed:
            for on_disk, bound in (
                (True, self.bounds.disk_bytes),
                (False, self.bounds.memory_bytes),
            ):
                kind = [s for s in self._all if (s.path is not None) == on_disk]
                total = sum(segment.size for segment in kind)
                for segment in kind:
                    if total <= bound or segment is self._open:
                        break
                    if segment is self._sending:
                        continue
                    total -= segment.size
                    self.drop("SpoolFull" if on_disk else "MemoryFull", segment.left)
                    self._forget(segment)

    # Sending: another thread.

    def next_batch(self, most_bytes: int) -> Batch | None:
        """
        The oldest frames that were not sent, at least one; None if there is nothing.

        Raises OSError where a file cannot be read now: it is kept, and is the next again.
        """
        while True:
            with self.changed:
                self._forget_shipped()
                segment = next((s for s in self._all if s.left > 0), None)
                if segment is None:
                    return None
                sent, self._sending = self._sending, segment
                at = segment.offset
                end = min(segment.size, at + most_bytes + frames.MAX_FRAME_BYTES)
                data = bytes(segment.held[at:end])
            if segment.path is not None:
                try:
                    data = read_at(segment.path, at, end)
                except OSError as error:
                    if not is_lost(error):
                        with self.changed:
                            self._sending = sent
                        raise
                    _log.warning("events-not-readable", extra={"reason": error.strerror})
                    self._damaged(segment, segment.after, segment.size)
                    continue
            batch = self._cut(segment, data, at, most_bytes)
            if batch is not None:
                return batch

    def _cut(self, segment: Segment, data: bytes, at: int, most_bytes: int) -> Batch | None:
        """Whole frames of `data`, which begins at `at`; None if it began with what is none."""
        if not data:  # of a file that somebody cut
            self._damaged(segment, segment.after, segment.size)
            return None
        begin = end = 0
        after = segment.wanted
        while end < len(data) and end - begin < most_bytes:
            try:
                frame, beyond = frames.read(data, end)
            except FrameError as error:
                if end > begin or (error.torn and end > 0 and at + len(data) < segment.size):
                    break  # the next piece begins with it
                self._pass_over(segment, data, end, at)
                return None
            if frame.after <= segment.wanted:
                begin = beyond
            else:
                after = frame.after
            end = beyond
        if end > begin:
            return Batch(segment, data[begin:end], after, at + end)
        with self.changed:
            segment.offset = at + end
        return None

    def _pass_over(self, segment: Segment, data: bytes, at: int, offset: int) -> None:
        """Go on behind what is damaged, and count what it held."""
        beyond = next_head(data, at + 1)
        try:
            wanted = frames.read(data, beyond)[0].first
        except FrameError:
            # Behind the last frame of a file nothing follows that says how many are lost.
            wanted = segment.after if offset + beyond >= segment.size else segment.wanted
        self._damaged(segment, wanted, offset + beyond)

    def _damaged(self, segment: Segment, wanted: int, offset: int) -> None:
        with self.changed:
            self.drop("Damaged", wanted - max(segment.wanted, segment.first))
            segment.wanted, segment.offset = max(segment.wanted, wanted), offset

    def taken(self, batch: Batch, wanted: int) -> None:
        """The ledger has all events of the batch's spool below `wanted`."""
        with self.changed:
            for segment in self._all:
                if segment.spool == batch.segment.spool:
                    segment.wanted = max(segment.wanted, min(wanted, segment.after))
            if wanted >= batch.after:
                batch.segment.offset = max(batch.segment.offset, batch.end)
            self._forget_shipped()

    def refused(self, batch: Batch) -> None:
        """The ledger says that the batch is damaged, and it is not going to change."""
        self._damaged(batch.segment, batch.after, batch.end)

    def _forget_shipped(self) -> None:
        for segment in [s for s in self._all if s.closed and not s.left]:
            self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        self._all.remove(segment)
        if segment.path is not None:
            unlink(segment.path)


def _recovered(path: Path) -> Segment | None:
    """What is in a file; none that holds nothing is left, and one that cannot be read stays."""
    try:
        segment = found_in(path)
    except OSError as error:
        facts = {"file": path.name, "reason": error.strerror}
        _log.warning("events-not-readable", extra=facts)
        return None
    if segment is None:
        unlink(path)
    return segment
