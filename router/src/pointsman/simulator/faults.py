"""The faults a test can order, and for how many requests they hold. Pure.

| mode              | what the next generation requests meet                                  |
| Error500/Error429 | that status, the latter with Retry-After                                |
| Hang, HangAfterHeaders, SlowFirstByte | silence for ever, after the head, or for `delay`    |
| DieMidStream, Reset | the connection reset after `after_tokens` content chunks, or at once  |
| Garbage, Drip, WrongContentType | no HTTP; byte by byte, `delay` apart; HTML               |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultMode(StrEnum):
    """What goes wrong."""

    NONE = "None"
    ERROR_500 = "Error500"
    ERROR_429 = "Error429"
    HANG = "Hang"
    HANG_AFTER_HEADERS = "HangAfterHeaders"
    DIE_MID_STREAM = "DieMidStream"
    RESET = "Reset"
    GARBAGE = "Garbage"
    DRIP = "Drip"
    WRONG_CONTENT_TYPE = "WrongContentType"
    SLOW_FIRST_BYTE = "SlowFirstByte"


@dataclass(frozen=True, slots=True)
class Fault:
    """One order. `count` -1 holds until changed; `delay_s` is before the time scale."""

    mode: FaultMode = FaultMode.NONE
    count: int = -1
    after_tokens: int = 3
    retry_after_s: int = 1
    delay_s: float = 1.0


NO_FAULT = Fault()


class Faults:
    """The order in force."""

    def __init__(self) -> None:
        self.current = NO_FAULT
        self.left = -1

    def order(self, fault: Fault) -> None:
        """Let `fault` meet the next `fault.count` generation requests."""
        self.current, self.left = fault, fault.count

    def take(self) -> Fault:
        """The fault the next request meets; NO_FAULT once the count is used up."""
        if self.current.mode is FaultMode.NONE or self.left == 0:
            return NO_FAULT
        if self.left > 0:
            self.left -= 1
        return self.current
