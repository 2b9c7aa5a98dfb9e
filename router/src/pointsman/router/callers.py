"""PURE: who calls, told by the key that is shown.

Guarantees that nobody is let in but the holder of a known key: what is not understood, not known or
not yet known is refused, and open to all is a value that somebody has to choose. Keys are compared
as hashes, in constant time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest
from math import inf
from typing import Final, NamedTuple

from pointsman.api.callers import MAX_KEY_BYTES, Limits, digest_of
from pointsman.process.sites import is_foreign

_PREFIX_BYTES: Final = 4
"""Of a hash, to find it by. How long the search takes tells something about hashes of what was
shown, which nobody can choose to be near the hash of a key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An application with keys of its own; holds no key, only hashes."""

    name: str
    team: str = ""
    policies: frozenset[str] | None = frozenset()
    """Names of the policies that it may use, None for all."""
    digests: frozenset[bytes] = field(default=frozenset(), repr=False)
    expires_at_s: float = inf
    """Unix time."""
    limits: Limits | None = None
    """Of its own."""
    team_limits: Limits | None = None
    """Of all callers of its team together."""
    data_rank: int = 0
    """The class of data that its requests have at least; of dataclass.RANKS."""

    def may_use(self, policy: str) -> bool:
        """True if requests may be answered by this policy."""
        return self.policies is None or policy in self.policies


class Team(NamedTuple):
    """What the callers of this team share."""

    name: str
    limits: Limits


NOBODY: Final = Caller("")
"""May use nothing: what an exchange begins with."""
ANYONE: Final = Caller("", policies=None)
"""Whoever calls an open router."""


class Refusal(StrEnum):
    """Why somebody is not let in; the metric's label as well."""

    NO_KEY = "NoKey"
    MALFORMED = "Malformed"
    """Two keys, or something that is no bearer token."""
    UNKNOWN_KEY = "UnknownKey"
    EXPIRED_KEY = "ExpiredKey"
    NOT_READY = "NotReady"
    """Not every Secret was read yet: nobody can say that the key is unknown."""
    FOREIGN_PAGE = "ForeignPage"
    """A page of another site, in a browser on this machine, to a router that asks for no key."""


@dataclass(frozen=True, slots=True, eq=False)
class Callers:
    """Everybody who may call, found by the hash of a key. The default lets nobody in."""

    open: bool = False
    here: bool = False
    """Open to programs on this machine, not to what other sites' pages do in its browsers."""
    complete: bool = False
    """True once every Secret was read, by this process or by an earlier one."""
    everyone: tuple[Caller, ...] = ()
    by_prefix: Mapping[bytes, tuple[tuple[bytes, Caller], ...]] = field(
        default_factory=dict, repr=False
    )


NOT_READ: Final = Callers()
OPEN: Final = Callers(open=True, complete=True)
OPEN_HERE: Final = Callers(open=True, here=True, complete=True)


def callers_of(everyone: Iterable[Caller], *, complete: bool) -> Callers:
    """Ready to be searched; no two may have a hash in common."""
    known = tuple(everyone)
    found: dict[bytes, list[tuple[bytes, Caller]]] = {}
    for caller in known:
        for digest in caller.digests:
            found.setdefault(digest[:_PREFIX_BYTES], []).append((digest, caller))
    by_prefix = {prefix: tuple(pairs) for prefix, pairs in found.items()}
    return Callers(complete=complete, everyone=known, by_prefix=by_prefix)


class Verdict(NamedTuple):
    """Who a request is from, and by which knowledge that was said."""

    by: Callers
    caller: Caller | Refusal


_OPEN: Final = Verdict(OPEN, ANYONE)
_ANTHROPICS: Final = b"x-api-key"
"""Where its SDKs show a key; looked at where there is no Authorization."""


def judge(callers: Callers, headers: Iterable[tuple[bytes, bytes]], now_s: float) -> Verdict:
    """Of a request's headers (names in lower case); `now_s` is Unix time."""
    if callers is OPEN:
        return _OPEN
    if callers.open:
        foreign = callers.here and any(n == b"origin" and is_foreign(v) for n, v in headers)
        return Verdict(callers, Refusal.FOREIGN_PAGE if foreign else ANYONE)
    shown = [value for name, value in headers if name == b"authorization"]
    if not shown:
        shown = [b"bearer " + value for name, value in headers if name == _ANTHROPICS]
    caller = _search(callers, shown, now_s)
    if not callers.complete and isinstance(caller, Refusal):
        caller = Refusal.NOT_READY
    return Verdict(callers, caller)


def _search(callers: Callers, shown: list[bytes], now_s: float) -> Caller | Refusal:
    if not shown:
        return Refusal.NO_KEY
    scheme, _, key = shown[0].partition(b" ")
    key = key.strip(b" \t")
    if len(shown) > 1 or scheme.lower() != b"bearer" or not key:
        return Refusal.MALFORMED
    if len(key) > MAX_KEY_BYTES:
        return Refusal.UNKNOWN_KEY
    digest = digest_of(key)
    found: Caller | None = None
    for known, caller in callers.by_prefix.get(digest[:_PREFIX_BYTES], ()):
        if compare_digest(known, digest):
            found = caller
    if found is None:
        return Refusal.UNKNOWN_KEY
    return found if now_s < found.expires_at_s else Refusal.EXPIRED_KEY
