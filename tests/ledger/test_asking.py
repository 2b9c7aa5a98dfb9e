"""What a question's numbers may be: digits alone, as many as a store can hold."""

from pathlib import Path

import pytest

from pointsman.ledger.asking import BadQuestion, count_of, number_of
from tests.ledger.test_service import ledger

LIMITS = ("labels?policy=support&each", "recent?policy=support&limit", "evaluations?limit")
HUGE = ("000000001999999999", "0" * 30 + "1", "1" + "0" * 5000, "9" * 18)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("7", 7), ("007", 7), ("9" * 18, 10**18 - 1),
        ("", None), ("-1", None), ("+1", None), ("1_0", None), (" 1", None), ("1.0", None),
        ("²", None), ("٣", None), ("9" * 19, None), ("0" * 19, None), ("1" * 5000, None),
    ],
)  # fmt: skip
def test_a_number_is_digits_that_a_store_can_hold(text: str, expected: int | None) -> None:
    """No sign, no other script's digits, and none that Python would not read."""
    assert number_of(text) == expected


@pytest.mark.parametrize("text", ["0", "101", *HUGE])
def test_a_count_is_never_over_its_bound(text: str) -> None:
    """However it is written."""
    with pytest.raises(BadQuestion, match="limit is 1 to 100"):
        count_of({"limit": text}, "limit", 20, 100)
    assert count_of({"limit": "000100"}, "limit", 20, 100) == 100
    assert count_of({}, "limit", 20, 100) == 20


async def test_every_limit_is_bounded_over_http(tmp_path: Path) -> None:
    """400 that says the bound, and no 500."""
    async with ledger(tmp_path) as client:
        for path in LIMITS:
            for text in HUGE:
                status, told = await client.get(f"/v1/{path}={text}")
                assert status == 400, path
                assert " is 1 to " in told["reason"]
