"""PURE: cost over time: a bar for each time, in parts by backend, and a line for the baseline."""

from datetime import UTC, datetime
from typing import Final

from pointsman.events.schema import NANO
from pointsman.ledger.console.drawn.axes import SIZE, below, grid
from pointsman.ledger.console.drawn.paper import element, path, picture, text, title
from pointsman.ledger.console.drawn.scale import DAY_MS, Scale, ticks, times
from pointsman.ledger.console.views.cost import Bar, Cost
from pointsman.ledger.summary import money

_HEIGHT: Final = 300.0
_TOP: Final = 12.0
_BOTTOM: Final = 28.0
_LEFT: Final = 66.0


def cost_picture(cost: Cost, *, narrow: bool = False) -> str:
    """As wide as a desk's screen, or as a phone's."""
    width = 360.0 if narrow else 1120.0
    tall = max((max(bar.cost_nano, bar.baseline_nano) for bar in cost.bars), default=0)
    marks = ticks(tall / NANO)
    up = Scale(0, marks[-1] * NANO, _HEIGHT - _BOTTOM, _TOP)
    along = Scale(cost.from_ms, cost.to_ms, _LEFT, width - 8)
    parts = grid([(up.at(mark * NANO), f"{mark:,.6g}") for mark in marks], _LEFT, width - 8)
    parts.append(text(cost.currency, 4, _TOP + 4, size=SIZE, class_="tick"))
    labels = times(cost.from_ms, cost.to_ms - 1, 4 if narrow else 10)
    parts += below([(along.at(at_ms), label) for at_ms, label in labels], _HEIGHT - 8)
    parts += [_bar(bar, cost, along, up) for bar in cost.bars]
    if cost.has_baseline:
        middles = [
            (along.at(bar.from_ms + cost.step_ms / 2), up.at(bar.baseline_nano))
            for bar in cost.bars[:-1]  # the last one is not over
            if bar.requests
        ]
        parts.append(element("path", d=path(middles), class_="baseline"))
    return picture(
        width, _HEIGHT,
        f"Cost over {cost.period}: {money(cost.cost_nano, cost.currency)} in all; the table below"
        " has the figures",
        *parts,
    )  # fmt: skip


def _bar(bar: Bar, cost: Cost, along: Scale, up: Scale) -> str:
    left, right = along.at(bar.from_ms), along.at(bar.from_ms + cost.step_ms)
    gap = min(4.0, (right - left) * 0.2)
    told = f"{_time(bar.from_ms, cost.step_ms)}: {money(bar.cost_nano, cost.currency)}"
    told += f", {bar.requests:,} requests"
    if cost.has_baseline:
        told += f"; the baseline would have cost {money(bar.baseline_nano, cost.currency)}"
    parts, below = [title(told)], 0
    for number, nano in enumerate(bar.parts):
        if nano:
            bottom, top = up.at(below), up.at(below + nano)
            parts.append(
                element("rect", x=left + gap / 2, y=top, width=right - left - gap,
                        height=max(0.5, bottom - top), class_=f"s{number}")
            )  # fmt: skip
            below += nano
    return element("g", *parts)


def _time(at_ms: int, step_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{moment:%d %b}" if step_ms >= DAY_MS else f"{moment:%d %b %H:%M} UTC"
