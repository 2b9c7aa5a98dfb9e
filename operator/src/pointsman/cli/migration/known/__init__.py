"""Every key of a LiteLLM config that is known here, and what becomes of it.

An empty text: it is translated where it stands. Else it has no counterpart, and the text says what
to do. Sources: LiteLLM's docs, proxy/config_settings, routing, proxy/reliability and
proxy/tag_routing, and the parameters of its Router and proxy, version 1.110.2; read 2026-11-26.
"""

from collections.abc import Mapping

from pointsman.cli.migration.known.models import (
    DEFAULTS,
    INFO_PREFIXES,
    MODEL_INFO,
    OTHER_PRICE,
    PARAM_PREFIXES,
    PARAMS,
    PRICES,
)
from pointsman.cli.migration.known.settings import SECTIONS, TOP
from pointsman.cli.migration.known.words import HERE

__all__ = [
    "DEFAULTS",
    "INFO_PREFIXES",
    "MODEL_INFO",
    "PARAMS",
    "PARAM_PREFIXES",
    "PRICES",
    "SECTIONS",
    "TOP",
    "advice",
    "is_price",
]


def is_price(key: str) -> bool:
    """LiteLLM has a hundred of them, and they follow a pattern."""
    return "_cost" in key or "cost_per_" in key or key == "tiered_pricing"


def advice(known: Mapping[str, str], prefixes: Mapping[str, str], key: str) -> str | None:
    """What becomes of a key; None for one that nobody knows."""
    if key in known:
        return known[key]
    if is_price(key):
        return HERE if key in PRICES else OTHER_PRICE
    return next((text for prefix, text in prefixes.items() if key.startswith(prefix)), None)
