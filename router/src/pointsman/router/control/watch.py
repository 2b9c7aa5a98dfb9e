"""List and watch one kind of objects, for ever: the last state stays while the server is away.

Guarantees that a change is seen within inactivity deadline plus backoff whatever happens to the
stream (410, ERROR, garbage, silence, reset), and that a full list repairs what was missed. An
object that cannot be read is left out, counted, and harms no other.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

from pointsman.router.control.kube import ApiError, KubeClient, Unreachable, decode
from pointsman.router.control.metrics import ControlMetrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines of a watch, in seconds."""

    watch_s: float = 300.0
    """Asked from the server: within the API server's own 5 to 10 minutes."""
    inactivity_s: float = 70.0
    """Bookmarks come every minute; longer silence is a dead connection."""
    relist_s: float = 300.0
    """A full list repairs whatever a watch has lost; jittered by a fifth."""
    backoff_min_s: float = 0.2
    backoff_max_s: float = 10.0


class Meta(msgspec.Struct, frozen=True):
    """What matters of an object's metadata."""

    name: str = ""
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' spelling
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Object(msgspec.Struct, frozen=True):
    """Base of every kind that is watched."""

    metadata: Meta


_LONG_S = 1.0
"""A watch that lasts this long worked, though nothing may have happened."""
ObjectT = TypeVar("ObjectT", bound=Object)


class _List(msgspec.Struct):
    kind: str
    metadata: Meta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Error(msgspec.Struct):
    code: int = 0


_Word = Literal["Refused", "Unreachable", "Gone", "StreamError", "Garbage", "Bug"]


@dataclass(slots=True)
class _Interrupted(Exception):
    """The session is over; `word` is the reason for log and metric."""

    word: _Word
    facts: str


class Reflector(Generic[ObjectT]):
    """`changed` is called with all objects by name, on the loop, after each batch of changes."""

    def __init__(
        self,
        client: KubeClient,
        kind: type[ObjectT],
        *,
        watched: str,
        path: str,
        changed: Callable[[Mapping[str, ObjectT]], None],
        metrics: ControlMetrics,
        selector: str = "",
        timing: Timing | None = None,
    ) -> None:
        self.watched = watched
        self.synced = False
        """True after the first full list."""
        self.failing = ""
        """Why the latest session ended, while no new one has begun."""
        self._client = client
        self._path = path
        self._kind = kind
        self._changed = changed
        self._metrics = metrics
        self._params = {"labelSelector": selector} if selector else {}
        self._timing = timing or Timing()
        self._objects: dict[str, ObjectT] = {}
        self._version = ""
        self._productive = False

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        pause_s = self._timing.backoff_min_s
        while True:
            self._productive = False
            interruption = await self._session()
            if self._productive:
                pause_s = self._timing.backoff_min_s
            if interruption is not None:
                self.failing = interruption.facts
                self._metrics.watch_failures.labels(self.watched, interruption.word).inc()
                _log.warning(
                    "watch-interrupted",
                    extra={
                        "watch": self.watched,
                        "reason": interruption.word,
                        "detail": interruption.facts,
                    },
                )
            if not self._productive or interruption is not None:
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause_s = min(pause_s * 2, self._timing.backoff_max_s)

    async def _session(self) -> _Interrupted | None:
        """One list and its watches, until it is time for the next list or something breaks."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads the lists of a fleet
        relist_at = asyncio.get_running_loop().time() + self._timing.relist_s * jitter
        try:
            await self._list()
            while (left_s := relist_at - asyncio.get_running_loop().time()) > 0:
                await self._watch(left_s)
        except _Interrupted as interruption:
            return interruption
        except ApiError as error:
            word: _Word = "Gone" if error.status == 410 else "Refused"
            return _Interrupted(word, str(error))
        except Unreachable as error:
            return _Interrupted("Unreachable", str(error))
        except Exception as error:  # noqa: BLE001 - logged, counted by run(), tried again
            # A bug behind `changed` must not end the watch: the router serves what it has.
            _log.exception("watch-bug", extra={"watch": self.watched})
            return _Interrupted("Bug", type(error).__name__)
        return None

    async def _list(self) -> None:
        found: _List = decode(await self._client.get(self._path, self._params), _List)
        if not (found.kind.endswith("List") and found.metadata.resourceVersion):
            raise Unreachable("the answer is no list")  # and not a list without items
        readable = (self._read(item) for item in found.items or ())
        self._objects = {item.metadata.name: item for item in readable if item is not None}
        self._version = found.metadata.resourceVersion
        self.synced, self.failing = True, ""
        self._changed(self._objects)

    async def _watch(self, left_s: float) -> None:
        began = asyncio.get_running_loop().time()
        params = self._params | {
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
        }
        stream = self._client.watch(
            self._path,
            params,
            watch_s=min(self._timing.watch_s, left_s),
            inactivity_s=self._timing.inactivity_s,
        )
        async with aclosing(stream) as batches:
            async for lines in batches:
                self._productive = True
                changes = [self._apply(line) for line in lines]
                if any(changes):
                    self._changed(self._objects)
        if asyncio.get_running_loop().time() - began >= min(left_s, _LONG_S):
            self._productive = True
        elif not self._productive:
            raise _Interrupted("Unreachable", "the watch ended at once")

    def _apply(self, line: bytes) -> bool:
        """One event; True if the objects changed."""
        if not line.strip():
            return False
        try:
            event = msgspec.json.decode(line, type=_Event)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Interrupted("Garbage", "a line of the watch is no event") from error
        if event.type == "ERROR":
            code = decode(event.object, _Error).code
            raise _Interrupted("Gone" if code == 410 else "StreamError", f"in-stream {code}")
        item = self._read(event.object)
        if item is None:
            return False
        self._version = item.metadata.resourceVersion or self._version
        if event.type == "BOOKMARK":
            return False
        if event.type == "DELETED":
            return self._objects.pop(item.metadata.name, None) is not None
        before = self._objects.get(item.metadata.name)
        self._objects[item.metadata.name] = item
        return item != before

    def _read(self, raw: msgspec.Raw) -> ObjectT | None:
        try:
            return msgspec.json.decode(raw, type=self._kind)
        except (msgspec.DecodeError, RecursionError):
            self._metrics.poison.labels(self.watched).inc()
            _log.warning("object-unreadable", extra={"watch": self.watched})
            return None
