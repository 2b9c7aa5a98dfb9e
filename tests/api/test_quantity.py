"""Durations and prices as strings."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.quantity import parse_duration, parse_price


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("250ms", 0.25), ("30s", 30), ("1m30s", 90), ("1h", 3600), ("1h1m1s1ms", 3661.001)],
)
def test_durations_add_their_parts(text: str, seconds: float) -> None:
    """GEP-2257 durations, in seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1.5s", "1d", "1s\n", " 1s", "1h1h1h1h1h"])
def test_other_texts_are_no_durations(text: str) -> None:
    """No sign, no fraction, no days, no newline, at most four parts."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(0, 99999), st.sampled_from(["h", "m", "s", "ms"]))
def test_one_part_is_its_number_of_units(number: int, unit: str) -> None:
    """Any number of five digits of any unit."""
    size = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit]
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * size)


@given(st.decimals(0, 999_999_999, places=6))
def test_prices_keep_every_digit(price: Decimal) -> None:
    """A price is decimal, never a float."""
    assert parse_price(f"{price:f}") == price


@pytest.mark.parametrize("text", ["", "-1", "1e3", ".5", "1.", "$1", "1\n", "1.2345678"])
def test_other_texts_are_no_prices(text: str) -> None:
    """No sign, no exponent, no currency, at most six decimals."""
    with pytest.raises(ValueError, match="is not a price"):
        parse_price(text)
