"""PURE: what is used of a policy's budgets, for its status.

Guarantees few writes: amounts are rounded down to a percent of the budget, so that a window makes a
hundred of them at most.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pointsman.api.table import MOST_BUDGETS, BudgetUse
from pointsman.api.v1alpha1.budget import Budget
from pointsman.operator.plan.objects import Json


def percent(use: BudgetUse) -> int:
    """Of the budget, rounded down; over 100 in Shadow."""
    return 100 * use.used // use.limit


def differ(
    before: Mapping[str, Sequence[BudgetUse]], after: Mapping[str, Sequence[BudgetUse]]
) -> bool:
    """True if a status would be another one."""
    return {name: _rounded(uses) for name, uses in before.items()} != {
        name: _rounded(uses) for name, uses in after.items()
    }


def budgets_of(
    uses: Iterable[BudgetUse], wanted: Sequence[Budget] | None, stored: Json
) -> list[Any]:
    """
    `status.budgets`: of each budget and subject the newest window, and what most routers know.

    `wanted`: the policy's budgets; None: its spec is refused, and an earlier one is in force. Until
    a router has told, what is stored stays.
    """
    names = None if wanted is None else {budget.name for budget in wanted}
    newest: dict[tuple[str, str], BudgetUse] = {}
    for use in uses:
        known = newest.get((use.name, use.subject))
        if (names is None or use.name in names) and (
            known is None or (use.from_ms, use.used) > (known.from_ms, known.used)
        ):
            newest[use.name, use.subject] = use
    if not newest:
        kept = stored.get("budgets") or ()
        return [one for one in kept if names is None or one.get("name") in names]
    fullest = sorted(newest.values(), key=lambda use: (-percent(use), use.name, use.subject))
    return [_entry(use) for use in fullest[:MOST_BUDGETS]]


def _entry(use: BudgetUse) -> dict[str, Any]:
    began = datetime.fromtimestamp(use.from_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    used = percent(use) * use.limit // 100
    amount = f"{Decimal(used).scaleb(-9):.2f} {use.currency}" if use.currency else f"{used} tokens"
    entry = {"name": use.name, "subject": use.subject, "startTime": began, "used": amount}
    return {key: value for key, value in entry.items() if value} | {"percent": percent(use)}


def _rounded(uses: Iterable[BudgetUse]) -> list[tuple[str, str, int, int]]:
    return sorted((use.name, use.subject, use.from_ms, percent(use)) for use in uses)
