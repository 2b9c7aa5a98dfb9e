"""PURE: the flow as three columns with bands between them, as wide as their rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.ledger.console.drawn.paper import element, fit, picture, text, title
from pointsman.ledger.console.views.flow import Edge, Flow, Node
from pointsman.ledger.console.views.words import percent, rate

_WIDEST: Final = 16.0
_THINNEST: Final = 1.5


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Sizes of one picture."""

    width: float
    box: float
    height: float
    gap: float
    size: float
    head: float = 26.0

    def left(self, column: int) -> float:
        return column * (self.width - self.box) / 2

    def middle(self, number: int) -> float:
        return self.head + number * (self.height + self.gap) + self.height / 2


WIDE: Final = _Sheet(width=1120, box=240, height=54, gap=14, size=14)
NARROW: Final = _Sheet(width=360, box=96, height=50, gap=12, size=11)


def flow_picture(flow: Flow, *, narrow: bool = False) -> str:
    """As wide as a desk's screen, or as a phone's."""
    sheet = NARROW if narrow else WIDE
    columns = (flow.teams, flow.policies, flow.backends)
    rows = max(1, *(len(column) for column in columns))
    height = sheet.head + rows * (sheet.height + sheet.gap)
    most = max((edge.per_minute for edge in (*flow.asked, *flow.sent)), default=0.0)
    parts = [
        text(head, sheet.left(number), 14, class_="tick", size=sheet.size - 1)
        for number, head in enumerate(("Teams", "Policies", "Backends"))
    ]
    for place, edges in enumerate((flow.asked, flow.sent)):
        names = columns[place], columns[place + 1]
        parts += [_band(sheet, place, edge, names, most) for edge in edges]
    for place, column in enumerate(columns):
        parts += [_node(sheet, place, number, node) for number, node in enumerate(column)]
    return picture(
        sheet.width, height,
        f"{rate(flow.per_minute)} from {len(flow.teams)} teams by {len(flow.policies)} policies"
        f" to {len(flow.backends)} backends",
        *parts, class_="chart flow",
    )  # fmt: skip


def _band(
    sheet: _Sheet, place: int, edge: Edge, names: tuple[Sequence[Node], Sequence[Node]], most: float
) -> str:
    x1, x2 = sheet.left(place) + sheet.box, sheet.left(place + 1)
    y1, y2 = sheet.middle(edge.source), sheet.middle(edge.target)
    bend = (x2 - x1) / 2
    source, target = names[0][edge.source].name, names[1][edge.target].name
    told = f"{source} to {target}: {rate(edge.per_minute)}, {percent(edge.errors)} errors"
    share = edge.per_minute / most if most else 0.0
    return element(
        "path", title(told),
        d=f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}",
        class_="band failing" if edge.errors > 0.05 else "band",
        stroke_width=_THINNEST + (_WIDEST - _THINNEST) * share,
    )  # fmt: skip


def _node(sheet: _Sheet, place: int, number: int, node: Node) -> str:
    x, y = sheet.left(place), sheet.middle(number) - sheet.height / 2
    room, small = sheet.box - 20, sheet.size - 2
    marked = f" {node.state}" if node.state else ""
    told = rate(node.per_minute)
    if node.errors >= 0.001:
        told += f", {percent(node.errors)} err"
    if place < 2 or not node.note:
        note = told
    else:
        note = f"{told} · {node.note}" if sheet is WIDE else told
    return element(
        "g",
        title(f"{node.name}: {told}{f', {node.note}' if node.note else ''}"),
        element("rect", x=x, y=y, width=sheet.box, height=sheet.height, rx=8,
                class_=f"node{marked}"),
        element("rect", x=x, y=y + 8, width=4, height=sheet.height - 16, rx=2,
                class_=f"flag{marked}"),
        text(fit(node.name, room, sheet.size), x + 12, y + sheet.height / 2 - 4,
             class_="label", size=sheet.size),
        text(fit(note, room, small), x + 12, y + sheet.height / 2 + 14, class_="note",
             size=small),
    )  # fmt: skip
