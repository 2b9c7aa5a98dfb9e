"""Templates, with what they may call. Autoescape is on for every one of them."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pointsman.ledger.console.views.words import milliseconds, percent, rate
from pointsman.ledger.reviews.showing import pretty, visible

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
NANO: Final = 1_000_000_000


class Templates:
    """Compiled once a process."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "ago": ago, "clock": clock, "count": count, "exact": exact, "iso": iso, "money": money,
            "milliseconds": milliseconds, "percent": percent, "pretty": pretty, "rate": rate,
            "share": share, "span": span, "visible": visible,
        }  # fmt: skip
        self._environment.globals["asset"] = asset_addresses().__getitem__

    def render(self, template: str, values: Mapping[str, object]) -> str:
        """The whole page as text."""
        return self._environment.get_template(template).render(values)


def asset_addresses() -> dict[str, str]:
    """By file name, with a mark of its content: browsers may keep it for ever."""
    marks = {path.name: hashlib.sha256(path.read_bytes()) for path in sorted(STATIC.iterdir())}
    return {name: f"/console/static/{name}?{mark.hexdigest()[:12]}" for name, mark in marks.items()}


def clock(at_ms: int) -> str:
    """`26 Nov 07:00:00`, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%-d %b %H:%M:%S")


def iso(at_ms: int) -> str:
    """For `datetime` of a time element."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact(at_ms: int) -> str:
    """The same to the millisecond: a deadline that is cut to seconds would be over too early."""
    return f"{iso(at_ms)[:-1]}.{at_ms % 1000:03d}Z"


def span(duration_ms: float) -> str:
    """`3 min 20 s`, `25 min`: the two largest units, one from ten on."""
    left_s = max(0, round(duration_ms / 1000))
    words: list[str] = []
    for name, size in _UNITS:
        if left_s >= size:
            words.append(f"{left_s // size} {name}")
            if left_s >= 10 * size or len(words) == 2:
                break
            left_s %= size
    return " ".join(words) or "0 s"


def ago(at_ms: int, now_ms: int) -> str:
    """`4 min ago`: the largest unit."""
    passed_s = max(0, (now_ms - at_ms) // 1000)
    for name, size in _UNITS:
        if passed_s >= size:
            return f"{passed_s // size} {name} ago"
    return "just now"


def count(number: float) -> str:
    """`12,345`; from a million on `1.23 M`."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(number) >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:,.0f}"


def money(nano: int, currency: str = "") -> str:
    """Billionths of a currency; small sums with the digits that say something."""
    amount = nano / NANO
    digits = 2 if abs(amount) >= 1 or not nano else 4 if abs(amount) >= 0.01 else 6
    return f"{amount:,.{digits}f}" + (f" {currency}" if currency else "")


def share(part: float, whole: float = 1.0) -> str:
    """`12.3 %`; `–` of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
