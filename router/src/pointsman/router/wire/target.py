"""PURE: whom and what a request asks for, in any of the forms of RFC 9112 3.2."""

import re
from typing import Final

_HOST_BYTES: Final = (
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:[]%"
)
"""RFC 3986's host and port."""
_AUTHORITY: Final = re.compile(rb"[^/?#]*")


def is_host(value: bytes) -> bool:
    """True if this may be a Host header's value; an empty one may."""
    return not value.strip(b" \t").translate(None, _HOST_BYTES)


def path_of(target: bytes) -> bytes | None:
    """The path and query of an http(s) URL, `*` as it is; None for anything else."""
    if target == b"*":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return None
    authority = _AUTHORITY.match(rest)
    if authority is None or not authority[0] or not is_host(authority[0]):
        return None
    path = rest[authority.end() :]
    return path if path[:1] == b"/" else b"/" + path
