"""PURE: slices of budgets, granted to routers so that all together never pass the amount.

| a holder says       | its slice becomes                                                      |
| it wants more       | more: half of what is left, or `least`; all that is left at the end    |
| it wants less       | less, but not less than it has used: the rest is free for others       |
| what it said before | as it is: each turn counts once, and an older one not at all           |

A slice is the holder's until its window is over, so that neither a ledger that is away nor a clock
can make two use the same. A holder that dies takes at most what it had not used with it.
"""

import msgspec

from pointsman.events.leases import Asked, Wanted


class Slice(msgspec.Struct, frozen=True):
    """Of one holder, as the ledger has it."""

    granted: int = 0
    used: int = 0
    turn: int = 0


class Sum(msgspec.Struct, frozen=True):
    """Of all holders."""

    granted: int = 0
    used: int = 0


class BadLease(ValueError):
    """The question is none; the text says why."""


def read(body: bytes) -> Asked:
    """Raises BadLease."""
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLease(str(error)) from None
    places = {(one.budget, one.from_ms) for one in asked.budgets}
    if len(places) < len(asked.budgets):
        raise BadLease("a budget stands twice")
    for one in asked.budgets:
        if one.until_ms <= one.from_ms:
            raise BadLease(f"the window of {one.budget} ends before it begins")
    return asked


def grant(wanted: Wanted, turn: int, mine: Slice, total: Sum) -> tuple[Slice, Sum]:
    """The holder's slice and the sum of all, after this question."""
    if turn <= mine.turn:
        return mine, total
    used = max(mine.used, wanted.used)
    if wanted.want > mine.granted:
        left = max(0, wanted.amount - total.granted)
        least = wanted.least - mine.granted
        more = max((left + 1) // 2, least if least <= left else 0)  # all would be of no use
        granted = mine.granted + min(wanted.want - mine.granted, more, left)
    else:
        granted = wanted.want
    granted = max(granted, used)
    return (
        Slice(granted=granted, used=used, turn=turn),
        Sum(
            granted=total.granted + granted - mine.granted,
            used=total.used + used - mine.used,
        ),
    )
