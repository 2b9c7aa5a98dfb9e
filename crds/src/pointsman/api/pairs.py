"""What routers tell of requests that a candidate answers as well, without their callers' notice.

The texts are somebody's: they go to the leader only, once, and are kept in memory only.
"""

from typing import Final, Literal

import msgspec

MOST_PAIRS: Final = 16
"""In one answer."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of one answer, at most: a pair has 200 KiB of text."""


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a request at one revision."""

    status: int
    """Of HTTP, as its caller got it or would have got it."""
    text: str = ""
    finish: str = ""
    """As the answer says why it ended; empty where it does not."""
    calls: bool = False
    """It calls tools."""
    cut: bool = False
    """Not all of the text is here."""
    backend: str = ""
    latency_ms: float = 0.0
    cost_nano: int = 0


class Pair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question, and what both revisions made of it."""

    question: str
    control: Side
    candidate: Side
    task: str = ""
    """Empty: the analysis could not tell."""
    wants_json: bool = False


class Pairs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one policy's rollout on one router; `pairs` are given away once, the rest are sums."""

    stable: str
    candidate: str
    since_ms: int
    """When this router began to count these, Unix time: another one says it began anew."""
    began_ms: int = 0
    """Which rollout of these two it is about."""
    equal: dict[str, int] = {}
    """By task: requests for which both revisions choose the same, so that nobody was asked."""
    outcomes: dict[str, int] = {}
    """Why requests of the shadow's part became a pair, or none."""
    spent_nano: int = 0
    spent_up: bool = False
    """The last request found too little left of this router's share."""
    pairs: tuple[Pair, ...] = ()


Outcome = Literal[
    "Compared", "Equal", "Full", "TooLarge", "SideEffects", "SpendCap", "OtherCurrency", "NoServer",
    "Limited", "Expired", "Dropped", "Bug", "DataClass", "Translated",
]  # fmt: skip
_decode: Final = msgspec.json.Decoder(Pairs).decode


def decode_pairs(data: bytes) -> Pairs | None:
    """None for what is no such answer."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
