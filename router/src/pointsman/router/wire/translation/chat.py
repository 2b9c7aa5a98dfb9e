"""PURE: a chat answer, whole or as a stream of events, read for translation.

Guarantees the same deltas however the bytes are cut, and names that are short. Refuses with
Untranslatable what is no chat answer, and an event or an answer over a bound. Of several choices
the first is read.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from pointsman.router.wire.lengths import MOST_ITEMS, MOST_NAME_CHARS
from pointsman.router.wire.openai import read_usage
from pointsman.router.wire.shapes import ABSENT
from pointsman.router.wire.sse import EventReader, is_crowded
from pointsman.router.wire.translation.dialect import Untranslatable
from pointsman.router.wire.unreadable import UNREADABLE
from pointsman.router.wire.usage import Usage

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one event, and of what a speaker remembers of an answer: a text of 4,000,000 tokens."""


class Function(msgspec.Struct):
    """Of a call."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    """Of a tool; in a stream a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """A message, or a piece of one; vLLM says `reasoning` for `reasoning_content` since 0.11."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None

    @property
    def thought(self) -> str:
        """The reasoning, under whichever name."""
        return self.reasoning_content or self.reasoning or ""


class Choice(msgspec.Struct):
    """Of an answer."""

    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    stop_reason: msgspec.Raw = msgspec.Raw()
    """vLLM's: the stop sequence that was met, or a token's number."""

    @property
    def stopped_by(self) -> str:
        """The stop sequence, if it is said."""
        raw = bytes(self.stop_reason)
        return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else ""


class _Chat(msgspec.Struct):
    choices: list[Choice] | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    id: msgspec.Raw = ABSENT
    model: msgspec.Raw = ABSENT


class Piece(msgspec.Struct):
    """A whole answer, or an event of a stream."""

    id: str
    model: str
    said: Said
    finish: str
    stopped_by: str
    usage: Usage | None


_decode = msgspec.json.Decoder(_Chat).decode
_text = msgspec.json.Decoder(str).decode
_message = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOTHING: Final = Said()


def read_piece(data: bytes) -> Piece:
    """Raises Untranslatable."""
    if is_crowded(data):
        raise Untranslatable("the answer is made of empty objects")
    try:
        chat = _decode(data)
        if bytes(chat.error) not in (b"", b"null"):
            raise Untranslatable(_error(chat.error))
        choice = next((one for one in chat.choices or () if one.index == 0), None)
        said = (choice.message or choice.delta or _NOTHING) if choice else _NOTHING
        if len(said.tool_calls or ()) > MOST_ITEMS:
            raise too_many()
        return Piece(
            _short(chat.id),
            _short(chat.model),
            said,
            (choice.finish_reason or "") if choice else "",
            choice.stopped_by if choice else "",
            read_usage(chat.usage),
        )
    except UNREADABLE:
        raise Untranslatable("the answer is not a chat completion") from None


def too_many() -> Untranslatable:
    """More than MOST_ITEMS."""
    return Untranslatable(f"the answer has more than {MOST_ITEMS:,} calls, texts and reasonings")


def _short(raw: msgspec.Raw) -> str:
    """Empty for what is no text, or too long to be repeated."""
    text = _plain(raw)
    return text if len(text) <= MOST_NAME_CHARS else ""


def _plain(raw: msgspec.Raw) -> str:
    data = bytes(raw)
    return _text(data) if data[:1] == b'"' else ""


def _error(raw: msgspec.Raw) -> str:
    """What a backend's error event says; its text is about the request, as in a relayed stream."""
    try:
        message = _plain(_message(raw).get("message", msgspec.Raw()))
    except UNREADABLE:
        message = ""
    return message[:4096] or "the backend reported an error"


class Turns:
    """
    Where in a stream one call ends and the next begins: by their indices.

    Servers that give none, or the same to all, tell calls apart by ids, or by places in an event.
    """

    __slots__ = ("_id", "_index", "begun")

    def __init__(self) -> None:
        self.begun = 0
        self._index = 0
        self._id = ""

    def begins(self, call: Call, place: int, *, is_open: bool) -> str:
        """The name of the call that begins with this piece; empty: it is more of the open one."""
        name = (call.function.name if call.function else None) or ""
        if is_open and not self._is_other(call, place, name):
            return ""
        if not name:
            raise Untranslatable("pieces of tool calls are not in turns")
        self._index = self.begun if call.index is None else call.index
        self._id = call.id or ""
        self.begun += 1
        return name

    def _is_other(self, call: Call, place: int, name: str) -> bool:
        if call.index is not None and call.index != self._index:
            return True
        # Some servers make up a new id for each piece; only the first has a name.
        other_id = bool(call.id) and call.id != self._id
        return bool(name) and (other_id or (call.index is None and place > 0))


class PieceReader:
    """The pieces of a stream up to `[DONE]`; `done` then."""

    __slots__ = ("_events", "done")

    def __init__(self) -> None:
        self._events = EventReader()
        self.done = False

    @property
    def held_bytes(self) -> int:
        """Of the event that is not complete."""
        return self._events.pending_bytes

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Raises Untranslatable, behind the pieces that came before it."""
        for event in self._events.feed(data):
            if self.done:
                return
            if event.strip() == b"[DONE]":
                self.done = True
            else:
                yield read_piece(event)
        if self._events.pending_bytes > MOST_BYTES:
            raise Untranslatable(f"an event is larger than {MOST_BYTES:,} bytes")
