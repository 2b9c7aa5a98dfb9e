"""PURE: what a request says of the page that sent it, for servers on loopback that ask no token.

A program says nothing of a page, and is on this machine. A page of another site is refused by what
its browser says of it, and one whose name leads here only now (DNS rebinding) by that name.
"""

from collections.abc import Mapping
from typing import Final

from pointsman.process.address import Address

_OURS: Final = ("same-origin", "none")
"""What a browser says of our own pages, and of an address that somebody typed."""


def is_local(host: str) -> bool:
    """Whether a Host header is of this machine by itself: nobody's DNS says where that leads."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return Address(name.removeprefix("[").removesuffix("]").lower(), 0).is_loopback


def why_foreign(headers: Mapping[str, str]) -> str:
    """Empty if no page of another site sent it. `headers` are known by lower case, at least."""
    host, origin = headers.get("host", ""), headers.get("origin", "")
    if not is_local(host):
        return "without a token only 127.0.0.1, [::1] and localhost are answered"
    is_ours = headers.get("sec-fetch-site", "none") in _OURS
    if not is_ours or (origin and origin.rpartition("://")[2].lower() != host.lower()):
        return "this was sent by another site's page, and nothing was done"
    return ""


def is_foreign(origin: bytes) -> bool:
    """
    Whether an Origin header is of a page that somebody else may have written.

    Not so pages that this machine serves itself, on any port, and programs that name a scheme of
    their own (editors, extensions). `null` is what any page becomes in a sandboxed frame.
    """
    scheme, _, host = origin.decode("latin-1").partition("://")
    if scheme.lower() in ("http", "https"):
        return not is_local(host)
    return not host
