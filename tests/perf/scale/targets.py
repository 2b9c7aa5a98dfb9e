"""What is asked of the largest fleet, each beside what was seen."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.perf.scale.measure import Figures


@dataclass(frozen=True, slots=True)
class Target:
    """At most `most` of `unit`."""

    what: str
    unit: str
    most: float
    of: Callable[[Figures], float]


TARGETS = (
    Target("cold start of the operator to all Ready", "s", 30, lambda f: f.cold_start_s),
    Target("policy edit to all acks, p99", "ms", 250, lambda f: f.edit_p99_ms),
    Target("operator's memory, resident", "MiB", 200, lambda f: f.rss_mib),
    Target("operator's CPU at rest", "% of a core", 5, lambda f: f.idle_cpu_percent),
    Target("writes at rest", "", 0, lambda f: float(sum(f.idle_writes.values()))),
)
OF_SIZE = 1000
"""Backends that the targets are for."""


def verdict(target: Target, figures: Figures) -> str:
    """`met` or `MISSED`."""
    return "met" if target.of(figures) <= target.most else "MISSED"
