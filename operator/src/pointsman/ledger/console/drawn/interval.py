"""PURE: how much worse a candidate is: a dot with its interval, beside nothing and the limit."""

from typing import Final

from pointsman.ledger.console.drawn.paper import element, picture, title
from pointsman.ledger.console.drawn.scale import Scale
from pointsman.ledger.console.fleet.seen import Finding

_WIDTH: Final = 220.0
_HEIGHT: Final = 26.0


def interval_picture(found: Finding) -> str:
    """Empty where a figure is missing. What reaches to the right of the limit is not allowed."""
    value, low, high, limit = found.value, found.low, found.high, found.limit
    if value is None or low is None or high is None or limit is None:
        return ""
    least, most = min(low, 0.0, -limit / 4), max(high, limit * 1.25, 0.0)
    along = Scale(least, most, 8, _WIDTH - 8)
    y, state = _HEIGHT / 2, "bad" if low > limit else "ok" if high <= limit else "warn"
    return picture(
        _WIDTH, _HEIGHT, f"{found.guardrail}: {found.message}",
        title(f"{value:+g} [{low:+g}, {high:+g}], {limit:g} are allowed"),
        element("rect", x=along.at(limit), y=3, width=_WIDTH - 8 - along.at(limit),
                height=_HEIGHT - 6, class_="after"),
        element("line", x1=along.at(0), x2=along.at(0), y1=3, y2=_HEIGHT - 3, class_="none"),
        element("line", x1=along.at(limit), x2=along.at(limit), y1=3, y2=_HEIGHT - 3,
                class_="since"),
        element("line", x1=along.at(low), x2=along.at(high), y1=y, y2=y, class_=f"reach {state}"),
        element("circle", cx=along.at(value), cy=y, r=4.5, class_=f"reach {state}"),
        class_="chart interval",
    )  # fmt: skip
