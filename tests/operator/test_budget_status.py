"""What is used of budgets in a policy's status: few writes, the newest window, what most know."""

from datetime import UTC, datetime

from pointsman.api.table import BudgetUse
from pointsman.api.v1alpha1.budget import Budget, BudgetWindow
from pointsman.api.v1alpha1.status import RoutingPolicyStatus
from pointsman.api.validation import parse
from pointsman.operator.plan.budget_status import budgets_of, differ
from pointsman.operator.plan.policy_status import policy_status
from tests.operator.objects import NOW, compiled, policy, route

DAY = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp()) * 1000
NEXT = DAY + 86_400_000
SPEC = [Budget(name=name, window=BudgetWindow.DAY, tokens=5000) for name in "bc"]


def use(used: int, **more: object) -> BudgetUse:
    fields = {"name": "b", "subject": "", "from_ms": DAY, "limit": 5000, "used": used}
    return BudgetUse(**{**fields, **more})  # type: ignore[arg-type]


def test_the_newest_window_and_what_most_routers_know() -> None:
    """A router that is behind tells less."""
    found = budgets_of([use(4000), use(10, from_ms=NEXT), use(260, from_ms=NEXT)], SPEC, {})
    assert found == [
        {"name": "b", "startTime": "2026-11-27T00:00:00Z", "used": "250 tokens", "percent": 5}
    ]


def test_the_fullest_come_first_and_are_bounded() -> None:
    """Of a thousand callers sixteen; money as money."""
    uses = [use(number, subject=f"app-{number}", name="c") for number in range(1000)]
    dollars = use(12_340_000_000, limit=100_000_000_000, currency="USD")
    found = budgets_of([*uses, dollars], SPEC, {})
    assert len(found) == 16
    assert found[0] == {
        "name": "c", "subject": "app-950", "startTime": "2026-11-26T00:00:00Z",
        "used": "950 tokens", "percent": 19,
    }  # fmt: skip
    (shown,) = budgets_of([dollars], SPEC, {})
    assert (shown["used"], shown["percent"]) == ("12.00 USD", 12)


def test_what_is_stored_stays_until_a_router_has_told() -> None:
    """An operator that begins must not take it away; a budget that is gone goes."""
    stored = {"budgets": [{"name": "b", "percent": 7}, {"name": "gone", "percent": 9}]}
    assert budgets_of([], SPEC, stored) == [{"name": "b", "percent": 7}]
    assert budgets_of([use(1, name="gone")], SPEC, stored) == [{"name": "b", "percent": 7}]
    assert budgets_of([], None, stored) == stored["budgets"]


def test_a_policys_status_tells_it() -> None:
    """In the shape that the API server takes, and nothing where there are no budgets."""
    desk = policy(default=route("a"))
    desk["spec"]["budgets"] = [{"name": "b", "window": "Day", "tokens": 5000, "scope": "Caller"}]
    verdict = compiled(desk).verdicts["desk"]
    status = policy_status(verdict, [], stored={}, now=NOW, budgets=[use(2600, subject="app")])

    parse(RoutingPolicyStatus, status)
    assert status["budgets"] == [
        {"name": "b", "subject": "app", "startTime": "2026-11-26T00:00:00Z",
         "used": "2600 tokens", "percent": 52}
    ]  # fmt: skip
    assert "budgets" not in policy_status(verdict, [], stored={}, now=NOW)


def test_less_than_a_percent_is_no_news() -> None:
    """A policy in use is not written each second."""
    before = {"desk": (use(100),)}
    assert not differ(before, {"desk": (use(149),)})
    assert differ(before, {"desk": (use(150),)})
    assert differ(before, {"desk": (use(100, from_ms=NEXT),)})
    assert differ(before, {})
