"""PURE: until when a provider is not asked, by what its answers say of its rate limits.

| an answer                                         | it is not asked for                          |
| says that requests or tokens left are 0           | the time to that one's reset                 |
| 429 or 503 with retry-after-ms, or retry-after    | that time                                    |
| anything else, or a time that is not understood   | no time: a guess would cost more than a 429  |

Guarantees MOST_S at most: a provider whose headers are wrong is asked again by then.
"""

import re
from collections.abc import Mapping
from typing import Final

from pointsman.router.policy.retry import parse_retry_after_s

MOST_S: Final = 60.0
"""Providers count by the minute; what says longer is a daily quota, which a 429 tells again."""
LIMITED: Final = "RateLimited"
"""Reason of the fault of a provider that is not asked."""
_REFUSALS: Final = (429, 503)
_PAIRS: Final = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
)
_DURATION: Final = re.compile(
    r"(?=.)(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?"
    r"(?:(\d{1,9}(?:\.\d{1,9})?)ms)?",
    re.ASCII,
)
_UNITS_S: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def duration_s(text: str) -> float | None:
    """`6m0s`, `2m59.56s`, `120ms` (OpenAI, Groq) or plain seconds; None for anything else."""
    plain = parse_retry_after_s(text)
    if plain is not None:
        return plain
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    pairs = zip(found.groups(), _UNITS_S, strict=True)
    return sum(float(number) * unit for number, unit in pairs if number)


def retry_after_s(retry_after: bytes, told: Mapping[bytes, bytes]) -> float | None:
    """How long an answer asks to wait: the finer header wins."""
    fine = parse_retry_after_s(told.get(b"retry-after-ms", b"").decode("latin-1"))
    if fine is not None:
        return fine / 1000
    return parse_retry_after_s(retry_after.decode("latin-1"))


def closed_for_s(status: int, retry_after: bytes, told: Mapping[bytes, bytes]) -> float:
    """Seconds from now on in which it is not asked; 0: it may be."""
    waits = [
        duration_s(told.get(reset, b"").decode("latin-1")) or 0.0
        for left, reset in _PAIRS
        if _none_left(told.get(left, b""))
    ]
    if status in _REFUSALS:
        waits.append(retry_after_s(retry_after, told) or 0.0)
    return min(max(waits, default=0.0), MOST_S)


def _none_left(value: bytes) -> bool:
    text = value.strip().removeprefix(b"-")
    if not text.isdigit():
        return False
    return value.strip().startswith(b"-") or not text.strip(b"0")
