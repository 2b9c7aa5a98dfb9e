"""A webhook knows its ledger, and takes nothing twice."""

import pytest

from pointsman.ledger.reviewing.signing import (
    DELIVERY,
    SIGNATURE,
    TIMESTAMP,
    WINDOW_S,
    Receiver,
    Refused,
    headers,
    signature,
)

KEY = b"0123456789abcdef"
BODY = b'{"delivery":"abc","id":"d-1"}'
NOW_S = 1_795_000_000


def test_what_the_ledger_signed_is_taken_once() -> None:
    """The same again, and later under its own name, is a replay."""
    receiver, told = Receiver(KEY), headers(KEY, "abc", BODY, NOW_S)
    assert receiver.accept(told, BODY, NOW_S)["id"] == "d-1"
    with pytest.raises(Refused, match="told before"):
        receiver.accept(told, BODY, NOW_S + 1)
    with pytest.raises(Refused, match="told before"):  # another try of the same delivery
        receiver.accept(headers(KEY, "abc", BODY, NOW_S + 60), BODY, NOW_S + 60)
    with pytest.raises(Refused, match="too long ago"):
        receiver.accept(told, BODY, NOW_S + WINDOW_S + 1)


@pytest.mark.parametrize(
    "forged",
    [
        {SIGNATURE: signature(b"another key of 16", str(NOW_S), BODY)},
        {SIGNATURE: ""},
        {TIMESTAMP: str(NOW_S + 1)},
        {TIMESTAMP: "soon", SIGNATURE: signature(KEY, "soon", BODY)},
        {DELIVERY: "another"},
    ],
)
def test_what_somebody_else_made_is_refused(forged: dict[str, str]) -> None:
    """Another key, another time, a replay under another name; the right one is taken after it."""
    receiver, told = Receiver(KEY), headers(KEY, "abc", BODY, NOW_S)
    with pytest.raises(Refused):
        receiver.accept(told | forged, BODY, NOW_S)
    with pytest.raises(Refused):
        receiver.accept(told, BODY.replace(b"d-1", b"d-2"), NOW_S)
    assert receiver.accept(told, BODY, NOW_S)
