"""Sends the admin stream: Hello, then Ack, Load and Heartbeat, to a few readers at a time.

Guarantees that a change of load is told within 100 ms and at most once in 100 ms, and that the
request path pays one comparison for it. Refuses the ninth reader, drops readers that lag, and ends
streams of a leader that another one has followed.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from msgspec import structs

from pointsman.api.table import AdminEvent, encode
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.live import Live

LOAD_EVERY_S = 0.1
HEARTBEAT_S = 5.0
SERVED_S = 5.0
"""What ended by rule changes with each request and is averaged over a minute."""
ARMS_S = 2.0
"""What the arms of a rollout did: each step waits for it."""
MAX_READERS = 8
"""Two operators of an election, a person or two, and room for connections that died silently."""
MAX_WAITING = 64
"""Lines: over six seconds of load at its fastest."""


class TooManyReadersError(Exception):
    """There are MAX_READERS streams already."""


@dataclass(slots=True, eq=False)
class Reader:
    """One open stream; `epoch` is what the caller said its epoch is."""

    epoch: int
    waiting: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""
    """Why the router ended it."""

    def end(self, reason: str) -> None:
        """No more lines; what waits is dropped."""
        self.ended = self.ended or reason
        self.wake.set()

    async def next_line(self, heartbeat_s: float) -> bytes | None:
        """The next line; None after that much silence. Check `ended` first."""
        if not self.waiting and not self.ended:
            self.wake.clear()
            try:
                async with asyncio.timeout(heartbeat_s):
                    await self.wake.wait()
            except TimeoutError:
                return None
        return self.waiting.popleft() if self.waiting else None


class Broadcast:
    """All streams of a router."""

    def __init__(self, router: str, feed: TableFeed, metrics: ControlMetrics) -> None:
        self._router = router
        self._feed = feed
        self._live: Live = feed.live
        self._metrics = metrics
        self._readers: set[Reader] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._told = self._load()
        self._told_at = 0.0
        self._served_at = self._arms_at = 0.0
        feed.ack_listeners.append(self._acks_changed)

    def join(self, epoch: int) -> Reader:
        """A new reader whose first line is Hello; TooManyReadersError if there is no room."""
        if len(self._readers) >= MAX_READERS:
            raise TooManyReadersError
        reader = Reader(epoch)
        if not self._readers:
            self._live.load_listeners.append(self._load_changed)
            self._told = self._load()
        self._readers.add(reader)
        self._metrics.streams.set(len(self._readers))
        reader.waiting.append(self.line("Hello"))
        return reader

    def leave(self, reader: Reader) -> None:
        """The reader is gone; may be called twice."""
        if reader not in self._readers:
            return
        self._readers.discard(reader)
        self._metrics.streams.set(len(self._readers))
        if reader.ended:
            self._metrics.streams_dropped.labels(reader.ended).inc()
        if not self._readers:
            self._live.load_listeners.remove(self._load_changed)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def outdate(self, epoch: int) -> None:
        """End the streams of all leaders before this epoch."""
        for reader in self._readers:
            if 0 < reader.epoch < epoch:
                reader.end("Outdated")

    def close(self) -> None:
        """End all streams: the router goes."""
        for reader in self._readers:
            reader.end("Closing")

    def line(self, kind: str) -> bytes:
        """One event of this kind, as of now."""
        epoch, serial = self._feed.position or (0, 0)
        load = AdminEvent(type="Load") if kind == "Ack" else self._load()
        if kind in ("Hello", "Heartbeat"):
            load = self._with_sums(load)
        elif kind == "Load" and self._told_at - self._served_at >= SERVED_S:
            self._served_at = self._arms_at = self._told_at
            load = self._with_sums(load)
        elif kind == "Load" and self._told_at - self._arms_at >= ARMS_S:
            self._arms_at = self._told_at
            load = structs.replace(load, arms=self._live.arms() or None)
        return (
            encode(
                structs.replace(
                    load,
                    type=kind,
                    router=self._router if kind == "Hello" else "",
                    epoch=epoch,
                    serial=serial,
                    acks=self._feed.acks if kind in ("Hello", "Ack") else (),
                    unreachable=self._feed.unreachable if kind in ("Hello", "Ack") else (),
                )
            )
            + b"\n"
        )

    def _with_sums(self, load: AdminEvent) -> AdminEvent:
        live = self._live
        return structs.replace(
            load, served=live.served(), failing=live.failing(), budgets=live.budgets(),
            arms=live.arms() or None,
        )  # fmt: skip

    def _acks_changed(self) -> None:
        if self._readers:
            self._send(self.line("Ack"))

    def _load_changed(self) -> None:
        """On the request path, at the begin and end of each request."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            due = max(loop.time(), self._told_at + LOAD_EVERY_S)
            self._timer = loop.call_at(due, self._tell_load)

    def _tell_load(self) -> None:
        self._timer = None
        load = self._load()
        if load == self._told:
            return
        self._told = load
        self._told_at = asyncio.get_running_loop().time()
        self._send(self.line("Load"))

    def _load(self) -> AdminEvent:
        """All counts by backend, as of now."""
        live = self._live
        return AdminEvent(
            type="Load",
            in_flight=dict(live.in_flight),
            finished=dict(live.finished),
            held=dict(live.held),
            missed=dict(live.missed),
            holding=tuple(sorted(name for name, order in live.orders.items() if order.hold)),
        )

    def _send(self, line: bytes) -> None:
        for reader in self._readers:
            if len(reader.waiting) >= MAX_WAITING:
                reader.waiting.clear()
                reader.end("Slow")
            elif not reader.ended:
                reader.waiting.append(line)
                reader.wake.set()
