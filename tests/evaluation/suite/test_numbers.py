"""The last number of an answer, as people of any country write it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.evaluation.suite.numbers import LONGEST, last_number


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("The total is 1,234.5 €.", ["1234.5"]),
        ("Die Summe ist 1.234,5 €.", ["1234.5"]),
        ("La somme est 1\u202f234,5 €", ["1234.5", "234.5"]),
        ("1'234'567.25 CHF", ["1234567.25"]),
        ("₹12,34,567.89", ["1234567.89"]),
        ("1,234", ["1234", "1.234"]),
        ("1.234", ["1.234", "1234"]),
        ("0,125", ["0.125"]),
        ("5 300", ["5300", "300"]),
        ("in 2019 300 people", ["300"]),
        ("-7 °C", ["-7"]),
        ("\u22127", ["-7"]),
        ("-$5.50", ["-5.50"]),
        ("3-4", ["4"]),
        ("it is .5", ["0.5"]),
        ("1, 2, 3", ["3"]),
        ("1,2,3", ["3"]),
        ("1.2.3", ["3"]),
        ("42nd", ["42"]),
        (r"\boxed{42}", ["42"]),
        ("6.02e23", ["6.02e23"]),
        ("1e-3.", ["0.001"]),
        ("٣٫٥", ["3.5"]),
        ("１２", ["12"]),
        ("99.9%", ["99.9"]),
        ("first 10, then 20", ["20"]),
        ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 42", ["42"]),
    ],
)
def test_a_number_is_read_as_its_writer_meant_it(text: str, readings: list[str]) -> None:
    """Where it can be read in two ways, both are there, the likelier one first."""
    assert last_number(text) == tuple(map(Decimal, readings))


@pytest.mark.parametrize("text", ["", "forty-two", "none at all", "½ x²"])
def test_no_number_is_no_number(text: str) -> None:
    """Words, fractions of one character and powers are not read."""
    assert last_number(text) is None


def test_a_number_that_nobody_asked_for_is_not_read() -> None:
    """Of thousands of digits."""
    assert last_number("9" * (LONGEST + 1)) == ()
    assert last_number("9" * 1_000_000) == ()


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Whatever it holds: finite numbers or none."""
    for one in last_number(text) or ():
        assert one.is_finite()


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from([",", ".", " ", "\u00a0", "'", "_"]),
    st.sampled_from(["", "25", "5"]),
)
def test_grouped_numbers_are_among_the_readings(value: int, mark: str, rest: str) -> None:
    """In each style of the world, with a decimal part and without."""
    point = "," if mark in {".", " ", "\u00a0"} else "."
    text = f"{value:,}".replace(",", mark) + (point + rest if rest else "")
    wanted = Decimal(f"{value}.{rest or 0}")

    found = last_number(f"It is {text}, they say")

    assert found is not None
    assert wanted in found
