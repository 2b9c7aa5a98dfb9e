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
    of: Callable[[Figures], float | None]
    """None if a run that failed has not come to it."""


TARGETS = (
    Target("cold start of the operator to all Ready", "s", 30, lambda f: f.cold_start_s or None),
    Target("policy edit to all acks, p99", "ms", 250, lambda f: f.edit_p99_ms or None),
    Target("operator's memory, resident", "MiB", 200, lambda f: f.rss_mib or None),
    Target(
        "operator's CPU at rest",
        "% of a core",
        5,
        lambda f: f.idle_cpu_percent if f.idle_s else None,
    ),
    Target(
        "writes at rest", "", 0, lambda f: float(sum(f.idle_writes.values())) if f.idle_s else None
    ),
)
OF_SIZE = 1000
"""Backends that the targets are for."""


def verdict(target: Target, figures: Figures) -> str:
    """`met`, `MISSED` or `not measured`."""
    seen = target.of(figures)
    if seen is None:
        return "not measured"
    return "met" if seen <= target.most else "MISSED"


def shown(target: Target, figures: Figures) -> str:
    """What was seen, with its unit."""
    seen = target.of(figures)
    return "" if seen is None else f"{seen:.4g} {target.unit}".strip()
