"""What people are told once, as an Event and a line of the log."""

from dataclasses import dataclass
from typing import Literal

NewsReason = Literal[
    "Drifted",
    "DriftImproved",
    "DriftRecovered",
    "DriftSuspected",
    "DriftRebaselined",
    "DriftBegun",
    "DriftStateLost",
]
_WARNINGS = frozenset({"Drifted", "DriftStateLost"})


@dataclass(frozen=True, slots=True)
class News:
    """`at_ms`: when it was seen, in Unix time: the same news twice is one Event."""

    reason: NewsReason
    note: str
    at_ms: int

    @property
    def kind(self) -> Literal["Warning", "Normal"]:
        """As Events have it."""
        return "Warning" if self.reason in _WARNINGS else "Normal"
