"""Patterns for what must not be kept of a text: the known ones, and what others may look like.

Patterns are RE2's: whatever a text holds, the time to search it grows as the text does, so nobody
who sends prompts can make one expensive. What a pattern may cost is bounded when it is read.
"""

import functools
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

MAX_PATTERNS: Final = 16
MAX_PATTERN_CHARS: Final = 128
MAX_PROGRAM: Final = 4000
"""Instructions of RE2. The worst pattern of this size takes about a second for a text as long as
is kept, and waits in a thread of its own; usual ones have 20 to 200, and take a millisecond."""
MAX_SEARCHED_PROGRAM: Final = 500
"""Instructions of all patterns together that are searched for while a request waits, and with it
all others of its router: the worst take 0.15 s for the longest text that is searched."""
_MAX_MEM: Final = 2 * 1024 * 1024
"""Of the states that RE2 keeps of one pattern."""
_LONG_COUNT: Final = re.compile(r"\{[0-9,]*[0-9]{3}")


class Pattern(Protocol):
    """A compiled pattern: the parts of a UTF-8 text that match, as (begin, end) in bytes."""

    @property
    def size(self) -> int:
        """Instructions."""

    def spans(self, text: bytes) -> list[tuple[int, int]]:
        """In order; empty ones are left out."""

    def found(self, text: bytes) -> bool:
        """Whether any part matches."""


class _Re2:
    """One pattern; may be used by several threads."""

    __slots__ = ("_compiled",)

    def __init__(self, pattern: str) -> None:
        import re2  # noqa: PLC0415 - 7 ms, and most processes see no pattern

        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _MAX_MEM
        try:
            self._compiled = re2.compile(pattern, options)
        except (re2.error, UnicodeEncodeError):
            raise BadPattern(pattern) from None

    @property
    def size(self) -> int:
        """Instructions."""
        return int(self._compiled.programsize)

    def matches_nothing(self) -> bool:
        """True if the empty text matches."""
        return self._compiled.search("") is not None

    def spans(self, text: bytes) -> list[tuple[int, int]]:
        found = [match.span() for match in self._compiled.finditer(text)]
        return [(begin, end) for begin, end in found if begin < end]

    def found(self, text: bytes) -> bool:
        return self._compiled.search(text) is not None


class BadPattern(ValueError):
    """A pattern that cannot be used."""


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """Raises BadPattern for what `is_pattern` refuses."""
    if len(pattern) > MAX_PATTERN_CHARS or "\\C" in pattern or _LONG_COUNT.search(pattern):
        raise BadPattern(pattern)
    found = _Re2(pattern)
    if found.size > MAX_PROGRAM or found.matches_nothing():
        raise BadPattern(pattern)
    return found


def program_size(pattern: str) -> int:
    """Instructions of RE2; raises BadPattern for what it does not take or would be very large."""
    if len(pattern) > MAX_PATTERN_CHARS or "\\C" in pattern or _LONG_COUNT.search(pattern):
        raise BadPattern(pattern)
    return _Re2(pattern).size


def are_searchable(patterns: Sequence[str]) -> bool:
    """True for patterns that are small together: MAX_SEARCHED_PROGRAM."""
    try:
        return sum(compiled(pattern).size for pattern in patterns) <= MAX_SEARCHED_PROGRAM
    except BadPattern:
        return False


def is_pattern(pattern: str) -> bool:
    """
    True for RE2's syntax, bounded, and not matching the empty text.

    `\\C` is refused because it cuts characters apart, and CEL's RE2 does not know it.
    """
    try:
        compiled(pattern)
    except BadPattern:
        return False
    return True


class Known(StrEnum):
    """What has a pattern here. They rather take too much than too little."""

    API_KEY = "ApiKey"
    BEARER_TOKEN = "BearerToken"
    EMAIL = "Email"
    CREDIT_CARD = "CreditCard"


_PART: Final = r"[^\s@<>()\[\]{},;:\"'`]"
_KNOWN: Final[dict[Known, tuple[str, ...]]] = {
    Known.API_KEY: (
        r"\b(?:sk|pk|rk|pmk)[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Stripe, our own
        r"\b(?:gh[opsur]_|github_pat_|glpat-|hf_|xox[a-z]-|npm_)[A-Za-z0-9_-]{10,}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bAIza[A-Za-z0-9_-]{35}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # RFC 7519, signed
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
        r"(?i)\b(?:api[_-]?key|secret|passw(?:or)?d|token)[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,}",
    ),
    Known.BEARER_TOKEN: (r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",),
    Known.EMAIL: (rf"{_PART}+@{_PART}+\.{_PART}{{2,}}",),
    # 14 to 19 digits of an issuer that begins with 3 to 6, in groups or not. No check digit: a
    # number with a slip of the pen is somebody's, too.
    Known.CREDIT_CARD: (r"\b[3-6](?:[ -]?[0-9]){13,18}\b",),
}


@functools.lru_cache(maxsize=16)
def known(name: Known) -> tuple[Pattern, ...]:
    """Its patterns."""
    return tuple(_Re2(pattern) for pattern in _KNOWN[name])
