"""From a body to a committed transaction: decoded beside the event loop, committed in groups.

Guarantees that what is held is bounded in number and size, that a body is answered only after its
transaction, and that one event which the store cannot keep costs only itself.
"""

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from pointsman.ledger.batches import BadBody, Batch, read
from pointsman.ledger.contract import BadData, Store, StoreAway, StoreError, Taken
from pointsman.ledger.metrics import Metrics
from pointsman.ledger.rows import BEGIN_MS

_log = logging.getLogger(__name__)
GROUP_EVENTS: Final = 20_000
"""Events of one transaction, if more than one body waits."""
_MARGIN_S: Final = 1.0
"""Beyond the store's own deadline, waiting for the groups before included. What is committed after
that is known when it comes again."""
_GZIP: Final = 31


class TooLarge(ValueError):
    """The decoded body is over the bound."""


class _Waiting(msgspec.Struct):
    batch: Batch
    done: asyncio.Future[Taken]


def now_ms() -> int:
    """Unix time."""
    return time.time_ns() // 1_000_000


def decoded(body: bytes, encoding: str, bound: int) -> Batch:
    """Raises BadBody, NewerSchema and TooLarge."""
    if encoding == "gzip":
        body = _unzipped(body, bound)
    elif encoding not in ("", "identity"):
        raise BadBody("its content-encoding is neither gzip nor identity")
    if len(body) > bound:
        raise TooLarge
    return read(body)


def _unzipped(body: bytes, bound: int) -> bytes:
    """Never makes more than the bound of it."""
    unzip = zlib.decompressobj(_GZIP)
    try:
        found = unzip.decompress(body, bound + 1)
    except zlib.error:
        raise BadBody("it is no gzip") from None
    if len(found) > bound:
        raise TooLarge
    if not unzip.eof or unzip.unused_data:
        raise BadBody("its gzip is cut off, or something is behind it")
    return found


class Intake:
    """
    `writers`: transactions at once; 1 for SQLite.

    At most `waiting` batches are held, and one of them or `held_bytes` of bodies.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        writers: int,
        waiting: int,
        held_bytes: int,
        timeout_s: float,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._writers = writers
        self._held_bytes = held_bytes
        self._bytes = 0
        self._timeout_s = timeout_s
        self.clock = clock
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(waiting)
        self._threads = ThreadPoolExecutor(writers, "ledger-writer")

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._writers):
                    group.create_task(self._write())
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def take(self, batch: Batch) -> Taken:
        """Returns after the commit. Raises StoreError."""
        if self._waiting.full() or (self._bytes and self._bytes + batch.bytes > self._held_bytes):
            raise StoreAway("too much waits for the store")
        done: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._bytes += batch.bytes
        try:
            self._waiting.put_nowait(_Waiting(batch, done))
            async with asyncio.timeout(self._timeout_s + _MARGIN_S):
                return await done
        except TimeoutError:
            raise StoreAway("the store took too long") from None
        finally:
            self._bytes -= batch.bytes

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self._waiting.get()]
            size = group[0].batch.size
            while size < GROUP_EVENTS and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
                size += group[-1].batch.size
            group = [one for one in group if not one.done.done()]
            if not group:
                continue
            batches = [one.batch for one in group]
            try:
                taken = await loop.run_in_executor(self._threads, self._ingest, batches)
            except StoreError as error:
                self._failed(group, error)
            except Exception:  # noqa: BLE001 - logged and counted, and the process must live on
                _log.exception("ingest-failed")
                self._failed(group, StoreAway("an error of this program"))
            else:
                for one, result in zip(group, taken, strict=True):
                    self._metrics.took(result)
                    if not one.done.done():
                        one.done.set_result(result)

    def _failed(self, group: Sequence[_Waiting], error: StoreError) -> None:
        self._metrics.store_failures.inc()
        for one in group:
            if not one.done.done():
                one.done.set_exception(error)

    def _ingest(self, batches: Sequence[Batch]) -> list[Taken]:
        """In a thread. What the store cannot keep is found by halving, and refused."""
        if self.clock() < BEGIN_MS:
            raise StoreAway("the clock of this machine is wrong: every event would seem to be")
        try:
            return self._store.ingest(batches, self.clock())
        except BadData as error:
            _log.warning("bad-data", extra={"reason": str(error), "batches": len(batches)})
        if len(batches) > 1:
            return [taken for batch in batches for taken in self._ingest([batch])]
        halves = batches[0].split()
        if len(halves) == 1:
            return self._store.ingest([halves[0].refused("OutOfRange")], self.clock())
        return [_sum([taken for half in halves for taken in self._ingest([half])])]


def _sum(parts: Sequence[Taken]) -> Taken:
    refused: dict[str, int] = {}
    for part in parts:
        for reason, count in part.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    return Taken(
        next=parts[-1].next,
        refused=refused,  # type: ignore[arg-type]
        **{
            name: sum(getattr(part, name) for part in parts)
            for name in (
                "known",
                "lost",
                "requests",
                "feedback",
                "waiting",
                "windows",
                "evaluations",
                "reviews",
            )
        },
    )
