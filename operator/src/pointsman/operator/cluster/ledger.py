"""Answers of the ledger; whatever goes wrong with one is Waiting."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from pointsman.events.ship import Failed
from pointsman.operator.errors import Waiting

_T = TypeVar("_T")


def body_of(ask: Callable[[], tuple[int, bytes]]) -> bytes:
    """What it answers. Raises Waiting with what went wrong."""
    try:
        status, body = ask()
    except Failed as failed:
        raise Waiting(f"the ledger cannot be asked: {failed.__cause__}") from failed
    if status != 200:
        raise Waiting(f"the ledger answers {status}")
    return body


def read_as(decode: Callable[[bytes], _T], body: bytes) -> _T:
    """What a body holds. Raises Waiting, which may quote it: not for texts of callers."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Waiting(f"the ledger's answer is none: {error}") from error
