"""Who goes first where requests wait for a server: three ordered classes, given by the policy.

A caller has no say in it: whoever could would always say High.
"""

from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """From the first that waits to the last."""

    HIGH = "High"
    NORMAL = "Normal"
    LOW = "Low"


RANKS: Final[dict[Priority, int]] = {Priority.HIGH: 1, Priority.NORMAL: 0, Priority.LOW: -1}
"""The larger goes first; 0 is what a router of before takes for all."""
