"""PURE: heads that were parsed, to know the next ones by.

Guarantees that what is found is that head again, byte for byte, but for the digits of its length;
so it means what it meant, and ends where its length says.
"""

import re
from typing import Final

from pointsman.router.wire.received import Head

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})(?=\r\n)", re.IGNORECASE)
_DIGITS: Final = 9
KEPT_BYTES: Final = 2048
"""Of a connection; a longer head is parsed each time."""


def find(head: Head, data: bytes, at: int) -> tuple[int, int] | None:
    """(where the body of this head at `at` begins, its length); None for another head."""
    before, after = head.around
    if not data.startswith(before, at):
        return None
    digits_at = at + len(before)
    end = data.find(b"\r", digits_at, digits_at + _DIGITS + 1)
    if end < 0:
        return None
    digits = data[digits_at:end]
    if not digits.isdigit() or not data.startswith(after, end):
        return None
    return end + len(after), int(digits)


def note(head: Head, data: bytes, length: int) -> bool:
    """Whether the next head may be known by `head`, which was read from the beginning of `data`."""
    size = head.size
    if size > KEPT_BYTES or length < 0 or not (head.keep_alive and head.http11):
        return False
    found = _LENGTH.search(data, 0, size)
    if found is None or int(found[1]) != length:
        return False
    head.around = (data[: found.start(1)], data[found.end(1) : size])
    return True
