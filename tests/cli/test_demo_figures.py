"""The demo's arithmetic: what goes in comes out, and nothing else does."""

from collections import Counter

import pytest

from pointsman.api.v1alpha1 import Cost
from pointsman.cli.demo.figures import Answer, percentile, row, rows
from pointsman.cli.demo.prompts import SHARE, DeskClass, day
from pointsman.cli.demo.report import savings

PRICES = {"light": Cost(input_per_million="1", output_per_million="10")}


def answer(
    latency_s: float = 1.0, *, correct: bool = True, error: str = "", backend: str = "light"
) -> Answer:
    """One FAQ answer of 1,000 prompt and 100 completion tokens."""
    return Answer(
        desk_class=DeskClass.FAQ,
        backend=backend,
        latency_s=latency_s,
        prompt_tokens=1000,
        completion_tokens=100,
        correct=correct,
        error=error,
    )


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 2), (0.95, 4), (0.25, 1), (0.0, 1), (1.0, 4)]
)
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    """Nearest rank over 1..4."""
    assert percentile([4, 1, 3, 2], share) == expected


def test_a_row_adds_up() -> None:
    """Cost from the declared price, latency in model time, failures apart."""
    summed = row(
        "all",
        [answer(0.1), answer(0.3, correct=False), answer(error="no")],
        PRICES,
        time_scale=10,
    )

    assert (summed.requests, summed.failed) == (3, 1)
    assert (summed.p50_s, summed.p95_s) == (1.0, 3.0)
    assert summed.correct == 0.5
    assert summed.cost == pytest.approx(2 * (1000 * 1 + 100 * 10) / 1e6)


def test_a_backend_without_a_price_costs_nothing() -> None:
    """Nothing is invented where the YAML declares nothing."""
    assert row("all", [answer(backend="free")], PRICES, time_scale=1).cost == 0


def test_the_rows_of_the_classes_sum_to_all() -> None:
    """Every answer is in one class and in the sum."""
    table = rows([answer(), answer()], PRICES, time_scale=1)

    assert sum(one.requests for one in table[:-1]) == table[-1].requests == 2


def test_savings_say_less_and_more() -> None:
    """The sentence follows the figures in both directions."""
    cheap = row("all", [answer(0.1)], PRICES, time_scale=1)
    dear = row("all", [answer(0.2), answer(0.2)], PRICES, time_scale=1)

    assert "50% less cost, 50% lower median latency" in savings(cheap, dear, dear)
    assert "100% more cost, 100% higher median latency" in savings(dear, cheap, cheap)


def test_a_day_is_the_same_for_the_same_seed() -> None:
    """The three arms must see the same prompts."""
    assert day(50, seed=7) == day(50, seed=7)
    assert day(50, seed=7) != day(50, seed=8)


def test_a_day_has_its_shares_and_its_order() -> None:
    """Classes in their shares, times of day ascending, both ways of asking."""
    requests = day(400)
    counted = Counter(request.desk_class for request in requests)

    assert {name: counted[name] / 400 for name in DeskClass} == pytest.approx(SHARE, abs=0.01)
    assert [one.at for one in requests] == sorted(one.at for one in requests)
    assert {one.stream for one in requests} == {True, False}
