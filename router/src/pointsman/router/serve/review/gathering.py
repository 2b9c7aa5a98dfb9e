"""A stream that is kept while it is relayed, up to a bound, to be told as a whole answer."""

from typing import Final

from pointsman.events.schema import MAX_REVIEW_BYTES
from pointsman.router.wire.restreamed import as_whole

_MOST_STREAM_BYTES: Final = 4 * MAX_REVIEW_BYTES
"""Framing takes more than the text of a stream."""


class Gathering:
    """Keeps all of a stream, up to a bound."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def keep(self, piece: bytes) -> None:
        """More of it."""
        self._size += len(piece)
        if self._size <= _MOST_STREAM_BYTES:
            self._pieces.append(bytes(piece))
        else:
            self._pieces.clear()

    def whole(self) -> bytes | None:
        """What it told; None if that is not known."""
        return as_whole(b"".join(self._pieces)) if self._pieces else None
