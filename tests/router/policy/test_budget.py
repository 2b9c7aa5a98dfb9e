"""Windows of the calendar, and slices that are never passed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.table import BudgetWindow, Price
from pointsman.events.leases import Wanted
from pointsman.ledger.leases import Slice as Lent
from pointsman.ledger.leases import Sum, grant
from pointsman.router.policy.budget import (
    Slice,
    reserve,
    settle,
    wanted,
    window_of,
)
from pointsman.router.wire.usage import Usage
from pointsman.routing.cost import cost_nano, most_nano

KINDS: tuple[BudgetWindow, ...] = ("Hour", "Day", "Week", "Month")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "begin", "end"),
    [
        ("Hour", "2026-11-26T08:00:00Z", "2026-11-26T09:00:00Z"),
        ("Day", "2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
        ("Week", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("Month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    ],
)
def test_windows_are_those_of_the_calendar(kind: BudgetWindow, begin: str, end: str) -> None:
    """In UTC; a week begins on Monday."""
    now = datetime(2026, 11, 26, 8, 33, 59, 999_999, UTC)
    assert window_of(kind, now.timestamp()) == (ms(begin), ms(end))


@given(st.sampled_from(KINDS), st.floats(0, 4e9))
def test_windows_follow_each_other(kind: BudgetWindow, now_s: float) -> None:
    """Each moment is in one, and its end is the beginning of the next; also in leap years."""
    window = window_of(kind, now_s)
    assert window.from_ms <= now_s * 1000 < window.until_ms
    after = window_of(kind, window.until_ms / 1000)
    assert after.from_ms == window.until_ms
    assert window_of(kind, window.until_ms / 1000 - 0.001) == window


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 100),
    st.tuples(*[st.integers(0, 10**9)] * 4),
)  # fmt: skip
def test_no_answer_costs_more_than_the_most(
    prompt: int, output: int, cached: int, reasoning: int, prices: tuple[int, int, int, int]
) -> None:
    """Whatever part of it is cached or reasoning."""
    price = Price(0.0, *prices)
    usage = Usage(
        prompt, output, cached_tokens=prompt * cached // 100,
        reasoning_tokens=output * reasoning // 100,
    )  # fmt: skip
    assert cost_nano(usage, price) <= most_nano(prompt, output, price)


steps = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["ask", "end", "lend", "lost"]),
              st.integers(1, 120), st.integers(0, 100)),
    max_size=120,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(steps, st.integers(1, 1000))
@pytest.mark.slow
def test_two_routers_never_use_more_than_the_budget(
    sequence: list[tuple[int, str, int, int]], limit: int
) -> None:
    """Whatever they reserve, use, ask for and give back, and whatever answers are lost."""
    parts, running = [Slice(), Slice()], [[], []]  # type: ignore[var-annotated]
    missing, turns, lent, total = [0, 0], [0, 0], [Lent(), Lent()], Sum()
    for router, what, amount, percent in sequence:
        part = parts[router]
        if what == "ask":
            after = reserve(part, amount)
            if after is None:
                missing[router] = max(missing[router], amount)
            else:
                parts[router] = after
                running[router].append(amount)
        elif what == "end" and running[router]:
            reserved = running[router].pop(0)
            parts[router] = settle(part, reserved, reserved * percent // 100)
        elif what in ("lend", "lost"):
            left = limit - total.used
            asks = wanted(part, left=left, routers=2, missing=missing[router])
            if asks is None:
                continue
            missing[router] = 0
            parts[router] = part = part._replace(granted=min(part.granted, asks.want))
            turns[router] += 1
            question = Wanted(
                budget="b", from_ms=0, until_ms=1, amount=limit, used=part.used, want=asks.want,
                least=asks.least,
            )  # fmt: skip
            lent[router], total = grant(question, turns[router], lent[router], total)
            if what == "lend":
                parts[router] = part._replace(granted=lent[router].granted)
        assert sum(one.used + one.held for one in parts) <= limit
        assert all(one.free >= 0 and one.granted <= mine.granted
                   for one, mine in zip(parts, lent, strict=True))  # fmt: skip


def test_a_router_alone_gets_to_the_last_of_a_budget() -> None:
    """In few questions, each for half of what is left, and all of it at the end."""
    part, lent, total, used = Slice(), Lent(), Sum(), 0
    for turn in range(1, 40):
        asks = wanted(part, left=10_000 - total.used, routers=1, missing=10)
        if asks is not None:
            question = Wanted(
                budget="b", from_ms=0, until_ms=1, amount=10_000, used=part.used, want=asks.want,
                least=asks.least,
            )  # fmt: skip
            lent, total = grant(question, turn, lent, total)
            part = part._replace(granted=lent.granted)
        while (after := reserve(part, 10)) is not None:
            part = settle(after, 10, 10)
            used += 10
    assert used == 10_000
