"""PURE: the few fields of OpenAI's shapes that routing and accounting need.

Guarantees that a request a backend may understand is not refused for fields the router does not
use, and that little more text is copied than the analysis looks at. Refuses bodies that are not a
JSON object with `model` and `messages`. Other operations than chat: texts.py.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from pointsman.analysis import Prompt
from pointsman.api.dataclass import METADATA as DATA_CLASS
from pointsman.router.errors import BadRequest
from pointsman.router.wire.lengths import with_predicted
from pointsman.router.wire.shape import check_depth
from pointsman.router.wire.shapes import (
    ABSENT,
    NO_ANSWER,
    Answer,
    Message,
    Tokens,
    decode_answer,
    decode_chat,
    decode_format,
    decode_map,
    decode_parts,
    decode_plain_answer,
    decode_text,
    decode_used,
)
from pointsman.router.wire.unreadable import UNREADABLE
from pointsman.router.wire.usage import Usage

T = TypeVar("T")

_HISTORY_CHARS: Final = 16 * 1024
"""Kept of the messages that are neither system nor the last of the user; half head, half tail."""
NO_WORD: Final = "not a string"
"""Stands for a class of data that is none, so that it is refused where the class counts."""
_NOTHING: Final = frozenset({b"", b"null", b"[]", b'""', b"{}"})
_IMAGES: Final = ("image_url", "input_image", "image")
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
USAGE_BYTES: Final = 2048
"""Usage with all details takes about 400."""
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')


class Asked:
    """What a request of any operation asks for; the texts are decoded only by `prompt()`."""

    __slots__ = ("max_output_tokens", "metadata", "model", "stream", "tools")

    def __init__(
        self,
        model: str,
        metadata: dict[str, str],
        *,
        stream: bool = False,
        max_output_tokens: int = 0,
        tools: bool = False,
    ) -> None:
        self.model = model
        self.stream = stream
        self.max_output_tokens = max_output_tokens
        self.metadata = metadata
        self.tools = tools

    def prompt(self) -> Prompt:
        """Text and counts for the analysis."""
        raise NotImplementedError

    def texts(self) -> Iterator[str]:
        """All texts that the model gets, in order; what is not understood is empty."""
        raise NotImplementedError

    def opaque(self) -> bool:
        """Whether it gets what nobody here reads: tokens, files, sound, what is not understood."""
        raise NotImplementedError


class ChatRequest(Asked):
    """A chat completion."""

    __slots__ = ("_messages", "_response_format", "_tools_chars")

    def __init__(
        self,
        model: str,
        metadata: dict[str, str],
        messages: list[Message],
        response_format: msgspec.Raw,
        *,
        stream: bool,
        max_output_tokens: int,
        tools_chars: int,
    ) -> None:
        # Not by Asked's, which would be one call more for each request.
        self.model = model
        self.metadata = metadata
        self.stream = stream
        self.max_output_tokens = max_output_tokens
        self.tools = tools_chars > 0
        self._messages = messages
        self._tools_chars = tools_chars
        self._response_format = response_format

    def prompt(self) -> Prompt:
        """Of the messages; see Asked."""
        return _prompt(self)

    def texts(self) -> Iterator[str]:
        """Of the messages, each behind its role; see Asked."""
        for message in self._messages:
            yield f"{message.role}: {_content(message.content)[0]}"

    def opaque(self) -> bool:
        """See Asked; an image is none."""
        return any(not _is_read(message.content) for message in self._messages)


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body; BadRequest if it is something else, with the field's name where there is one."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        param = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else None
        if "missing required field" in text:
            param = text.partition("field `")[2].rstrip("`") or None
            raise BadRequest(f"The field {param} is missing.", param=param) from None
        raise BadRequest(f"The request is not valid: {text}.", param=param) from None
    except UNREADABLE as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None


def read_chat(body: bytes) -> ChatRequest:
    """Raises BadRequest; `param` names the field where there is one."""
    try:
        chat = decode_chat(body)
    except UNREADABLE:
        chat = decoded(decode_chat, body)  # says why not
    tools = 0
    if chat.tools is not ABSENT or chat.functions is not ABSENT:
        tools = size_of(chat.tools) or size_of(chat.functions)
        check_depth(bytes(chat.tools), "tools")
        check_depth(bytes(chat.functions), "functions")
    if chat.response_format is not ABSENT:
        check_depth(bytes(chat.response_format), "response_format")
    # A server may know only one of the two.
    longest = max(chat.max_completion_tokens or 0, chat.max_tokens or 0)
    return ChatRequest(
        chat.model,
        {} if chat.metadata is ABSENT else read_metadata(chat.metadata),
        chat.messages,
        chat.response_format,
        stream=chat.stream is True,
        max_output_tokens=longest
        if chat.n_predict is None
        else with_predicted(longest, chat.n_predict),
        tools_chars=tools,
    )


def size_of(raw: msgspec.Raw) -> int:
    """Bytes of a value, 0 for one that says nothing."""
    if raw is ABSENT:
        return 0
    size = memoryview(raw).nbytes
    return 0 if size <= 4 and bytes(raw) in _NOTHING else size


def read_metadata(raw: msgspec.Raw) -> dict[str, str]:
    """Of its values the strings. A class of data that is none, or is not known, is NO_WORD."""
    if raw is ABSENT or not size_of(raw):
        return {}
    try:
        found = decode_map(raw)
    except UNREADABLE:
        return {DATA_CLASS: NO_WORD}
    told = {name: value for name, value in found.items() if isinstance(value, str)}
    if DATA_CLASS not in told and found.get(DATA_CLASS) is not None:
        told[DATA_CLASS] = NO_WORD
    return told


def _is_read(raw: msgspec.Raw) -> bool:
    """Whether a message holds but texts and images."""
    if not size_of(raw) or memoryview(raw)[0] == b'"'[0]:
        return True
    try:
        return all(part.type in _TEXTS or part.type in _IMAGES for part in decode_parts(raw))
    except UNREADABLE:
        return False


def _content(raw: msgspec.Raw) -> tuple[str, int]:
    """The text of a message and how many images it holds; what is not understood is empty."""
    if not size_of(raw):
        return "", 0
    try:
        if memoryview(raw)[0] == b'"'[0]:
            return decode_text(raw), 0
        parts = decode_parts(raw)
        images = sum(part.type in _IMAGES for part in parts)
        return "\n".join(decode_text(part.text) for part in parts if size_of(part.text)), images
    except UNREADABLE:
        return "", 0


def _prompt(chat: ChatRequest) -> Prompt:
    user = -1
    system: list[str] = []
    history: list[str] = []
    total = chat._tools_chars
    turns = 0
    images = 0
    for message in chat._messages:
        text, shows = _content(message.content)
        images += shows
        total += len(text) + size_of(message.tool_calls)
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
        json_mode=_wants_json(chat._response_format),
    )


def _wants_json(raw: msgspec.Raw) -> bool:
    """By OpenAI's `response_format`; what is not understood asks for nothing."""
    if not size_of(raw):
        return False
    try:
        return decode_format(raw).type in ("json_object", "json_schema")
    except UNREADABLE:
        return False


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


def read_answer(body: bytes) -> tuple[Answer, Usage | None, str]:
    """(the answer, usage if it states it, what is wrong with a body that came with status 200)."""
    try:
        answer = decode_answer(body)
    except UNREADABLE:
        try:
            answer = _read_plain(body)
        except UNREADABLE:
            return NO_ANSWER, None, "the answer is not a JSON object in OpenAI's shape"
    if answer.error is not ABSENT and size_of(answer.error):
        return answer, None, "the answer is an error with status 200"
    return answer, usage_of(answer), ""


def _read_plain(body: bytes) -> Answer:
    """Of a server that says the details of its usage in another shape."""
    plain = decode_plain_answer(body)
    usage = plain.usage
    tokens = Tokens(usage.prompt_tokens, usage.completion_tokens) if usage else None
    return Answer(tokens, plain.error)


def usage_of(answer: Answer) -> Usage | None:
    """None if it does not state any: some servers say 0 until they know it, or for ever."""
    usage = answer.usage
    if usage is None:
        return None
    prompt, completion = max(usage.prompt_tokens or 0, 0), max(usage.completion_tokens or 0, 0)
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        prompt = max(usage.total_tokens or 0, 0)
    elif (usage.total_tokens or 0) > prompt + completion:
        # What xAI's and Gemini's models thought is in their sum alone, and on the bill.
        completion = (usage.total_tokens or 0) - prompt
    if not (prompt or completion):
        return None
    more, less = usage.prompt_tokens_details, usage.completion_tokens_details
    if more is None and less is None and usage.prompt_cache_hit_tokens is None:
        return Usage(prompt, completion)
    cached = (more.cached_tokens if more else None) or usage.prompt_cache_hit_tokens or 0
    reasoning = (less.reasoning_tokens if less else None) or 0
    return Usage(
        prompt,
        completion,
        cached_tokens=min(max(cached, 0), prompt),
        reasoning_tokens=min(max(reasoning, 0), completion),
    )


def _decoded(body: bytes) -> Answer:
    try:
        return decode_answer(body)
    except UNREADABLE:
        return _read_plain(body)


def read_stream_usage(tail: bytes) -> Usage | None:
    """Usage from the last bytes of a stream: of its last event that states it."""
    for line in reversed(tail.split(b"\n")):
        if b'"usage"' in line and line.startswith(b"data:"):
            try:
                found = usage_of(_decoded(line[5:])) or _used_elsewhere(line[5:])
            except UNREADABLE:
                continue
            if found is not None:
                return found
    return None


def _used_elsewhere(event: bytes) -> Usage | None:
    told = decode_used(event)
    for place in (*(told.choices or ()), told.x_groq):
        if place is not None and place.usage is not None:
            return usage_of(Answer(place.usage))
    return None


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """Of the value of an answer's `usage`; None for one that states none, or cannot be read."""
    if not size_of(raw):
        return None
    try:
        return usage_of(_decoded(b'{"usage":%b}' % bytes(raw)))
    except UNREADABLE:
        return None


def read_usage_at(end: bytes) -> Usage | None:
    """Usage from the last bytes of a whole answer, or its first, whose members it is among."""
    at = end.rfind(b'"usage"')
    if at < 1 or end[at - 1] == b"\\"[0]:  # text that quotes one
        return None
    found = _USAGE.match(end, at)
    if found is None:
        return None
    begin = stop = found.end()
    while stop := end.find(b"}", stop) + 1:  # no object begins with another one
        try:
            return usage_of(_decoded(b'{"usage":%b}' % end[begin:stop]))
        except UNREADABLE:
            pass
    return None
