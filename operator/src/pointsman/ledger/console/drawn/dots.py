"""PURE: runs of golden prompts as points with intervals, and where a change began."""

from datetime import UTC, datetime
from typing import Final

from pointsman.ledger.console.drawn.axes import below, grid
from pointsman.ledger.console.drawn.paper import element, path, picture, title
from pointsman.ledger.console.drawn.scale import Scale, times
from pointsman.ledger.console.views.drift import Watched

_HEIGHT: Final = 180.0
_LEFT: Final = 42.0


def drift_picture(watched: Watched, from_ms: int, to_ms: int, *, narrow: bool = False) -> str:
    """As wide as a desk's screen, or as a phone's; from 0 to 1, so that pictures compare."""
    width = 360.0 if narrow else 720.0
    if watched.points:  # the time in which there are runs
        first = watched.points[0].at_ms
        from_ms = max(from_ms, min(first, watched.since_ms or first) - (to_ms - first) // 20)
    up = Scale(0.0, 1.0, _HEIGHT - 26, 10)
    along = Scale(from_ms, to_ms, _LEFT, width - 10)
    marks = [number / 4 for number in range(5)]
    parts = grid([(up.at(mark), f"{mark:.3g}") for mark in marks], _LEFT, width - 10)
    labels = times(from_ms, to_ms, 4 if narrow else 7)
    parts += below([(along.at(at_ms), label) for at_ms, label in labels], _HEIGHT - 8)
    if watched.since_ms is not None:
        x = along.at(watched.since_ms)
        parts.append(
            element(
                "g",
                element(
                    "rect", x=x, y=10, width=width - 10 - x, height=_HEIGHT - 36, class_="after"
                ),
                element("line", x1=x, x2=x, y1=10, y2=_HEIGHT - 26, class_="since"),
                title("since the detector's estimate of the change"),
            )
        )
    trend = [(along.at(point.at_ms), up.at(point.mean)) for point in watched.points]
    parts.append(element("path", d=path(trend), class_="trend"))
    for point in watched.points:
        x, moment = along.at(point.at_ms), datetime.fromtimestamp(point.at_ms / 1000, UTC)
        missing = f", {point.missing} without an answer" if point.missing else ""
        told = (
            f"{moment:%d %b %H:%M} UTC: {point.mean:.3f} [{point.low:.3f}, {point.high:.3f}],"
            f" {point.n} answers{missing}"
        )
        after = watched.since_ms is not None and point.at_ms >= watched.since_ms
        parts.append(
            element(
                "g",
                title(told),
                element(
                    "line", x1=x, x2=x, y1=up.at(point.low), y2=up.at(point.high), class_="whisker"
                ),
                element(
                    "circle",
                    cx=x,
                    cy=up.at(point.mean),
                    r=4,
                    class_="dot after" if after else "dot",
                ),
            )
        )
    return picture(
        width, _HEIGHT, f"Scores of {len(watched.points)} runs of {watched.name}", *parts
    )
