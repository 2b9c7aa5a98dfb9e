"""What is known about a backend's load, joined from routers and engines; silence is no data.

The load is the number of requests that somebody is waiting for:

    load = held + in flight + elsewhere

* held: at the routers, sent to no replica yet.
* in flight: sent by the routers and not ended. These ARE the requests that the engines run or
  keep waiting: an engine's own waiting count is never added to them, else they count twice.
* elsewhere: what the engines have beyond that, max(0, waiting + running - in flight). It is the
  load of callers that do not come through our routers, on a server shared with others, and of
  routers on their way out. In flight is what it was when the engines were asked, some seconds ago;
  what is on its way between the two comes and goes, and is averaged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MOST_ROUTERS: Final = 64
"""With more, requests are not counted when they end: the memory stays small."""


@dataclass(frozen=True, slots=True)
class RouterReport:
    """One router's counts for one backend; `finished` counts ended requests since it started."""

    router: str
    held: int
    in_flight: int
    finished: int | None = None


@lru_cache(maxsize=4096)
def at_rest(router: str, finished: int | None) -> RouterReport:
    """Of a backend without requests: most of a fleet, of each router, many times a minute."""
    return RouterReport(router, 0, 0, finished)


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One replica's own counts (`vllm:num_requests_waiting`, `vllm:num_requests_running`)."""

    waiting: int
    running: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """The joined load of one backend.

    `finished` has each router's own count, by its name: one that restarts, comes or goes is no
    arrival. None: not counted, decisions then rest on the load alone.
    """

    held: int
    in_flight: int
    elsewhere: int = 0
    finished: Mapping[str, int] | None = None

    @property
    def load(self) -> int:
        """Held + in flight + elsewhere."""
        return self.held + self.in_flight + self.elsewhere


@dataclass(frozen=True, slots=True)
class Fleet:
    """The replicas asked for (`spec.replicas`), those ready, and the measured cold start.

    `cold_start_s` is from a pod's creation to Ready, a median of the last ones; None: never seen.
    """

    replicas: int
    ready: int
    cold_start_s: float | None = None


def join(
    routers: Iterable[RouterReport | None],
    engines: Iterable[EngineReport | None] = (),
    *,
    in_flight_then: int | None = None,
) -> Signal | None:
    """Add the reports up; None (no data) if there is no router, or anyone who is there is silent.

    Engines are passed only where they have a count of their own. `in_flight_then`: how many were in
    flight when they were asked; None: as many as now.
    """
    held = in_flight = occupied = 0
    finished: dict[str, int] = {}
    known = 0
    for router in routers:
        if router is None:
            return None
        known += 1
        held += router.held
        in_flight += router.in_flight
        if router.finished is not None:
            finished[router.router] = router.finished
    for engine in engines:
        if engine is None:
            return None
        occupied += engine.waiting + engine.running
    if known == 0:
        return None
    elsewhere = max(0, occupied - (in_flight if in_flight_then is None else in_flight_then))
    counted = len(finished) == known <= MOST_ROUTERS
    return Signal(held, in_flight, elsewhere, finished if counted else None)
