"""What is stored of a policy's re-evaluation, in the object of the manifest that it belongs to.

One write has both: whatever is in force can be told from what is stored, by any operator.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.operator.plan.reevaluating.moving import Move

MAX_BYTES: Final = 128 * 1024
"""Policies beyond it are not re-evaluated. An object holds 1 MiB."""
MOST_REASONS: Final = 32


class Pending(msgspec.Struct, frozen=True):
    """Moves that one look found; the next runs have to find them again."""

    moves: tuple[Move, ...]
    times: dict[str, str]
    """By backend: the run that it was."""


class Refused(msgspec.Struct, frozen=True):
    """A revision that did not pass its tests or its rollout, and what was known then."""

    revision: str
    why: str
    hard: dict[str, str]
    """By backend: drift, suite and price."""
    quality: dict[str, dict[str, tuple[float, float]]]
    """By backend and task: the interval."""


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy. `moves` lead from the spec to `revision`, which is in force or on its way."""

    uid: str
    """The policy's: another one of that name begins anew."""
    declared: str
    """Revision that the spec is: an edit begins anew."""
    moves: dict[str, tuple[Move, ...]] = {}
    revision: str = ""
    before: dict[str, tuple[Move, ...]] = {}
    """Of the revision that stays if this one is rolled back."""
    cause: str = ""
    decided_s: float = 0.0
    reasons: tuple[str, ...] = ()
    parent: str = ""
    looked_s: float = 0.0
    """When it was looked last, whatever came of it; 0: never."""
    seen: dict[str, tuple[str, str]] = {}
    """By backend, as it was then: drift, price."""
    pending: dict[str, Pending] = {}
    """By rule."""
    refused: Refused | None = None


_decoder: Final = msgspec.json.Decoder(dict[str, Memory])


def dump_memories(memories: Mapping[str, Memory]) -> bytes:
    """JSON, by policy; equal ones have equal bytes."""
    return msgspec.json.encode(memories, order="deterministic")


def load_memories(data: bytes) -> dict[str, Memory]:
    """Undo `dump_memories`; what cannot be read counts as none: specs are in force as they are."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def fitting(memories: Mapping[str, Memory], most_bytes: int = MAX_BYTES) -> dict[str, Memory]:
    """As many as an object can hold: first those that something hangs on, the oldest first."""
    kept: dict[str, Memory] = {}
    size = 2
    for name in sorted(memories, key=lambda n: (not memories[n].moves, memories[n].decided_s, n)):
        size += len(msgspec.json.encode({name: memories[name]}))
        if size > most_bytes:
            break
        kept[name] = memories[name]
    return kept
