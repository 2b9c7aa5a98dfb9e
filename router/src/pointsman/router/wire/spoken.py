"""SANS-I/O: the text of an answer, whole or as a stream of events. Of several choices the first.

Guarantees bounded memory whatever a backend sends. What is not understood is left out: the answer
was relayed already, and who reads this wants its text.
"""

from typing import Final

import msgspec

from pointsman.router.wire.excerpt import Excerpt
from pointsman.router.wire.sse import EventReader, is_crowded
from pointsman.router.wire.unreadable import UNREADABLE

_MOST_PENDING: Final = 256 * 1024
"""Of one event that is not complete; text comes in events of a few hundred bytes."""


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    text: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def answer_text(body: bytes) -> str:
    """Of a whole answer; empty if it has none."""
    try:
        return _text(_decode(body))
    except UNREADABLE:
        return ""


def _text(answer: _Answer) -> str:
    for choice in answer.choices or ():
        if choice.index == 0:
            said = choice.message or choice.delta
            return (said.content if said is not None else choice.text) or ""
    return ""


class Spoken:
    """The text of a stream; `feed` it the bytes as they are sent to the caller."""

    __slots__ = ("_events", "excerpt", "gave_up")

    def __init__(self) -> None:
        self._events = EventReader()
        self.excerpt = Excerpt()
        self.gave_up = False
        """True if the rest of the stream is not heard."""

    @property
    def held_bytes(self) -> int:
        """In memory now."""
        return self.excerpt.held_bytes + (0 if self.gave_up else self._events.pending_bytes)

    def feed(self, piece: bytes) -> None:
        """More of the stream."""
        if self.gave_up:
            return
        for data in self._events.feed(piece):
            if is_crowded(data):
                continue
            try:
                text = _text(_decode(data))
            except UNREADABLE:
                continue  # [DONE], among others
            if text:
                self.excerpt.add(text.encode("utf-8", "replace"))
        if self._events.pending_bytes > _MOST_PENDING:
            self.give_up()

    def give_up(self) -> None:
        """Hear no more, and let go of what is not text yet."""
        self.gave_up = True
        self._events = EventReader()
