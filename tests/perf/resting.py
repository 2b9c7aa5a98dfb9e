"""What a proxy takes without being asked much: its start, and memory, idle and with silent streams.

Each is started anew for it. Guarantees that streams which did not open are an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.perf import generator, processes
from tests.perf.loads import LOADS, flags
from tests.perf.peers import SLOW, Start

STREAMS = 1000
_OPEN_S, _SLOW_OPEN_S, _HELD_S, _SERVE_S = 2.0, 15.0, 0.2, 0.3


@dataclass(frozen=True, slots=True)
class Resting:
    """One start of one proxy; memory is of all its processes together."""

    proxy: str
    round: int
    start_s: float
    """Until a chat request was answered."""
    rss_mib: float
    pss_mib: float
    streams: int
    """That were open at once, each with one event and then silence."""
    rss_mib_1000: float
    """What 1,000 of them added, after 32 connections had been served."""
    pss_mib_1000: float
    errors: int
    error_samples: tuple[str, ...]


def memory_mib(pids: Sequence[int]) -> tuple[float, float]:
    """Resident and proportional set size together."""
    each = [processes.memory_kib(pid) for pid in pids]
    return sum(rss for rss, _ in each) / 1024, sum(pss for _, pss in each) / 1024


def rest(binary: Path, name: str, start: Start, ports: list[int], number: int) -> Resting:
    """Start it, look, serve a moment, open the streams, look again."""
    core, others = processes.cores()
    with start(core, ports) as proxy:
        processes.until_idle(proxy.pids)
        idle = memory_mib(proxy.pids)
        generator.load(binary, others, proxy.port, flags(LOADS["c32"], proxy, _SERVE_S, _SERVE_S))
        processes.until_idle(proxy.pids)
        before = memory_mib(proxy.pids)
        open_s = _SLOW_OPEN_S if name in SLOW else _OPEN_S
        asked = flags(LOADS["s256"], proxy, open_s, _HELD_S)
        asked |= {"kind": "silent", "connections": STREAMS}
        held: list[tuple[float, float]] = []

        def look() -> tuple[float, ...]:
            held.append(memory_mib(proxy.pids))
            return ()

        seen, _ = generator.load(binary, others, proxy.port, asked, look)
    added = [max(after - was, 0.0) for after, was in zip(held[-1], before, strict=True)]
    each = STREAMS / max(seen.answers, 1)
    return Resting(
        proxy=name,
        round=number,
        start_s=proxy.start_s,
        rss_mib=idle[0],
        pss_mib=idle[1],
        streams=seen.answers,
        rss_mib_1000=added[0] * each,
        pss_mib_1000=added[1] * each,
        errors=seen.errors,
        error_samples=tuple(seen.error_samples or ()),
    )
