"""A policy's budget, as its routers know it: part of the table."""

from typing import Final, Literal

import msgspec

MOST_BUDGETS: Final = 16
"""Of one policy that are told to the operator: those used up most."""
BudgetScope = Literal["Policy", "Rule", "Caller", "Team"]
BudgetWindow = Literal["Hour", "Day", "Week", "Month"]


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much a policy, or each of its rules, callers or teams, may use in a calendar window."""

    name: str
    scope: BudgetScope
    window: BudgetWindow
    enforce: bool
    """False: what would have been refused is only counted."""
    limit: int
    """Tokens, or with a currency billionths of it."""
    currency: str = ""
