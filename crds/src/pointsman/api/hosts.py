"""Which hosts may see a key: pure, strict, and about names only.

Guarantees that a key goes to no host that its Secret does not name: an entry is a host or
`*.example.com`. Refuses URLs that two parsers could read differently, and entries with ports,
schemes or anything else beside a name.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_ADDRESS = re.compile(r"[0-9.]+|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def split_allowed(annotation: str) -> tuple[str, ...]:
    """Entries of the annotation `pointsman.dev/allowed-hosts`, in lower case."""
    entries = (entry.strip().lower() for entry in annotation.split(","))
    return tuple(entry for entry in entries if entry)


def host_of(url: str) -> str | None:
    """Host of a URL in lower case, without port; None where it is not beyond doubt."""
    try:
        parts = urlsplit(url)
        plain = _AUTHORITY.fullmatch(parts.netloc) and parts.scheme in ("http", "https")
        return parts.hostname if plain and url.isprintable() and "\\" not in url else None
    except ValueError:
        return None


def covers(allowed: Iterable[str], host: str) -> bool:
    """True if an entry is this very host, or a wildcard above it; never for a wildcarded address.

    `*.example.com` covers `api.example.com` and `a.b.example.com`, not `example.com`.
    """
    host = host.lower()
    address = _ADDRESS.fullmatch(host) is not None
    if not address and _NAME.fullmatch(host) is None:
        return False
    for entry in (entry.lower() for entry in allowed):
        if entry in (host, f"[{host}]") or (not address and _is_above(entry, host)):
            return True
    return False


def _is_above(entry: str, host: str) -> bool:
    if not entry.startswith("*.") or _NAME.fullmatch(entry[2:]) is None:
        return False
    return host.endswith(entry[1:]) and _NAME.fullmatch(host[: -len(entry[1:])]) is not None
