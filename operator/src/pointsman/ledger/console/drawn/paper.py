"""PURE: elements of SVG as text. Guarantees that whatever a name holds is text and no markup."""

from html import escape
from typing import Final

_NARROW: Final = 0.57
"""Of the font's size, a character's mean width: what is cut by it fits."""


def element(name: str, *inside: str, **attributes: object) -> str:
    """`inside` is markup; of the attributes `_` is `-`, and a trailing one goes (`class_`)."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_said(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{''.join(inside)}</{name}>"


def text(said: str, x: float, y: float, *, size: float, class_: str, **more: object) -> str:
    """One line; its size is a class, as colors are: the pages' policy lets no style in."""
    return element("text", escape(said), x=x, y=y, class_=f"{class_} t{size:.0f}", **more)


def title(said: str) -> str:
    """What a pointer is told."""
    return element("title", escape(said))


def picture(width: float, height: float, name: str, *inside: str, class_: str = "chart") -> str:
    """The whole; `name` is what a screen reader says of it."""
    return element(
        "svg", *inside, xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_said(width)} {_said(height)}", class_=class_, role="img", aria_label=name,
    )  # fmt: skip


def fit(said: str, width: float, size: float) -> str:
    """As many characters as the width has room for."""
    most = max(2, int(width / (size * _NARROW)))
    return said if len(said) <= most else said[: most - 1] + "…"


def path(points: list[tuple[float, float]]) -> str:
    """Straight lines from one to the next, as an attribute `d`."""
    return "M" + "L".join(f"{_said(x)} {_said(y)}" for x, y in points) if points else ""


def _said(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
