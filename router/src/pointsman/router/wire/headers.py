"""PURE: a request's headers as they came, and as text for the rules that look at them."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar, overload

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]
"""(lower-case name, value) as received, duplicates included."""


class HeaderView(Mapping[str, str]):
    """Headers as text, looked up without building a dictionary; duplicates are joined."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """Mapping's, without an exception for each header that is not there."""
        wanted = name.encode("latin-1", "replace")
        found: bytes | None = None
        for key, value in self._headers:
            if key == wanted:
                found = value if found is None else b"%b, %b" % (found, value)
        return default if found is None else found.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter({key.decode("latin-1"): None for key, _ in self._headers})

    def __len__(self) -> int:
        return len({key for key, _ in self._headers})


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
