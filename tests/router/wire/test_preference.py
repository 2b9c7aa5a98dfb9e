"""RFC 7240: what a caller prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.preference import MOST_WAIT_S, Preference, preferred


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Preference()),
        ([b"respond-async"], Preference(True)),
        ([b"Respond-Async, Wait=10"], Preference(True, 10.0)),
        ([b"respond-async", b"wait=10"], Preference(True, 10.0)),
        ([b"wait=5, wait=9"], Preference(False, 5.0)),
        ([b'wait="7"; foo=bar'], Preference(False, 7.0)),
        ([b"wait=600"], Preference(False, MOST_WAIT_S)),
        ([b"wait=-1, wait=x, wait"], Preference()),
        ([b"handling=strict; respond-async"], Preference()),
    ],
)
def test_what_is_understood_is_preferred(lines: list[bytes], expected: Preference) -> None:
    """And nothing else."""
    assert preferred([(b"accept", b"respond-async"), *((b"prefer", one) for one in lines)]) == (
        expected
    )


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_no_header_is_an_error(lines: list[bytes]) -> None:
    """A wait is never longer than a minute."""
    found = preferred([(b"prefer", one) for one in lines])
    assert found.wait_s is None or 0 <= found.wait_s <= MOST_WAIT_S
