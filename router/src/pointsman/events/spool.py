"""Keeps events until the ledger has them: `put` from the event loop, all else in two threads.

Guarantees that `put` never waits and does no I/O, that memory is bounded, and that whatever is not
kept is counted. What a killed process loses is what was put in the last FLUSH_S; what a power
failure loses is what was written since the last fsync.
"""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pointsman.events.schema import MAX_EVENT_BYTES, ROUTERS
from pointsman.events.segments import Bounds, Segments

_log = logging.getLogger(__name__)
FLUSH_S: Final = 0.1
"""Longest that an event waits for others to be written with."""
_FLUSH_BYTES: Final = 256 * 1024
_RECOVER_S: Final = 10.0
"""Between attempts to use a folder that cannot be used."""
Later = Callable[[float, Callable[[], None]], object]
"""loop.call_later."""


class Spool:
    """
    One run of one writer. `later` runs something on the event loop after so many seconds.

    `schema`: the version that a ledger has to know for these events.

    Its events are numbered from 1 under a new name each time: an unclean end can leave a number on
    disk that is less than one already sent, and the ledger would take the next events for old ones.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        later: Later,
        bounds: Bounds | None = None,
        schema: int = ROUTERS,
    ) -> None:
        self._schema = schema
        self.bounds = bounds or Bounds()
        self.segments = Segments(folder, self.bounds)
        self.name = secrets.token_hex(10)
        self._later = later
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._handed_bytes = self._done_bytes = 0
        """Given to the thread and finished by it; each is written by one thread only."""
        self._given: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._next = 1
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._closed = False
        self.recorded = self.too_large = self.not_taken = 0
        """Events that `put` was given; of them dropped: over MAX_EVENT_BYTES, and because the disk
        is slow."""

    @property
    def dropped(self) -> dict[str, int]:
        """Why -> events that will never reach the ledger."""
        found = dict(self.segments.dropped)
        for why, count in (("TooLarge", self.too_large), ("MemoryFull", self.not_taken)):
            if count:
                found[why] = found.get(why, 0) + count
        return found

    def start(self) -> None:
        """Begin to write; what was put before is not lost."""
        self._thread.start()

    def put(self, event: bytes) -> None:
        """Keep one encoded event. On the event loop."""
        size = len(event)
        self.recorded += 1
        if size > MAX_EVENT_BYTES:
            self.too_large += 1
            return
        waiting = self._handed_bytes - self._done_bytes + self._pending_bytes
        if waiting + size > self.bounds.memory_bytes or self._closed:
            self.not_taken += 1
            return
        if not self._pending:
            self._later(FLUSH_S, self.flush)
        self._pending.append(event)
        self._pending_bytes += size
        if self._pending_bytes >= _FLUSH_BYTES:
            self.flush()

    def needs(self, schema: int) -> None:
        """A ledger has to know this version for what is put from now on. On the event loop."""
        self._schema = max(self._schema, schema)

    def flush(self) -> None:
        """Hand what was put to the thread. On the event loop."""
        if self._pending:
            self._handed_bytes += self._pending_bytes
            self._given.put(self._pending)
            self._pending, self._pending_bytes = [], 0

    def close(self, deadline_s: float) -> bool:
        """Write all and stop; False if that took longer. On the event loop's thread, at the end."""
        self.flush()
        self._closed = True
        self._given.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        recovered = self._recover()
        retry_at_s = time.monotonic() + _RECOVER_S
        synced_s = time.monotonic()
        dirty = False
        while True:
            wait_s = self.bounds.fsync_s if dirty else None
            try:
                events = self._given.get(timeout=wait_s)
            except queue.Empty:
                events = []
            if events is None:
                break
            if events:
                self._write(events)
                dirty = True
            now_s = time.monotonic()
            if not recovered and now_s >= retry_at_s:
                recovered, retry_at_s = self._recover(), now_s + _RECOVER_S
            if dirty and now_s - synced_s >= self.bounds.fsync_s:
                self.segments.sync()
                synced_s, dirty = now_s, False
        self.segments.release()

    def _recover(self) -> bool:
        try:
            self.segments.recover()
        except OSError as error:
            _log.warning("events-folder", extra={"reason": error.strerror})
            return False
        return True

    def _write(self, events: list[bytes]) -> None:
        size = sum(map(len, events))
        try:
            self.segments.add(
                self.name, self._next, events, self._schema, time.time_ns() // 1_000_000
            )
            self._next += len(events)
        except Exception:  # noqa: BLE001 - the thread must live on; counted and logged
            _log.exception("events-lost")
            self.segments.drop("Bug", len(events))
        self._done_bytes += size
