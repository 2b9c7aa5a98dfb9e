"""PURE: what routers and the ledger say to each other about slices of budgets.

Guarantees bounds for every number and name. All amounts are in the budget's unit: tokens, or
billionths of a currency.
"""

from typing import Annotated, Final

import msgspec

MAX_BUDGETS: Final = 1000
"""In one question; a router with more asks again."""
MAX_LEASE_BYTES: Final = 1024 * 1024
MOST: Final = 10**16
"""Of tokens, or of billionths of a currency: ten million dollars."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[!-~]+\Z")]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Ms = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one budget in one window; all in its unit, all since the window began."""

    budget: Name
    from_ms: Ms
    """Unix time."""
    until_ms: Ms
    amount: Amount
    """Of the whole budget, as the holder knows it now."""
    used: Amount
    """By this holder, so far."""
    want: Amount
    """What its slice shall be."""
    least: Amount = 0
    """The smallest slice that is of use to it now."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one holder; `turn` grows with each question that it asks."""

    holder: Name
    turn: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    budgets: Annotated[tuple[Wanted, ...], msgspec.Meta(max_length=MAX_BUDGETS)]


class Granted(msgspec.Struct, frozen=True):
    """The answer about one budget: the holder's slice, and what all have."""

    budget: str
    from_ms: int
    granted: int
    granted_to_all: int
    used_by_all: int


class Answer(msgspec.Struct, frozen=True):
    """In the order of the question."""

    slices: tuple[Granted, ...]
