"""PURE: which backends answer no request, by the counts of attempts that a router has anyway.

| state   | leaves it                                                                 | to      |
| well    | LEAST attempts fail, over SINCE_S or longer, and none is answered         | failing |
| failing | an answer; or no attempt for FORGOTTEN_S, after which nobody knows        | well    |

Guarantees one word for as long as a backend fails, and that it changes state at most each SINCE_S.
Who is looked at seldom is judged late, never wrongly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final

LEAST: Final = 5
SINCE_S: Final = 120.0
"""Twice as long as a provider whose limit is used up is left alone (provider_limits.MOST_S)."""
FORGOTTEN_S: Final = 600.0
FAULTS: Final = frozenset(
    {
        *("AddressRefused", "BadUrl", "ClosedEarly", "ConnectFailed", "ConnectRefused"),
        *("ConnectTimeout", "FirstTokenTimeout", "IdleTimeout", "Malformed", "NameUnknown"),
        *("NoCredential", "NoDone", "ProxyFailed", "RateLimited", "Reset", "TlsFailed"),
        *("TooLarge", "WrongContentType"),
    }
)
"""Outcomes that are the backend's, or the way's to it; and every status. What has no server, or is
full, is told by its pods."""


def is_fault(outcome: str) -> bool:
    """Whether an attempt that ended so tells against its backend."""
    return outcome in FAULTS or outcome.startswith("Http")


@dataclass(frozen=True, slots=True)
class Run:
    """Failed attempts since the last answer; counts are totals since the router began."""

    answers: int
    before: Mapping[str, int]
    """Failures by outcome up to then."""
    failures: Mapping[str, int]
    since_s: float = inf
    """When the first of them was seen."""
    last_s: float = inf
    word: str = ""
    """How most of them ended, once it fails."""


def looked(known: Run | None, answers: int, failures: Mapping[str, int], now_s: float) -> Run:
    """What is known of a backend after one more look at its counts."""
    if known is None:  # a first look: nobody knows what came first
        before = {} if answers == 0 else dict(failures)
        known = Run(answers, before, before)
    total, seen = sum(failures.values()), sum(known.failures.values())
    if answers != known.answers or total < seen or now_s - known.last_s > FORGOTTEN_S:
        known = Run(answers, (kept := dict(failures)), kept)
    elif total > seen:
        since_s = min(known.since_s, now_s)
        known = replace(known, failures=dict(failures), since_s=since_s, last_s=now_s)
    grown = {word: n - known.before.get(word, 0) for word, n in known.failures.items()}
    lasts = now_s - known.since_s >= SINCE_S and sum(grown.values()) >= LEAST
    if known.word or not lasts:
        return known
    return replace(known, word=min(grown, key=lambda one: (-grown[one], one)))
