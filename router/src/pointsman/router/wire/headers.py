"""PURE: a request's headers as they came, and as text for the rules that look at them."""

from typing import Final

Headers = list[tuple[bytes, bytes]]
"""(lower-case name, value) as received, duplicates included."""
_SPACE: Final = b" \t"
"""What may stand around a value and is none of it; llhttp takes off what stands before it."""


def as_texts(headers: Headers) -> dict[str, str]:
    """By name, duplicates joined; without the length: requests that differ in it share a head."""
    found: dict[str, str] = {}
    for key, value in headers:
        if key == b"content-length":
            continue
        name, text = key.decode("latin-1"), value.strip(_SPACE).decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


_UPGRADE: Final = frozenset({b"upgrade", b"connection", b"http2-settings"})


def without_upgrade(method: bytes, target: bytes, headers: Headers, *, http11: bool) -> bytes:
    """The head of a request that offers an Upgrade, without the offer; a close stays."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] not in _UPGRADE]
    if any(n == b"connection" and b"close" in _tokens(value) for n, value in headers):
        lines.append(b"connection: close\r\n")
    version = b"1.1" if http11 else b"1.0"
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version, b"".join(lines))


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]
