"""PURE: tables as kubectl prints them, and the same as JSON, YAML and names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

Json = Mapping[str, Any]
NONE: Final = "<none>"
_GAP: Final = "   "


@dataclass(frozen=True, slots=True)
class Column:
    """`wide`: only with -o wide."""

    name: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows have a cell for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self, *, wide: bool) -> list[str]:
        """The head and a line for each row, blank cells as <none>."""
        shown = [i for i, column in enumerate(self.columns) if wide or not column.wide]
        cells = [[self.columns[i].name for i in shown]]
        cells += [[_printable(row[i]) or NONE for i in shown] for row in self.rows]
        widths = [max(len(row[k]) for row in cells) for k in range(len(shown))]
        return [
            _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]


@dataclass(frozen=True, slots=True)
class Page:
    """What a command found; `items` are the objects behind it, `names` as `kubectl -o name`."""

    tables: tuple[Table, ...] = ()
    below: tuple[str, ...] = ()
    """Lines after the tables."""
    items: tuple[Json, ...] = ()
    names: tuple[str, ...] = ()
    empty: str = ""
    """Where there is no row: for standard error."""

    def text(self, form: str | None) -> str:
        """As `-o` asks."""
        if form == "json":
            return json.dumps(self._list(), indent=4, ensure_ascii=False) + "\n"
        if form == "yaml":
            return yaml.safe_dump(self._list(), sort_keys=False, allow_unicode=True)
        if form == "name":
            return "".join(f"{name}\n" for name in self.names)
        parts = [one.lines(wide=form == "wide") for one in self.tables if one.rows]
        parts += [[*self.below]] if self.below else []
        return "\n\n".join("\n".join(lines) for lines in parts) + "\n" if parts else ""

    def _list(self) -> Json:
        return {"apiVersion": "v1", "kind": "List", "items": [*self.items]}


def _printable(text: str) -> str:
    """Nothing that would move a terminal's cursor: names of requests come from callers."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def age(seconds: float) -> str:
    """As kubectl tells it."""
    whole = max(0, int(seconds))
    for size, unit, most in ((1, "s", 120), (60, "m", 120), (3600, "h", 48)):
        if whole < size * most:
            return f"{whole // size}{unit}"
    return f"{whole // 86_400}d"
