"""PURE: an answer as a stream that was none, and the other way round; a request without its stream.

Guarantees that nothing of an answer's choices is lost either way. A stream that a reader of
OpenAI's events would not understand is no answer.
"""

from typing import Any, Final

import msgspec

from pointsman.router.wire.sse import EventReader
from pointsman.router.wire.unreadable import UNREADABLE

_STREAMED: Final = ("stream", "stream_options")
_COMMON: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
DONE: Final = b"data: [DONE]\n\n"


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    stream_options: _Options | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_asked = msgspec.json.Decoder(_Asked).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


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
    """A whole answer of chats or completions as events. Raises ValueError for what is none."""
    try:
        found = _object(answer)
        chat = found.get("object") != "text_completion"
        common: dict[str, Any] = {name: found[name] for name in _COMMON if name in found}
        common["object"] = "chat.completion.chunk" if chat else "text_completion"
        choices = [_chunks(choice, chat=chat) for choice in found.get("choices") or ()]
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
            event = _object(data)
            found |= {k: event[k] for k in (*_COMMON, "usage") if event.get(k) is not None}
            text = event.get("object") == "text_completion"
            found["object"] = "text_completion" if text else "chat.completion"
            for part in event.get("choices") or ():
                _add(choices.setdefault(part.get("index", 0), {}), part)
    except (*UNREADABLE, AttributeError, TypeError, KeyError, IndexError):
        return None
    if not choices:
        return None
    told = [{"index": index, **choice} for index, choice in sorted(choices.items())]
    return _encode(found | {"choices": told})


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    if part.get("finish_reason") is not None:
        choice["finish_reason"] = part["finish_reason"]
    if "text" in part:
        choice["text"] = choice.get("text", "") + (part["text"] or "")
        return
    message = choice.setdefault("message", {"role": "assistant", "content": None})
    for name, value in (part.get("delta") or {}).items():
        if value is None or name == "role":
            continue
        if name == "tool_calls":
            for call in value:
                _add_call(message.setdefault("tool_calls", []), call)
        elif isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        else:
            message[name] = value


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Pieces of one call have its index; their arguments are put together."""
    index = part.get("index", len(calls))
    while len(calls) <= min(index, 127):
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call, said = calls[index], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["type"] = part.get("type") or call["type"]
    for name in ("name", "arguments"):
        call["function"][name] += said.get(name) or ""
