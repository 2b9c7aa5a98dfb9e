"""Durations and prices as strings: parsed here, and nowhere else.

Durations follow Gateway API's GEP-2257 (`30s`, `1m30s`, `250ms`); prices are decimal strings,
because floats are not portable between Kubernetes clients.
"""

import re
from decimal import Decimal
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|ms|m|s)){1,4}$"
PRICE_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"

_PART = re.compile(r"([0-9]{1,5})(h|ms|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `1m30s`; raises ValueError for anything else."""
    if re.fullmatch(DURATION_PATTERN, text) is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 1m30s or 250ms")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def parse_price(text: str) -> Decimal:
    """A price per million tokens; raises ValueError unless it is a plain decimal number."""
    if re.fullmatch(PRICE_PATTERN, text) is None:
        raise ValueError(f"{text!r} is not a price such as 0.15")
    return Decimal(text)
