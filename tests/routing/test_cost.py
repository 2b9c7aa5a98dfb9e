"""What a request costs: exact, and by the price of its moment, whichever way clocks go."""

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.table import Price
from pointsman.router.wire.usage import Usage
from pointsman.routing.cost import Tariff, cost_nano

_PRICES = st.decimals(0, 10_000, places=6)
_TOKENS = st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Cached and reasoning tokens are parts."""
    prompt, completion = draw(_TOKENS), draw(_TOKENS)
    return Usage(
        prompt,
        completion,
        cached_tokens=draw(st.integers(0, prompt)),
        reasoning_tokens=draw(st.integers(0, completion)),
    )


@given(usages(), _PRICES, _PRICES, _PRICES, _PRICES)
def test_a_cost_is_the_decimal_one(
    usage: Usage, given_: Decimal, answered: Decimal, cached: Decimal, thought: Decimal
) -> None:
    """To the billionth, half of it rounded up."""
    pico = [int(price * 10**6) for price in (given_, answered, cached, thought)]
    price = Price(
        input_pico=pico[0], output_pico=pico[1], cached_pico=pico[2], reasoning_pico=pico[3]
    )
    exact = (
        (usage.prompt_tokens - usage.cached_tokens) * given_
        + (usage.completion_tokens - usage.reasoning_tokens) * answered
        + usage.cached_tokens * cached
        + usage.reasoning_tokens * thought
    ) * 1000
    assert cost_nano(usage, price) == int(exact.to_integral_value(ROUND_HALF_UP))


@given(
    st.lists(st.integers(1, 10**6), unique=True, max_size=6).map(sorted),
    st.lists(st.integers(0, 10**6 + 1), min_size=1, max_size=20),
)
def test_the_price_is_that_of_the_moment(begins: list[int], asked: list[int]) -> None:
    """The last one that has begun, in whatever order it is asked."""
    prices = [Price(input_pico=1), *(Price(from_s=float(s), input_pico=s) for s in begins)]
    tariff = Tariff(prices, "USD")
    for now_s in asked:
        expected = max([s for s in begins if s <= now_s], default=1)
        assert tariff.at(float(now_s)).input_pico == expected


def test_without_prices_it_is_free() -> None:
    """And one that will cost something later is not."""
    assert Tariff((), "USD").free
    assert Tariff((), "USD").at(0.0) == Price()
    assert not Tariff((Price(), Price(from_s=5.0, cached_pico=1)), "USD").free
