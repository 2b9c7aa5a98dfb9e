"""PURE: the lines behind a chart with their values, and the times below it."""

from collections.abc import Iterable
from typing import Final

from pointsman.ledger.console.drawn.paper import element, text

SIZE: Final = 12.0
"""Of what is written at an axis."""


def grid(marks: Iterable[tuple[float, str]], left: float, right: float) -> list[str]:
    """A line at each height from `left` to `right`, its value before it."""
    return [
        element(
            "g",
            element("line", x1=left, x2=right, y1=y, y2=y),
            text(label, left - 8, y + 4, text_anchor="end", size=SIZE, class_="tick"),
            class_="grid",
        )
        for y, label in marks
    ]


def below(marks: Iterable[tuple[float, str]], y: float) -> list[str]:
    """Each label in the middle below its place."""
    return [text(label, x, y, text_anchor="middle", size=SIZE, class_="tick") for x, label in marks]
