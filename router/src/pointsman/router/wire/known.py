"""PURE: a head that was parsed, to know the next one by.

Guarantees that what is found is that head again, byte for byte, but for the digits of its length;
so it means what it meant, and ends where its length says.
"""

import re
from typing import Final, NamedTuple

from pointsman.router.wire.received import Head

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})(?=\r\n)", re.IGNORECASE)
_DIGITS: Final = 9
KEPT_BYTES: Final = 2048
"""Of a connection; a longer head is parsed each time."""


class Known(NamedTuple):
    """The bytes before and after the digits."""

    before: bytes
    after: bytes
    head: Head

    def find(self, data: bytes, at: int) -> tuple[int, int] | None:
        """(where the body of this head at `at` begins, its length); None for another head."""
        if not data.startswith(self.before, at):
            return None
        digits_at = at + len(self.before)
        end = data.find(b"\r", digits_at, digits_at + _DIGITS + 1)
        digits = data[digits_at:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self.after, end):
            return None
        return end + len(self.after), int(digits)


def known(head: Head, data: bytes, length: int) -> Known | None:
    """`head`, which was read from the beginning of `data`, if the next one may be known by it."""
    size = head.size
    if size > KEPT_BYTES or length < 0 or not (head.keep_alive and head.http11):
        return None
    found = _LENGTH.search(data, 0, size)
    if found is None or int(found[1]) != length:
        return None
    return Known(data[: found.start(1)], data[found.end(1) : size], head)
