"""PURE: budgets by calendar windows, and one router's slice of one.

Guarantees that what is reserved and used never passes the slice that was granted, as long as no
answer takes more than was reserved for it. All amounts are whole: tokens, or 1e-9 of a currency.

| time        | granted             | used           | held          |
| a request   |                     |                | + the most it may take |
| its end     |                     | + what it took | - what was held |
| the ledger  | what it has granted |                |               |
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pointsman.api.table import BudgetWindow

_PARTS: Final = 2
"""A router asks for this part of its share of what is left: the rest is for the next question."""


class Window(NamedTuple):
    """Unix time in ms; the end is the beginning of the next."""

    from_ms: int
    until_ms: int


class Slice(NamedTuple):
    """What the ledger lets this router use; all since the window began."""

    granted: int = 0
    used: int = 0
    held: int = 0
    """Reserved by requests that run."""

    @property
    def free(self) -> int:
        """What a request may still reserve; less than nothing after an answer that was too long."""
        return self.granted - self.used - self.held


class Want(NamedTuple):
    """What to ask the ledger for: the slice, and the smallest that is of use."""

    want: int
    least: int


def window_of(kind: BudgetWindow, now_s: float) -> Window:
    """The calendar's hour, day, week (from Monday on) or month in UTC that this time is in."""
    begin = datetime.fromtimestamp(now_s, UTC).replace(minute=0, second=0, microsecond=0)
    if kind == "Hour":
        return _window(begin, begin + timedelta(hours=1))
    begin = begin.replace(hour=0)
    if kind == "Day":
        return _window(begin, begin + timedelta(days=1))
    if kind == "Week":
        begin -= timedelta(days=begin.weekday())
        return _window(begin, begin + timedelta(days=7))
    begin = begin.replace(day=1)
    return _window(begin, (begin + timedelta(days=31)).replace(day=1))


def _window(begin: datetime, end: datetime) -> Window:
    return Window(int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000)


def reserve(part: Slice, amount: int) -> Slice | None:
    """After a request that may take so much; None if the slice has not so much left."""
    return part._replace(held=part.held + amount) if amount <= part.free else None


def settle(part: Slice, reserved: int, used: int) -> Slice:
    """After its end."""
    return part._replace(held=part.held - reserved, used=part.used + used)


def wanted(part: Slice, *, left: int, routers: int, missing: int) -> Want | None:
    """
    What to ask for now, None if the slice is right.

    `left` is what nobody has used of the budget, `missing` what the largest request needed that
    was refused. Each router aims at half of its share of what is left: a burst finds room, and the
    last of it is in nobody's pocket. It asks below half of that, and gives back above twice.
    """
    aim = max(left // (_PARTS * max(routers, 1)), missing)
    free = part.free
    if free < missing or (2 * free < aim and left > 0) or free > 2 * aim + 1:
        taken = part.used + part.held
        return Want(taken + aim, taken + missing if missing else 0)
    return None
