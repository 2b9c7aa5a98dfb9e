"""PURE: the beginning and the end of a text of any length, in bounded memory.

Guarantees that a secret shorter than MARGIN is found whole although the text was cut: more is held
than is kept, patterns see all that is held, and what is next to a cut is thrown away after them.
"""

from collections.abc import Callable
from typing import Final

HEAD_BYTES: Final = 48 * 1024
TAIL_BYTES: Final = 16 * 1024
"""Together 64 KiB: some 16,000 tokens. Instructions stand at the beginning, the question last."""
MARGIN: Final = 4 * 1024
"""A private key of RSA with 4,096 bits has 3.2 KiB."""
_HEAD: Final = HEAD_BYTES + MARGIN
_TAIL: Final = TAIL_BYTES + MARGIN


class Excerpt:
    """UTF-8 that comes in pieces; no piece begins or ends inside of a character."""

    __slots__ = ("_head", "_size", "_tail")

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    @property
    def held_bytes(self) -> int:
        """In memory now."""
        return len(self._head) + len(self._tail)

    @property
    def is_cut(self) -> bool:
        """True if not all of the text is here."""
        return self._size > self.held_bytes or len(self._tail) > _TAIL

    def add(self, text: bytes) -> None:
        """More of it."""
        self._size += len(text)
        room = _HEAD - len(self._head)
        if room > 0:
            self._head += text[:room]
            text = text[room:]
        self._tail += text[-_TAIL:]
        if len(self._tail) > 2 * _TAIL:
            del self._tail[:-_TAIL]

    def text(self, clean: Callable[[bytes], bytes]) -> bytes:
        """What is kept, cleaned; says how much was left out."""
        head, tail = bytes(self._head), bytes(self._tail[-_TAIL:])
        if not self.is_cut:
            return clean(head + tail)
        left = self._size - HEAD_BYTES - TAIL_BYTES
        begin, end = clean(head)[:-MARGIN], clean(tail)[MARGIN:]
        return b"%b\n[%d bytes left out]\n%b" % (begin, left, end)
