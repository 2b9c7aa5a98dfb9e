"""The measured costs, as `python -m tests.perf.scale --json` wrote them, and lines through them.

A line is a claim: what grows faster than it, is not seen. The sizes that were measured, and how far
a line misses them, are printed beside what follows from it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Line:
    """`base + each * n`; `miss` is the largest relative error at a measured point."""

    base: float
    each: float
    miss: float

    def at(self, n: float) -> float:
        """Its value."""
        return self.base + self.each * n


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """
    Least squares; neither part below zero.

    Through zero where one size was measured only; its error is then not known (nan). Raises
    ValueError without a point.
    """
    if not points:
        raise ValueError("a line needs a point")
    if len({n for n, _ in points}) < 2:
        n, value = points[-1]
        return Line(0.0, value / n if n else value, float("nan"))
    mean_n = sum(n for n, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((n - mean_n) ** 2 for n, _ in points)
    each = max(0.0, sum((n - mean_n) * (value - mean) for n, value in points) / spread)
    base = max(0.0, mean - each * mean_n)
    miss = (
        max(abs(base + each * n - value) / value for n, value in points if value)
        if any(value for _, value in points)
        else 0.0
    )
    return Line(base, each, miss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of the control plane, each by the number of what it grows with."""

    cold_cpu_s: Line
    rss_mib: Line
    idle_percent: Line
    """All by backends."""
    manifest_bytes: Line
    blob_bytes: Line
    ack_bytes: Line
    ack_ms: Line
    """Reading one Ack of a router."""
    reconcile_ms: Line
    """CPU of one reconcile of the table. All by policies."""
    swap_first_ms: Line
    swap_one_ms: Line
    reconciles: float
    """Of the table, for one edit."""


def _reconcile_ms(row: Mapping[str, Any]) -> float:
    """The operator's CPU for an edit without its acks, by reconciles."""
    acks_ms = float(row["routers"]) * float(row["ack_read_ms"])
    return max(0.1, float(row["edit_cpu_ms"]) - acks_ms) / max(1.0, float(row["edit_reconciles"]))


def costs_of(rows: Sequence[Mapping[str, Any]]) -> Costs:
    """From the figures of two sizes or more."""

    def by(what: str, of: str) -> Line:
        found = [(float(row[of]), float(row[what])) for row in rows if row.get(what) is not None]
        if not found:
            raise ValueError(f"no row has {what}")
        return fit(found)

    counted = [float(row["edit_reconciles"]) for row in rows if row.get("edit_reconciles")]
    if not counted:
        raise ValueError("no row has edit_reconciles")
    reconciles = sum(counted) / len(counted)
    return Costs(
        cold_cpu_s=by("cold_cpu_s", "backends"),
        rss_mib=by("rss_mib", "backends"),
        idle_percent=by("idle_cpu_percent", "backends"),
        manifest_bytes=by("manifest_bytes", "policies"),
        blob_bytes=by("blob_bytes", "policies"),
        ack_bytes=by("ack_bytes", "policies"),
        ack_ms=by("ack_read_ms", "policies"),
        reconcile_ms=fit(
            [
                (float(row["policies"]), _reconcile_ms(row))
                for row in rows
                if row.get("edit_reconciles")
            ]
        ),
        swap_first_ms=by("swap_first_ms", "policies"),
        swap_one_ms=by("swap_one_ms", "policies"),
        reconciles=reconciles,
    )


def load(path: Path = MEASURED) -> list[dict[str, Any]]:
    """The rows of a file; raises ValueError if it has other content."""
    found = json.loads(path.read_text())
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ValueError(f"{path.name} is no list of figures")
    return found
