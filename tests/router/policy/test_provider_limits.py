"""What a provider's headers say of when it may be asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.policy.provider_limits import (
    MOST_S,
    closed_for_s,
    duration_s,
    retry_after_s,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("2m59.56s", 179.56), ("1h", 3600.0),
        ("1d2h", 93_600.0), ("7", 7.0), ("0.5", 0.5), (" 3s ", 3.0), ("0s", 0.0),
        ("", None), ("s", None), ("-1s", None), ("1s1m", None), ("soon", None), ("1 s", None),
        ("٣s", None), ("9" * 40 + "s", None), ("2026-11-26T16:00:00Z", None),
    ],
)  # fmt: skip
def test_a_duration_is_read_or_not_at_all(text: str, seconds: float | None) -> None:
    """Go's form, as OpenAI and Groq write it, or plain seconds."""
    found = duration_s(text)
    assert found == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("left", "closed"),
    [(b"0", True), (b"-1", True), (b"00", True), (b" 0 ", True), (b"1", False), (b"", False),
     (b"none", False), (b"0.0", False), (b"-", False)],
)  # fmt: skip
def test_only_none_left_closes(left: bytes, closed: bool) -> None:
    """One left is one that may be used."""
    told = {b"x-ratelimit-remaining-tokens": left, b"x-ratelimit-reset-tokens": b"5s"}
    assert closed_for_s(200, b"", told) == (5.0 if closed else 0.0)


def test_none_left_of_one_kind_waits_for_its_own_reset() -> None:
    """Tokens are left: their reset is no reason to wait."""
    told = {
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"2s",
        b"x-ratelimit-remaining-tokens": b"9",
        b"x-ratelimit-reset-tokens": b"50s",
    }
    assert closed_for_s(200, b"", told) == 2.0


@pytest.mark.parametrize(
    ("status", "closed_s"), [(429, 7.0), (503, 7.0), (500, 0.0), (200, 0.0), (404, 0.0)]
)
def test_retry_after_counts_where_the_answer_is_a_refusal(status: int, closed_s: float) -> None:
    """A 500 with Retry-After is a broken server, for which there are retries."""
    assert closed_for_s(status, b"7", {}) == closed_s


def test_the_finer_header_wins() -> None:
    """Azure and OpenAI send both."""
    assert retry_after_s(b"1", {b"retry-after-ms": b"250"}) == 0.25
    assert retry_after_s(b"1", {b"retry-after-ms": b"soon"}) == 1.0
    assert retry_after_s(b"", {}) is None


@given(
    st.integers(100, 599),
    st.binary(max_size=20),
    st.dictionaries(
        st.sampled_from(
            [b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests", b"retry-after-ms"]
        ),
        st.one_of(st.binary(max_size=20), st.just(b"0"), st.just(b"99999h")),
    ),
)
def test_whatever_is_told_the_wait_is_bounded(
    status: int, after: bytes, told: dict[bytes, bytes]
) -> None:
    """Garbage never closes a provider for long, and never raises."""
    assert 0.0 <= closed_for_s(status, after, told) <= MOST_S
