"""PURE: an answer as a stream that was none, and the other way round; a request without its stream.

Guarantees that nothing of an answer's choices is lost either way, and work and length in proportion
to what is told anew. A stream that a reader of OpenAI's events would not understand is no answer.
"""

from typing import Any, Final

import msgspec

from pointsman.router.wire.lengths import MOST_CHOICES
from pointsman.router.wire.sse import EventReader, is_crowded
from pointsman.router.wire.unreadable import UNREADABLE

_STREAMED: Final = ("stream", "stream_options")
_COMMON: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
_COMMON_BYTES: Final = 200
"""Of each of these, which stand in every event; what is longer is left out."""
_MOST_CALLS: Final = 128
DONE: Final = b"data: [DONE]\n\n"


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    stream_options: _Options | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_asked = msgspec.json.Decoder(_Asked).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class _Pieces:
    """A text that comes in pieces: they are put together once."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: object) -> None:
        """Raises TypeError for what is said and is no text."""
        if text:
            if not isinstance(text, str):
                raise TypeError("a piece of a text is none")
            self._texts.append(text)

    def whole(self) -> str:
        """All of it."""
        return "".join(self._texts)


class _Calls:
    """Calls of tools that come in pieces: those of one index are one."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, part: dict[str, Any]) -> None:
        """Raises what `as_whole` knows for what is no piece of a call."""
        index = part.get("index", max(self._calls, default=-1) + 1)
        if not isinstance(index, int) or not 0 <= index < _MOST_CALLS:
            raise IndexError(index)
        call = self._calls.get(index)
        if call is None:  # only those that are said: a large index makes no others
            function = {"name": _Pieces(), "arguments": _Pieces()}
            call = self._calls[index] = {"id": None, "type": "function", "function": function}
        said = part.get("function") or {}
        call["id"] = part.get("id") or call["id"]
        call["type"] = part.get("type") or call["type"]
        for name in ("name", "arguments"):
            call["function"][name].add(said.get(name))

    def whole(self) -> list[dict[str, Any]]:
        """In the order of their indices."""
        return [self._calls[index] for index in sorted(self._calls)]


def _whole(pieces: object) -> object:
    if isinstance(pieces, _Pieces | _Calls):
        return pieces.whole()
    raise TypeError(str(type(pieces)))


_encode_pieces = msgspec.json.Encoder(enc_hook=_whole).encode


def unstreamed(body: bytes) -> bytes:
    """A body that was decoded before, which asks for a whole answer."""
    members = _members(body)
    return _encode({name: raw for name, raw in members.items() if name not in _STREAMED})


def wants_usage(body: bytes) -> bool:
    """True if its stream shall end with the tokens that it took."""
    try:
        options = _asked(body).stream_options
    except UNREADABLE:
        return False
    return options is not None and options.include_usage


def as_stream(answer: bytes, *, usage: bool) -> bytes:
    """
    A whole answer of chats or completions as events. Raises ValueError for what is none.

    Neither is what has more choices than can be asked for: it would be many times as long.
    """
    try:
        found = _object(answer)
        chat = found.get("object") != "text_completion"
        common: dict[str, Any] = {
            name: found[name]
            for name in _COMMON
            if name in found and len(_encode(found[name])) <= _COMMON_BYTES
        }
        common["object"] = "chat.completion.chunk" if chat else "text_completion"
        told = found.get("choices") or ()
        if len(told) > MOST_CHOICES:
            raise ValueError(f"the answer has more than {MOST_CHOICES:,} choices")
        choices = [_chunks(choice, chat=chat) for choice in told]
    except (*UNREADABLE, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from None
    events = [common | {"choices": [chunk]} for chunks in choices for chunk in chunks]
    if usage and found.get("usage") is not None:
        events.append(common | {"choices": [], "usage": found["usage"]})
    return b"".join(b"data: %b\n\n" % _encode(event) for event in events) + DONE


def _chunks(choice: dict[str, Any], *, chat: bool) -> list[dict[str, Any]]:
    """What it says, and why it ends."""
    said = {k: v for k, v in choice.items() if k not in ("message", "finish_reason")}
    end = {"index": choice.get("index", 0), "finish_reason": choice.get("finish_reason")}
    if not chat:
        return [said | {"finish_reason": None}, end | {"text": ""}]
    delta = {k: v for k, v in (choice.get("message") or {}).items() if v is not None}
    if delta.get("tool_calls"):
        calls = enumerate(delta["tool_calls"])
        delta["tool_calls"] = [{"index": number, **call} for number, call in calls]
    return [said | {"delta": delta, "finish_reason": None}, end | {"delta": {}}]


def as_whole(stream: bytes) -> bytes | None:
    """The answer that a complete stream told; None if it is none."""
    found: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    try:
        for data in EventReader().feed(stream):
            if data.strip() == b"[DONE]":
                continue
            if is_crowded(data):
                return None
            event = _object(data)
            found |= {k: event[k] for k in (*_COMMON, "usage") if event.get(k) is not None}
            text = event.get("object") == "text_completion"
            found["object"] = "text_completion" if text else "chat.completion"
            for part in event.get("choices") or ():
                _add(choices.setdefault(part.get("index", 0), {}), part)
            if len(choices) > MOST_CHOICES:
                return None
        told = [{"index": index, **choices[index]} for index in sorted(choices)]
    except (*UNREADABLE, AttributeError, TypeError, KeyError, IndexError):
        return None
    return _encode_pieces(found | {"choices": told}) if told else None


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    if part.get("finish_reason") is not None:
        choice["finish_reason"] = part["finish_reason"]
    if "text" in part:
        choice.setdefault("text", _Pieces()).add(part["text"])
        return
    message = choice.setdefault("message", {"role": "assistant", "content": None})
    for name, value in (part.get("delta") or {}).items():
        if value is None or name == "role":
            continue
        if name == "tool_calls":
            for call in value:
                message.setdefault("tool_calls", _Calls()).add(call)
        elif isinstance(value, str):
            text = message.get(name) or _Pieces()
            if not isinstance(text, _Pieces):
                raise TypeError(f"{name} is a text and is none")
            text.add(value)
            message[name] = text
        else:
            message[name] = value
