"""The report as a picture: cost, savings, latency, quality; a row for each model and task."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pointsman.events.schema import NANO
from pointsman.ledger.summary import Line, Summary

MOST = 30
"""Rows; what costs most comes first."""


def draw(summary: Summary, path: Path) -> None:
    """Raises OSError and ValueError where the file cannot be written."""
    figure = figure_of(summary)
    try:
        figure.savefig(path, format="png", dpi=130)
    finally:
        plt.close(figure)


def figure_of(summary: Summary) -> Figure:
    """Four axes: cost, savings, latency, quality. The caller closes it."""
    lines = summary.lines[:MOST][::-1]
    figure, (cost, saved, latency, quality) = plt.subplots(
        1, 4, sharey=True, figsize=(16, 1.6 + 0.55 * max(1, len(lines))), layout="constrained"
    )
    currencies = sorted({line.currency for line in lines if line.currency})
    paid = ", ".join(currencies) or "no currency"
    rows = range(len(lines))
    cost.barh(rows, [_per_thousand(line, line.cost_nano) for line in lines], color="#4472a8")
    cost.set_title(f"cost of 1,000 requests ({paid})")
    saved.barh(rows, [_per_thousand(line, line.savings_nano) for line in lines], color="#5f9ea0")
    saved.axvline(0, color="#808080", linewidth=0.8)
    saved.set_title(f"saved by 1,000 requests ({paid})")
    for row, line in enumerate(lines):
        _draw_times(latency, row, line)
        _draw_quality(quality, row, line)
    latency.set_title("seconds: p50 (green), p95, with intervals")
    slowest = [line.duration.p95.high / 1000 for line in lines if line.duration]
    latency.set_xlim(0, 1.25 * max([0.001, *slowest]))
    quality.set_title("rating, 95 % interval")
    quality.set_xlim(0, 1.25)
    cost.set_ylim(-0.6, max(1, len(lines)) - 0.4)
    cost.set_yticks(rows, [_name(line) for line in lines], fontsize=8)
    return figure


def _name(line: Line) -> str:
    return f"{line.by['backend'] or '-'} · {line.by['task'] or '-'}\n{line.requests:,} requests"


def _per_thousand(line: Line, nano: int) -> float:
    return 1000 * nano / NANO / max(1, line.requests)


def _draw_times(axes: Axes, row: int, line: Line) -> None:
    """Of complete answers, whose number is beside it."""
    if line.duration is None:
        return
    for found, color in ((line.duration.p50, "#3a8a5f"), (line.duration.p95, "#c26a2e")):
        axes.plot([found.low / 1000, found.high / 1000], [row, row], color=color, alpha=0.5)
        axes.scatter(found.value / 1000, row, color=color, zorder=2)
    _count(axes, line.duration.p95.high / 1000, row, line.duration.n)


def _draw_quality(axes: Axes, row: int, line: Line) -> None:
    found = line.quality
    if found is None:
        return
    axes.plot([found.low, found.high], [row, row], color="#b0b0b0", zorder=1)
    axes.scatter(found.value, row, color="#7a4ea3", zorder=2)
    _count(axes, found.high, row, found.n)


def _count(axes: Axes, at: float, row: int, count: int) -> None:
    where = (at, row)
    axes.annotate(f"n = {count:,}", where, (4, -3), textcoords="offset points", fontsize=8)
