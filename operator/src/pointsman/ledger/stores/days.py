"""PURE: requests are kept by the day (UTC), each in a table of its own, which goes as a whole."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pointsman.ledger.rows import DAY_MS

_NAME: Final = re.compile(r"requests_(\d{8})")


def table(at_ms: int) -> str:
    """The table of the day in which this is."""
    return f"requests_{datetime.fromtimestamp(at_ms // 1000, UTC):%Y%m%d}"


def begin_ms(name: str) -> int | None:
    """When the day of a table begins; None for a table that is no day's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    return int(day.timestamp()) * 1000


def over(names: Iterable[str], until_ms: int) -> list[str]:
    """Days of which everything is at or before this time, the oldest first."""
    found = []
    for name in names:
        begin = begin_ms(name)
        if begin is not None and begin + DAY_MS - 1 <= until_ms:
            found.append(name)
    return sorted(found)


def within(names: Iterable[str], from_ms: int, to_ms: int) -> list[str]:
    """Days that may hold something of [from, to), the oldest first."""
    found = ((begin_ms(name), name) for name in names)
    return [
        name
        for begin, name in sorted((begin, name) for begin, name in found if begin is not None)
        if begin < to_ms and begin + DAY_MS > from_ms
    ]


def cursor(text: str) -> tuple[str, int]:
    """`a:7` as ("a", 7), ("", 0) for nothing. Raises ValueError."""
    if not text:
        return "", 0
    name, colon, number = text.rpartition(":")
    if not colon or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise ValueError(text)
    return name, int(number)
