"""PURE: the headers that say where a request ends or how to go on, and what they may say."""

from typing import Final

from pointsman.router.wire.received import Unreadable
from pointsman.router.wire.target import is_host

FRAMING: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
)
LENGTH_DIGITS: Final = 20
"""Of a Content-Length, zeros before it included: those of 64 bits, and what h11 takes."""


class Refusing(Exception):
    """The end of a connection is `unreadable`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.unreadable = Unreadable(status, message)


def check_line(seen: bytes, method: bytes, target: bytes, version: str) -> None:
    """Raises Refusing; `seen` is what the parser has found the other three in."""
    if version not in ("1.0", "1.1"):
        raise Refusing(505, "This server speaks HTTP/1.1.")
    if not seen.startswith(b"%b %b HTTP/%b\r\n" % (method, target, version.encode())):
        raise Refusing(400, "The request line's words are not set apart by one space each.")
    if method == b"CONNECT":
        raise Refusing(405, "This server is no proxy.")


def check(name: bytes, value: bytes, *, coded: bool) -> None:
    """
    Raises Refusing; the parser has checked that a length is a number of 64 bits.

    `coded`: a header before it has named a transfer coding.
    """
    if name == b"host":
        if not is_host(value):
            raise Refusing(400, "The Host header is no host.")
    elif name == b"content-length":
        if len(value.strip(b" \t")) > LENGTH_DIGITS:
            raise Refusing(400, f"The Content-Length has more than {LENGTH_DIGITS} digits.")
    elif name == b"transfer-encoding":
        if coded or value.strip(b" \t").lower() != b"chunked":
            raise Refusing(501, "The only transfer coding that is read is chunked.")
    elif name == b"expect" and value.strip().lower() != b"100-continue":
        raise Refusing(417, "The only expectation that is met is 100-continue.")


def too_large(max_body_bytes: int) -> str:
    """What is said of a body over the bound."""
    return f"The request's body is larger than {max_body_bytes:,} bytes."
