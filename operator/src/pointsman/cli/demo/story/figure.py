"""The story as a picture: quality, weights and cost over time."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pointsman.cli.demo.story.stages import BARGAIN, CODER, GENERALIST
from pointsman.cli.demo.story.traffic import Answer

WINDOW_S = 5.0
_COLORS = {CODER: "#4472a8", GENERALIST: "#5f9e6e", BARGAIN: "#c4563f"}

Marks = Sequence[tuple[float, str]]


def draw(answers: Sequence[Answer], marks: Marks, currency: str, path: Path) -> None:
    """Raises OSError and ValueError where the file cannot be written."""
    figure = figure_of(answers, marks, currency)
    try:
        figure.savefig(path, format="png", dpi=110)
    finally:
        plt.close(figure)


def figure_of(answers: Sequence[Answer], marks: Marks, currency: str) -> Figure:
    """Three axes over one time, and a line for each mark. The caller closes it."""
    good = [one for one in answers if not one.error]
    figure, (names, quality, weights, cost) = plt.subplots(
        4, 1, sharex=True, figsize=(12, 10.5), layout="constrained",
        gridspec_kw={"height_ratios": (1.5, 2, 2, 2)},
    )  # fmt: skip
    _label(names, marks)
    times, right = _by_window(good, lambda part: sum(one.right for one in part) / len(part))
    quality.plot(times, [100 * one for one in right], color="#333333")
    quality.set_ylabel("right answers, %")
    quality.set_ylim(0, 103)
    shares = {name: _by_window(good, partial(_share, name))[1] for name in _COLORS}
    weights.stackplot(
        times,
        *([100 * one for one in shares[name]] for name in _COLORS),
        labels=list(_COLORS),
        colors=list(_COLORS.values()),
    )
    weights.set_ylabel("share of requests, %")
    weights.set_ylim(0, 100)
    weights.legend(loc="center left", framealpha=0.9)
    _, paid = _by_window(good, lambda part: 1000 * sum(one.cost for one in part) / len(part))
    cost.plot(times, paid, color="#333333")
    cost.set_ylim(0, 1.25 * max([1e-9, *paid]))
    cost.set_ylabel(f"1,000 requests cost, {currency}")
    cost.set_xlabel("seconds")
    for axes in (quality, weights, cost):
        for at_s, _ in marks:
            axes.axvline(at_s, color="#808080", linewidth=0.8, linestyle=":")
    figure.suptitle(
        f"A model gets worse, and what followed by itself (windows of {WINDOW_S:g} s; "
        "models are simulated)"
    )
    return figure


def _share(backend: str, part: Sequence[Answer]) -> float:
    return sum(one.backend == backend for one in part) / len(part)


def _label(axes: Axes, marks: Marks) -> None:
    """Names of the marks, in rows in turn, so that neighbors do not overlap."""
    rows = max(1, len(marks))
    for number, (at_s, name) in enumerate(marks):
        y = 1 - (number + 0.5) / rows
        axes.plot([at_s, at_s], [-0.05, y], color="#808080", linewidth=0.8, linestyle=":")
        left = at_s < marks[-1][0] / 2
        axes.annotate(
            name, (at_s, y), xytext=(4 if left else -4, 0), textcoords="offset points",
            ha="left" if left else "right", va="center", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
    axes.set_ylim(-0.05, 1)
    axes.axis("off")


def _by_window(
    answers: Sequence[Answer], figure: Callable[[list[Answer]], float]
) -> tuple[list[float], list[float]]:
    """Middle of each window that has answers, and the figure of it."""
    parts: dict[int, list[Answer]] = {}
    for one in answers:
        parts.setdefault(int(one.at_s // WINDOW_S), []).append(one)
    ordered = sorted(parts)
    return [WINDOW_S * (n + 0.5) for n in ordered], [figure(parts[n]) for n in ordered]
