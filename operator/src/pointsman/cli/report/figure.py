"""The report as a picture: cost, latency and quality, a row for each model and task."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from pointsman.cli.report.tables import NANO
from pointsman.ledger.summary import Summary

MOST = 30
"""Rows; what costs most comes first."""


def draw(summary: Summary, path: Path) -> None:
    """Raises OSError and ValueError where the file cannot be written."""
    lines = summary.lines[:MOST][::-1]
    names = [
        f"{line.by['backend'] or '-'} · {line.by['task'] or '-'}\n{line.requests:,} requests"
        for line in lines
    ]
    rows = range(len(lines))
    figure, (cost, latency, quality) = plt.subplots(
        1, 3, sharey=True, figsize=(13, 1.6 + 0.55 * max(1, len(lines))), layout="constrained"
    )
    per_thousand = [1000 * line.cost_nano / NANO / max(1, line.requests) for line in lines]
    cost.barh(rows, per_thousand, color="#4472a8")
    currencies = sorted({line.currency for line in lines if line.currency})
    cost.set_title(f"cost of 1,000 requests ({', '.join(currencies) or 'no currency'})")
    for row, line in zip(rows, lines, strict=True):
        if line.duration is not None:
            p50, p95 = line.duration.p50, line.duration.p95
            latency.plot(
                [p50.value / 1000, p95.value / 1000], [row, row], color="#b0b0b0", zorder=1
            )
            latency.scatter(p50.value / 1000, row, color="#3a8a5f", zorder=2)
            latency.scatter(p95.value / 1000, row, color="#c26a2e", zorder=2)
        if line.quality is not None:
            found = line.quality
            quality.plot([found.low, found.high], [row, row], color="#b0b0b0", zorder=1)
            quality.scatter(found.value, row, color="#7a4ea3", zorder=2)
            quality.annotate(f"n = {found.n:,}", (found.high, row), (4, -3),
                             textcoords="offset points", fontsize=8)  # fmt: skip
    latency.set_title("seconds: p50 (green) to p95")
    latency.set_xlim(left=0)
    quality.set_title("rating, 95 % interval")
    quality.set_xlim(0, 1.15)
    cost.set_ylim(-0.6, max(1, len(lines)) - 0.4)
    cost.set_yticks(rows, names, fontsize=8)
    try:
        figure.savefig(path, format="png", dpi=130)
    finally:
        plt.close(figure)
