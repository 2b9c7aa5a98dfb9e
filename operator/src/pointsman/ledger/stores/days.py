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
