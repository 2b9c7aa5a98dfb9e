"""What is stored of the shifts in progress, in the object of the manifest that they belong to.

One write has both: whatever is in force can be told from what is stored, by any operator.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.api import table

MAX_BYTES: Final = 128 * 1024
"""A policy whose shift would exceed it does not wait. An object holds 1 MiB."""


class Shift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy on its way from the weights `before` to those of `revision`."""

    uid: str
    """The policy's: another one of that name begins anew."""
    revision: str
    since_s: float
    """Unix seconds."""
    stepped_s: float
    """When `share` grew last; until then, since when it is waited."""
    before: dict[str, tuple[table.Target, ...]] = {}
    """By route, where the share is more than none of the way and less than all of it."""
    unsure: tuple[str, ...] = ()
    """Routes that may get other requests than before: what was counted of them says nothing."""
    share: int = 0
    """Percent of the way; 100: all of it is in force, and `floors` hold for a while."""
    floors: dict[str, int] = {}
    """Replicas that receiving backends need for all of it, as last estimated."""


_decoder: Final = msgspec.json.Decoder(dict[str, Shift])


def dump_shifts(shifts: Mapping[str, Shift]) -> bytes:
    """JSON, by policy; equal shifts have equal bytes."""
    return msgspec.json.encode(shifts, order="deterministic")


def load_shifts(data: bytes) -> dict[str, Shift]:
    """Undo `dump_shifts`; what cannot be read counts as none: then nobody waits."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def fitting(shifts: Mapping[str, Shift], most_bytes: int = MAX_BYTES) -> dict[str, Shift]:
    """As many of them, the oldest first, as an object can hold."""
    kept = dict(shifts)
    newest_first = sorted(shifts, key=lambda name: (shifts[name].since_s, name), reverse=True)
    for name in newest_first:
        if len(dump_shifts(kept)) <= most_bytes:
            break
        del kept[name]
    return kept
