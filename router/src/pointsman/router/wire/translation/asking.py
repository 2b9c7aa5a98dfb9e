"""PURE: parts of chat requests, made from what callers of other APIs say."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import decoded
from pointsman.router.wire.translation.events import encode

T = TypeVar("T")
Object = dict[str, object]
_MOST_CHARS: Final = 200
"""Of a refusal: what is named may be the caller's own word, of any length."""
STREAM_OPTIONS: Final = {"include_usage": True}
"""Asked of every stream: the usage chunk is translated, so nobody sees one too many."""


def taken(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body; BadRequest if it is something else, or anything in it is not UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    return decoded(decode, body)


def as_text(value: msgspec.Raw) -> str:
    """JSON as the text that function arguments are."""
    raw = bytes(value)
    return raw.decode() if raw else "{}"


def text_part(text: str) -> Object:
    """Of a message's content."""
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> Object:
    """Of a message's content; `url` may be a data URL."""
    shown = {"url": url} if detail is None else {"url": url, "detail": detail}
    return {"type": "image_url", "image_url": shown}


def content_of(parts: list[Object]) -> str | list[Object]:
    """One text as a string, which every server takes; else the list."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts


def call(id: str, name: str, arguments: str) -> Object:  # noqa: A002
    """Of a function, in a message of the assistant."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def function(
    name: str, description: str | None, parameters: msgspec.Raw, *, strict: bool | None
) -> Object:
    """A tool that may be called."""
    told: Object = {"name": name}
    if description is not None:
        told["description"] = description
    if bytes(parameters) not in (b"", b"null"):
        told["parameters"] = parameters
    if strict is not None:
        told["strict"] = strict
    return {"type": "function", "function": told}


def refuse(field: str, what: str) -> BadRequest:
    """For what chat completions have no words for."""
    return BadRequest(f"{field}: {what[:_MOST_CHARS]}.", param=field)


def body_of(members: Object) -> bytes:
    """Without those that are None."""
    return encode({name: value for name, value in members.items() if value is not None})
