"""`python -m tests.perf.flat [--requests N] [--warm N] [--proxy NAME] [--json PATH]`: memory.

A million requests at 32 connections, in short windows, with a second of streams after each; the
resident size then, once the router is at rest. As many come before it, in which caches and the
allocator's pages fill. What is asked: does it grow? The slope is the median
of all pairs' slopes (Theil 1950, Sen 1968), since one window that grows a heap once is no leak; its
interval is Sen's, of 95 %. Ends by itself.
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from tests.bench import netns
from tests.perf import generator, peers, processes
from tests.perf.loads import Load, flags
from tests.perf.resting import memory_mib

REQUESTS: Final = 1_000_000
WINDOWS: Final = 30
"""Of whole answers, in as many requests as are compared; as many of streams."""
WARM: Final = 1_000_000
"""Requests before anything is compared: as long as the allocator takes to have all its pages."""
TOLERATED_KIB: Final = 0.1
"""A tenth of a byte of each request: 1 MiB in ten million."""
MOST_S: Final = 1200.0
LOADS: Final = (Load("whole", 32), Load("stream", 32))
_FIRST_S, _LEAST_S, _MOST_S = 1.0, 0.2, 30.0
"""Of a window: the first tells how long the next has to be."""
NORMAL_97_5: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Point:
    """After `requests` answers in all."""

    requests: int
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Slope:
    """KiB for 1,000 requests, with its 95 % interval."""

    kib_1000: float
    low: float
    high: float

    @property
    def is_flat(self) -> bool:
        """Whether no growth worth the name is within the interval."""
        return self.low <= TOLERATED_KIB


def slope(points: Sequence[Point]) -> Slope:
    """Of four points or more; ValueError for fewer."""
    if len(points) < 4:
        raise ValueError(f"{len(points)} points tell no slope")
    each = sorted(
        (b.rss_mib - a.rss_mib) * 1024 / (b.requests - a.requests) * 1000
        for a, b in combinations(points, 2)
    )
    count = len(points)
    half = NORMAL_97_5 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(round((len(each) - half) / 2) - 1, 0)
    high = min(round((len(each) + half) / 2), len(each) - 1)
    return Slope(statistics.median(each), each[low], each[high])


def compared(points: Sequence[Point], warm: int) -> list[Point]:
    """Without what the warming takes."""
    return [point for point in points if point.requests >= warm]


def measure(binary: Path, start: peers.Start, requests: int, warm: int) -> list[Point]:
    """RuntimeError if an answer was wrong, or if it takes longer than MOST_S."""
    core, others = processes.cores()
    points: list[Point] = []
    asked, took_s = 0, 0.0
    windows_s = dict.fromkeys(LOADS, _FIRST_S)
    with generator.mock(binary, others) as ports, start(core, ports) as proxy:
        while asked < warm + requests:
            load = LOADS[len(points) % len(LOADS)]
            flagged = flags(load, proxy, load.warm_s, windows_s[load])
            seen, _ = generator.load(binary, others, proxy.port, flagged)
            if seen.errors or not seen.answers:
                raise RuntimeError(f"{seen.errors} errors: {seen.error_samples}")
            if took_s > MOST_S:
                raise RuntimeError(f"{asked} requests took {took_s:.0f} s")
            took_s += seen.elapsed_s
            asked += seen.answers
            processes.until_idle(proxy.pids)
            points.append(Point(asked, memory_mib(proxy.pids)[0]))
            if load.kind == "whole":  # a stream lasts: they are few
                window_s = requests / WINDOWS * seen.elapsed_s / seen.answers
                windows_s[load] = min(max(window_s, _LEAST_S), _MOST_S)
    return points


def main() -> int:
    """Print; 1 if it grows."""
    parser = argparse.ArgumentParser(description="Whether the router's memory grows.")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="that are compared")
    parser.add_argument("--warm", type=int, default=WARM, help="requests before them")
    parser.add_argument("--proxy", default="plain", help=f"of {','.join(peers.OURS)}")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    binary = generator.build()
    starts = peers.available([options.proxy])
    if options.proxy not in starts:
        parser.error(f"{options.proxy} is not there")

    def run() -> int:
        if os.geteuid() == 0:
            netns.enter_new()
        points = measure(binary, starts[options.proxy], options.requests, options.warm)
        kept = compared(points, options.warm)
        found = slope(kept)
        if options.json:
            told = {"points": [asdict(point) for point in points], "slope": asdict(found)}
            options.json.write_text(json.dumps(told, indent=1) + "\n")
        print(f"{options.proxy}, {points[-1].requests:,} requests, {len(points)} windows")
        first, last = kept[0], kept[-1]
        print(f"RSS {first.rss_mib:.1f} MiB at {first.requests:,}, {last.rss_mib:.1f} at the end")
        print(
            f"{found.kib_1000:+.3f} KiB for 1,000 requests [{found.low:+.3f}, {found.high:+.3f}]: "
            f"{'flat' if found.is_flat else 'IT GROWS'}"
        )
        return 0 if found.is_flat else 1

    return processes.in_own_session(run)


if __name__ == "__main__":
    sys.exit(main())
