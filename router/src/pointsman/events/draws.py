"""PURE: what is asked of the ledger, and what it answers, when requests with texts are drawn.

Guarantees bounds for every number and list. What was drawn is told again by its pins: they name
requests, and hold no text.
"""

from typing import Annotated, Final, Literal

import msgspec

MAX_DRAWN: Final = 500
MAX_CHARS: Final = 8_192
"""Of a prompt with its instructions, and of the answer it is compared with; longer ones are left
out."""
MAX_ASKED_BYTES: Final = 1024 * 1024
MAX_TOLD_BYTES: Final = 64 * 1024 * 1024
"""500 of the longest, of characters as wide as they can be."""

Label = Literal["Demonstration", "Good", "Bad"]
LABELS: Final[tuple[Label, ...]] = ("Demonstration", "Good", "Bad")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
Short = Annotated[str, msgspec.Meta(max_length=253)]


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of a draw, for good."""

    decision: Name
    label: Label
    task: Short = ""
    said: Short = ""
    """Id of the feedback with the demonstration."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A draw, or with `pins` what is left of one; the other fields but `policy` play no role then.

    Empty `tasks` and `labels` mean all.
    """

    policy: Name
    since: Annotated[str, msgspec.Meta(max_length=64)] = "168h"
    tasks: Annotated[tuple[Short, ...], msgspec.Meta(max_length=16)] = ()
    labels: Annotated[tuple[Label, ...], msgspec.Meta(max_length=3)] = ()
    sample: Annotated[int, msgspec.Meta(ge=1, le=MAX_DRAWN)] = 100
    pins: Annotated[tuple[Pin, ...], msgspec.Meta(max_length=MAX_DRAWN)] = ()


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """One request with its texts, as they were kept: without what was redacted."""

    pin: Pin
    expires_ms: int
    system: str
    user: str
    reference: str
    """The demonstration, or the answer that was rated."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the draw, or of the pins."""

    prompts: list[Drawn]
    candidates: int = 0
    """Requests with such feedback and a text; not all of them may be of use."""
