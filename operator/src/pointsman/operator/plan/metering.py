"""PURE: how long a backend's replicas were there, what that cost, and how much of it was idle.

Told in windows of 5 minutes, each once. A replica counts from when its machine is taken until it is
gone, starting and idle too. What was not seen is not made up: a replica that came and went while
nobody looked is missing, and its window says how much of it was watched.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pointsman.api.quantity import parse_price
from pointsman.api.v1alpha1.cost import Cost
from pointsman.events.schema import NANO, WINDOW_MS, Replicas
from pointsman.operator.plan.objects import Json, conditions_of, meta

WATCH_MS: Final = 120_000
"""Between two looks as near as that everything was seen: a watch tells each change, and what it
loses is found by the next full resync, 80 s later at most. Longer where resyncs are rarer."""
LOOK_MS: Final = 15_000
"""Requests that were counted so long ago say nothing of now: three heartbeats of a router."""
BACK_MS: Final = 3_600_000
"""So much of the time before it a new process tells: another may have ended with windows unsent.
The ledger knows those that were not."""
MOST_MS: Final = 86_400_000
"""A process that saw nothing for longer tells no more than that."""
_HOUR_MS: Final = 3_600_000
Span = tuple[int, int]
"""From, to: Unix time in ms."""


def window_of(at_ms: int) -> int:
    """When the window began that holds this moment."""
    return at_ms - at_ms % WINDOW_MS


def moment_ms(text: object) -> int | None:
    """Of a time as Kubernetes writes it; None for what is none."""
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def replicas_of(pods: Sequence[Json]) -> dict[str, int | None]:
    """
    Since when pods take a machine, by uid; None where they do not say.

    A pod without a node takes none yet; one that has ended takes none any more; one that is on its
    way out still does.
    """
    return {
        str(meta(pod).get("uid", "")): _placed_ms(pod)
        for pod in pods
        if (pod.get("spec") or {}).get("nodeName")
        and (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
    }


def _placed_ms(pod: Json) -> int | None:
    for condition in conditions_of(pod):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "True":
            return moment_ms(condition.get("lastTransitionTime"))
    return moment_ms((pod.get("status") or {}).get("startTime"))


class Account:
    """
    One backend, from `since_ms` on: before that it had no replicas, or they were not paid.

    `cost` may be replaced at any time: a window is told by the prices that it ends with.
    """

    def __init__(
        self,
        uid: str,
        backend: str,
        cost: Cost,
        *,
        since_ms: int,
        now_ms: int,
        watch_ms: int = WATCH_MS,
    ) -> None:
        self._watch_ms = watch_ms
        self.uid = uid
        self.backend = backend
        self.cost = cost
        self._since_ms = since_ms
        self._closed_ms = window_of(max(since_ms, now_ms - BACK_MS))
        self._seen_ms: int | None = None
        self._looked_ms: int | None = None
        self._there: dict[str, int] = {}
        self._gone: list[Span] = []
        self._watched: list[Span] = [(self._closed_ms, since_ms)]
        self._idle: list[tuple[int, int, int]] = []
        """From, to, how many replicas."""

    def see(self, replicas: Mapping[str, int | None], now_ms: int) -> None:
        """These are there now, since their times; whoever is missing went."""
        seen_ms = self._seen_ms
        watching = seen_ms is not None and 0 <= now_ms - seen_ms <= self._watch_ms
        if seen_ms is not None and watching:
            self._watch(seen_ms, now_ms)
        for name in self._there.keys() - replicas.keys():
            until_ms = now_ms if watching or seen_ms is None else min(seen_ms, now_ms)
            self._gone.append((self._there.pop(name), until_ms))
        for name, since_ms in replicas.items():
            stated_ms = now_ms if since_ms is None else max(since_ms, self._since_ms)
            self._there.setdefault(name, min(stated_ms, now_ms))
        self._seen_ms = now_ms

    def _watch(self, from_ms: int, to_ms: int) -> None:
        if self._watched[-1:] and self._watched[-1][1] == from_ms:
            from_ms = self._watched.pop()[0]
        self._watched.append((from_ms, to_ms))

    def look(self, in_flight: int | None, now_ms: int) -> None:
        """So many requests are with it now, or nobody knows: that many replicas may be at work."""
        last_ms, self._looked_ms = self._looked_ms, now_ms
        if in_flight is None:
            self._looked_ms = None
        elif last_ms is not None and self._seen_ms is not None:
            near = 0 < now_ms - last_ms <= LOOK_MS and now_ms - self._seen_ms <= self._watch_ms
            count = len(self._there) - in_flight
            if near and count > 0:
                self._idle.append((last_ms, now_ms, count))

    def close(self) -> list[Replicas]:
        """What there is to tell of windows that have ended, as far as was looked."""
        return self._close(self._seen_ms or 0)

    def end(self, now_ms: int) -> list[Replicas]:
        """The same with the window that has not: from now on there is nothing to pay."""
        if self._seen_ms is None:
            return []
        self.see({}, now_ms)
        until_ms = window_of(now_ms + WINDOW_MS - 1)
        self._watch(now_ms, until_ms)
        return self._close(until_ms)

    def _close(self, until_ms: int) -> list[Replicas]:
        found: list[Replicas] = []
        self._closed_ms = max(self._closed_ms, window_of(until_ms - MOST_MS))
        while self._closed_ms + WINDOW_MS <= until_ms:
            found.append(self._window(self._closed_ms))
            self._closed_ms += WINDOW_MS
        if found:
            closed = self._closed_ms
            self._gone = [span for span in self._gone if span[1] > closed]
            self._watched = [span for span in self._watched if span[1] > closed]
            self._idle = [one for one in self._idle if one[1] > closed]
        return found

    def _window(self, from_ms: int) -> Replicas:
        window = (from_ms, from_ms + WINDOW_MS)
        there = [(since_ms, self._seen_ms or 0) for since_ms in self._there.values()]
        parts = [part for span in (*self._gone, *there) if (part := _common(span, window))]
        replica_ms = sum(to - begin for begin, to in parts)
        idle_ms = sum(
            count * (part[1] - part[0])
            for begin, to, count in self._idle
            if (part := _common((begin, to), window))
        )
        idle_ms = min(idle_ms, replica_ms)
        cost_nano = cost_of(parts, self.cost)
        return Replicas(
            account=self.uid,
            backend=self.backend,
            from_ms=from_ms,
            replica_ms=replica_ms,
            watched_ms=_length(self._watched, window),
            idle_ms=idle_ms,
            cost_nano=cost_nano,
            idle_nano=cost_nano * idle_ms // replica_ms if replica_ms else 0,
            currency=self.cost.currency,
        )


def cost_of(parts: Iterable[Span], cost: Cost) -> int:
    """Of the replicas of these times, in billionths, rounded half up once."""
    later = sorted((moment_ms(one.valid_from) or 0, one.replica_hour) for one in cost.changes)
    prices = [(0, cost.replica_hour), *later]
    ends = [begin for begin, _ in later]
    total = 0
    for span in parts:
        for (begin, price), end in zip(prices, (*ends, span[1]), strict=True):
            if price is not None and (part := _common(span, (begin, end))):
                total += (part[1] - part[0]) * int(parse_price(price) * NANO)
    return (total + _HOUR_MS // 2) // _HOUR_MS


def _common(one: Span, other: Span) -> Span | None:
    begin, end = max(one[0], other[0]), min(one[1], other[1])
    return (begin, end) if begin < end else None


def _length(spans: Iterable[Span], window: Span) -> int:
    """Of what the spans cover of the window, however often: a clock may have gone back."""
    total, until_ms = 0, window[0]
    for begin, end in sorted(part for span in spans if (part := _common(span, window))):
        total += max(0, end - max(begin, until_ms))
        until_ms = max(until_ms, end)
    return total
