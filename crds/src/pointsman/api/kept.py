"""What is kept of texts and told from how people ask: parts of the RoutingTable."""

from typing import Literal

import msgspec


class Capture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What is kept of the texts of a request, and for how long.

    `built_in` are values of redaction.Known, `patterns` are RE2's.
    """

    mode: Literal["Hash", "Sampled", "Full"]
    keep_s: int
    percent: int = 100
    """Of the requests, where the mode is Sampled."""
    built_in: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class Signals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told from how people ask."""

    retry_window_s: float = 0.0
    """0: retries are not looked for."""
    abandoned: bool = False
