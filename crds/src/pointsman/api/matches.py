"""What a rule asks of a request, as it travels in the RoutingTable.

The same conditions as in v1alpha1/match.py, compact, without a validation library.
"""

from typing import Literal

import msgspec


class HeaderMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`name` is in lower case."""

    name: str
    value: str
    type: Literal["Exact", "Prefix"] = "Exact"


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that are set must hold; bounds are inclusive."""

    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    min_tokens: int | None = None
    max_tokens: int | None = None
    headers: tuple[HeaderMatch, ...] = ()
    metadata: dict[str, str] = {}
    complexities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    min_turns: int | None = None
    max_turns: int | None = None
    tools: bool | None = None
    images: bool | None = None
    json_mode: bool | None = None
    expression: str = ""
    """In CEL; empty for none."""
