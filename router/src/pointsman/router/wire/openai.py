"""PURE: the few fields of OpenAI's shapes that routing and accounting need.

Guarantees that a request a backend may understand is not refused for fields the router does not
use, and that little more text is copied than the analysis looks at. Refuses bodies that are not a
JSON object with `model` and `messages`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from pointsman.analysis import Prompt
from pointsman.router.errors import BadRequest
from pointsman.router.wire.unreadable import UNREADABLE

_HISTORY_CHARS: Final = 16 * 1024
"""Kept of the messages that are neither system nor the last of the user; half head, half tail."""
_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = frozenset({b"", b"null", b"[]", b'""', b"{}"})


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = _ABSENT
    tool_calls: msgspec.Raw = _ABSENT


class _Part(msgspec.Struct):
    type: str = ""
    text: msgspec.Raw = _ABSENT


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    metadata: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    functions: msgspec.Raw = _ABSENT


class _PromptDetails(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _PromptDetails | None = None
    error: msgspec.Raw = _ABSENT


class _ErrorFields(msgspec.Struct):
    message: msgspec.Raw = _ABSENT
    code: msgspec.Raw = _ABSENT


class _ErrorBody(msgspec.Struct):
    error: _ErrorFields | None = None
    message: msgspec.Raw = _ABSENT


_chat = msgspec.json.Decoder(_Chat).decode
_answer = msgspec.json.Decoder(_Answer).decode
_error = msgspec.json.Decoder(_ErrorBody).decode
_text = msgspec.json.Decoder(str).decode
_parts = msgspec.json.Decoder(list[_Part]).decode
_map = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(slots=True)
class ChatRequest:
    """What a chat completion request asks for; the texts are decoded only by `prompt()`."""

    model: str
    stream: bool
    max_output_tokens: int
    metadata: dict[str, str]
    tools: bool
    _messages: list[_Message]
    _tools_chars: int

    def prompt(self) -> Prompt:
        """Text and counts for the analysis."""
        return _prompt(self)


@dataclass(slots=True)  # not frozen: that costs a microsecond each time
class Usage:
    """Tokens of one answer; `estimated` if the backend did not say. Not changed once built."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


def read_chat(body: bytes) -> ChatRequest:
    """Raises BadRequest; `param` names the field where there is one."""
    try:
        chat = _chat(body)
    except msgspec.ValidationError as error:
        text = str(error)
        param = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else None
        if "missing required field" in text:
            param = text.partition("field `")[2].rstrip("`") or None
            raise BadRequest(f"The field {param} is missing.", param=param) from None
        raise BadRequest(f"The request is not valid: {text}.", param=param) from None
    except UNREADABLE as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    tools = _size(chat.tools) or _size(chat.functions)
    return ChatRequest(
        chat.model,
        bool(chat.stream),
        chat.max_completion_tokens or chat.max_tokens or 0,
        _metadata(chat.metadata),
        bool(tools),
        chat.messages,
        tools,
    )


def _size(raw: msgspec.Raw) -> int:
    """Bytes of a value, 0 for one that says nothing."""
    if raw is _ABSENT:
        return 0
    size = memoryview(raw).nbytes
    return 0 if size <= 4 and bytes(raw) in _NOTHING else size


def _metadata(raw: msgspec.Raw) -> dict[str, str]:
    if raw is _ABSENT or not _size(raw):
        return {}
    try:
        found = _map(raw)
    except UNREADABLE:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _content(raw: msgspec.Raw) -> tuple[str, bool]:
    """The text of a message and whether it holds an image; what is not understood is empty."""
    if not _size(raw):
        return "", False
    try:
        if memoryview(raw)[0] == b'"'[0]:
            return _text(raw), False
        parts = _parts(raw)
        images = any(part.type in ("image_url", "input_image", "image") for part in parts)
        return "\n".join(_text(part.text) for part in parts if _size(part.text)), images
    except UNREADABLE:
        return "", False


def _prompt(chat: ChatRequest) -> Prompt:
    user = -1
    system: list[str] = []
    history: list[str] = []
    total = chat._tools_chars
    turns = 0
    images = False
    for message in chat._messages:
        text, shows = _content(message.content)
        images = images or shows
        total += len(text) + _size(message.tool_calls)
        if message.role == "user":
            user = len(history)
            history.append(text)
            turns += 1
        elif message.role in ("system", "developer"):
            system.append(text)
        else:
            history.append(text)
    return Prompt(
        user=history.pop(user) if turns else "",
        system=_capped(system),
        history=_capped(history),
        total_chars=total,
        turns=turns,
        tools=chat.tools,
        images=images,
    )


def _capped(texts: list[str]) -> str:
    """The texts joined by line feeds; if they are long, their head and tail."""
    if sum(map(len, texts)) <= _HISTORY_CHARS:
        return "\n".join(texts)
    half = _HISTORY_CHARS // 2
    head = _first(iter(texts), half, from_start=True)
    tail = _first(reversed(texts), half, from_start=False)
    return "\n".join((*head, *reversed(tail)))


def _first(texts: Iterator[str], chars: int, *, from_start: bool) -> list[str]:
    """As much of the texts as fits `chars`, cutting the one that does not fit."""
    taken: list[str] = []
    for text in texts:
        piece = text[:chars] if from_start else text[max(len(text) - chars, 0) :]
        taken.append(piece)
        chars -= len(piece)
        if chars <= 0:
            break
    return taken


def read_answer(body: bytes) -> tuple[Usage | None, str]:
    """(usage if the answer states it, what is wrong with a body that came with status 200)."""
    try:
        answer = _answer(body)
    except UNREADABLE:
        return None, "the answer is not a JSON object in OpenAI's shape"
    if _size(answer.error):
        return None, "the answer is an error with status 200"
    return _usage(answer), ""


def _usage(answer: _Answer) -> Usage | None:
    usage = answer.usage
    if usage is None:
        return None
    return Usage(max(usage.prompt_tokens, 0), max(usage.completion_tokens, 0))


def read_stream_usage(tail: bytes) -> Usage | None:
    """Usage from the last bytes of a stream: of its last event that states it."""
    for line in reversed(tail.split(b"\n")):
        if b'"usage"' in line and line.startswith(b"data:"):
            try:
                found = _usage(_answer(line[5:]))
            except UNREADABLE:
                continue
            if found is not None:
                return found
    return None


def says_too_long(body: bytes) -> bool:
    """True for a 400 that means the request does not fit the context window (OpenAI, vLLM)."""
    try:
        found = _error(body)
    except UNREADABLE:
        return False
    code = bytes(found.error.code) if found.error else b""
    message = bytes(found.error.message if found.error else found.message).lower()
    return code == b'"context_length_exceeded"' or b"maximum context length" in message
