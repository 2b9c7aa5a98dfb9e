"""What is asked of a proxy, and what one window of it showed.

Guarantees that each window ends by itself, and that a proxy is at rest, or said not to be, before
the next one is asked.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.perf import generator, processes
from tests.perf.peers import SLOW, Proxy

SLOW_WARM_S, SLOW_WINDOW_S, SLOW_ROUNDS = 4.0, 10.0, 3
"""LiteLLM answers 256 at once after 2.5 s: a shorter window would see none that began in it."""


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` at once; each asks when it is answered, or all together at `rate` a second."""

    kind: str
    connections: int
    rate: float = 0.0
    longs: float = 0.0
    """Prompts of 200,000 tokens a second, beside the others."""
    warm_s: float = 0.3
    """Before the window: until all streams that begin at once have begun."""


LOADS = {
    "c1": Load("whole", 1),
    "c32": Load("whole", 32),
    "c256": Load("whole", 256),
    "r500": Load("whole", 64, rate=500.0),
    "long": Load("whole", 64, rate=500.0, longs=4.0),
    "s256": Load("stream", 256, warm_s=1.0),
    "s1000": Load("stream", 1000, warm_s=4.0),
}
_RATE = "answers fewer than 500 requests a second"
SKIPPED = {
    "r500": _RATE,
    "long": _RATE,
    "s1000": "passes on fewer chunks than 1,000 streams have",
}
"""Why a slow peer is not asked so."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One window; `cpu_ms` is for 1,000 answers, of streams for 1,000 chunks."""

    load: str
    proxy: str
    round: int
    per_s: float
    cpu_ms: float
    busy: float
    """Share of its core that the proxy took."""
    others: float
    """Share of that core that other work took."""
    feeders: float
    """Share of the other cores that is taken: by load, backend and whatever else."""
    p50_us: float
    """Of whole answers; of streams until the first event."""
    p99_us: float
    gap_p99_us: float
    errors: int
    error_samples: tuple[str, ...]
    rested: bool
    """False if the proxy before was still at work."""


def skipped(load: str, proxy: str, number: int) -> bool:
    """Whether this window is left out: of slow peers only."""
    return proxy in SLOW and (load in SKIPPED or number >= SLOW_ROUNDS)


def times_s(load: str, proxy: str, seconds: float) -> tuple[float, float]:
    """How long before the window, and in it."""
    if proxy in SLOW and LOADS[load].connections >= 256:
        return SLOW_WARM_S, SLOW_WINDOW_S
    return LOADS[load].warm_s, seconds


def flags(load: Load, proxy: Proxy, warm_s: float, window_s: float) -> dict[str, object]:
    """Of the load generator."""
    found: dict[str, object] = {"kind": load.kind, "connections": load.connections}
    found |= {"rate": load.rate, "long": load.longs, "header": proxy.header}
    found |= {"warm": f"{warm_s}s", "window": f"{window_s}s"}
    if proxy.name in SLOW:
        found |= {"lax": "true", "stalled": "30s"}
    return found


def window(binary: Path, name: str, proxy: Proxy, seconds: float, number: int) -> Sample:
    """One proxy under one load."""
    load = LOADS[name]
    core, rest = processes.cores()
    resting = rest.split(",")

    def counters() -> tuple[float, float, float]:
        feeding_s = sum(processes.core_busy_s(each) for each in resting)
        return processes.cpu_s(proxy.pids), processes.core_busy_s(core), feeding_s

    asked = flags(load, proxy, *times_s(name, proxy.name, seconds))
    seen, (used_s, busy_s, fed_s) = generator.load(binary, rest, proxy.port, asked, counters)
    rested = processes.until_idle(proxy.pids)
    count = seen.chunks if load.kind == "stream" else seen.answers
    nothing = count == 0 or (load.longs > 0 and seen.longs == 0)
    return Sample(
        load=name,
        proxy=proxy.name,
        round=number,
        per_s=count / seen.elapsed_s,
        cpu_ms=used_s * 1e6 / max(count, 1),
        busy=used_s / seen.elapsed_s,
        others=max(busy_s - used_s, 0.0) / seen.elapsed_s,
        feeders=fed_s / len(resting) / seen.elapsed_s,
        p50_us=seen.p50_us,
        p99_us=seen.p99_us,
        gap_p99_us=seen.gap_p99_us,
        errors=seen.errors + nothing,
        error_samples=tuple(seen.error_samples or ()),
        rested=rested,
    )
