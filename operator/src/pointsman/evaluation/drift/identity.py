"""PURE: hard signals: what a backend calls itself, and whether that is what it was before."""

from typing import Final

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """What answers and pods say of themselves; None (or empty) where they do not say."""

    model: str | None = None
    """`model` of the answers."""
    fingerprint: str | None = None
    """`system_fingerprint` of the answers."""
    digest: str | None = None
    """Of the model's files or of the image."""


class Renamed(msgspec.Struct, frozen=True):
    """One field that has another value."""

    field: str
    before: str
    after: str


_FIELDS: Final = ("model", "fingerprint", "digest")


def renamed(before: Identity, after: Identity) -> tuple[Renamed, ...]:
    """Fields that both say, and say otherwise. Silence on either side is no change."""
    pairs = ((field, getattr(before, field), getattr(after, field)) for field in _FIELDS)
    return tuple(
        Renamed(field, old, new) for field, old, new in pairs if old and new and old != new
    )


def known(before: Identity, after: Identity) -> Identity:
    """What to compare with next time: the newest that was said of each field."""
    return Identity(*(getattr(after, field) or getattr(before, field) for field in _FIELDS))
