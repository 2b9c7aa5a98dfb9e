"""How much a request's text may harm if it gets into wrong hands: four ordered classes.

Of several sources the strictest wins, so a caller can raise what its key or a rule says and never
lower it. What is no class is refused, not guessed.
"""

from enum import StrEnum
from typing import Final


class DataClass(StrEnum):
    """From the least to the most harmful."""

    PUBLIC = "Public"
    INTERNAL = "Internal"
    CONFIDENTIAL = "Confidential"
    RESTRICTED = "Restricted"


CLASSES: Final = tuple(DataClass)
RANKS: Final[dict[str, int]] = {str(one): rank for rank, one in enumerate(CLASSES)}
"""Of each by its name; the larger, the stricter."""
HEADER: Final = b"x-pointsman-data-class"
METADATA: Final = "data_class"
"""The key in the body's `metadata`; read where a policy has `governance`."""
_WRITTEN: Final = {str(one).lower(): rank for rank, one in enumerate(CLASSES)}


def rank_of(written: str) -> int | None:
    """Of a class as a caller writes it, in any case; None for what is none."""
    return _WRITTEN.get(written.strip().lower())
