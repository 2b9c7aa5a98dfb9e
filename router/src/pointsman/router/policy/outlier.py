"""PURE: which endpoints get no requests for a while, because they fail those they get.

| state     | leaves it                                                                | to        |
| well      | FAILURES in a row, or a share of SHARE failures over the last 20 or so   | ejected   |
| ejected   | after 10 s, twice as long each further time, up to 300 s                 | half-open |
| half-open | its probe is answered: one request at a time                             | well      |
|           | its probe fails                                                          | ejected   |

Guarantees that at most half of the endpoints are ejected, so never the last one: what fails
everywhere is no endpoint's fault, and half of them cannot carry what all could not.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

FAILURES: Final = 5
"""In a row: Envoy's consecutive_5xx."""
SHARE: Final = 0.5
LEAST: Final = 10
"""Answers and failures, before a share means something."""
FIRST_S: Final = 10.0
MOST_S: Final = 300.0
"""Envoy's max_ejection_time; its first is 30 s, after which a restarted engine has idled for 20."""
_WEIGHT: Final = 0.1
"""Of the newest: the last 20 make nine tenths of the share."""
_FORGOTTEN: Final = 50
"""Answers in a row after which an endpoint is as any other."""

FAULTS: Final = frozenset(
    {
        *("ClosedEarly", "ConnectFailed", "ConnectRefused", "ConnectTimeout", "TlsFailed"),
        *("Reset", "Malformed", "NoDone", "WrongContentType", "FirstTokenTimeout", "IdleTimeout"),
        *("Http500", "Http502", "Http503", "Http504"),
    }
)
"""Outcomes that tell against an endpoint. Not 429: it works, and says that it has enough. Not what
is the request's, the caller's or the whole backend's."""


@dataclass(slots=True)
class Health:
    """Of one endpoint that has failed lately; `until_s` is the end of its ejection, else 0."""

    in_row: int = 0
    answers: int = 0
    """In a row."""
    seen: int = 0
    share: float = 0.0
    until_s: float = 0.0
    times: int = 0
    """Ejections so far."""
    probed_s: float = -inf
    """When its probe was sent; -inf where none is out."""

    @property
    def ejected(self) -> bool:
        """True until a probe was answered."""
        return self.until_s > 0


def admits(health: Health, now_s: float) -> bool:
    """True if a request may go there: it is well, or half-open and no probe is out."""
    if not health.ejected:
        return True
    if now_s < health.until_s:
        return False
    # A probe whose end nobody tells of must not shut the endpoint out for ever.
    return now_s - health.probed_s >= MOST_S


def failed(health: Health, now_s: float, *, may_eject: bool) -> bool:
    """Count a failure; True if that ejects it. `may_eject`: it would leave enough others."""
    health.in_row += 1
    health.answers = 0
    health.seen += 1
    health.share += _WEIGHT * (1 - health.share)
    if health.ejected:
        if health.probed_s == -inf:  # sent before it was ejected
            return False
    elif not may_eject or not (
        health.in_row >= FAILURES or (health.seen >= LEAST and health.share >= SHARE)
    ):
        return False
    health.until_s = now_s + min(FIRST_S * 2**health.times, MOST_S)
    health.times = min(health.times + 1, 30)
    health.probed_s = -inf
    return True


def answered(health: Health) -> bool:
    """Count an answer; True if nothing of it need be remembered."""
    health.in_row = 0
    health.answers += 1
    health.seen += 1
    health.share -= _WEIGHT * health.share
    if health.ejected and health.probed_s > -inf:
        health.until_s, health.probed_s = 0.0, -inf
        health.share, health.seen = 0.0, 0
    return health.answers >= _FORGOTTEN and not health.ejected


def neither(health: Health) -> None:
    """A request ended that says nothing of the endpoint: if it was the probe, another may go."""
    health.probed_s = -inf


def may_eject(endpoints: int, ejected: int) -> bool:
    """True if one more of so many may be ejected."""
    return ejected + 1 <= endpoints // 2
