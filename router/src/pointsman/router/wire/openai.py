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
from pointsman.router.wire.lengths import Choices, Count, Predicted, with_predicted
from pointsman.router.wire.shape import check_depth
from pointsman.router.wire.unreadable import UNREADABLE

T = TypeVar("T")

_HISTORY_CHARS: Final = 16 * 1024
"""Kept of the messages that are neither system nor the last of the user; half head, half tail."""
ABSENT: Final = msgspec.Raw()
NO_WORD: Final = "not a string"
"""Stands for a class of data that is none, so that it is refused where the class counts."""
_NOTHING: Final = frozenset({b"", b"null", b"[]", b'""', b"{}"})
_IMAGES: Final = ("image_url", "input_image", "image")
_TEXTS: Final = ("text", "input_text", "output_text", "refusal")
USAGE_BYTES: Final = 2048
"""Usage with all details takes about 400."""
_COUNTS: Final = re.compile(rb'"(prompt_tokens|completion_tokens)"\s*:\s*(\d{1,15})\b')


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = ABSENT
    tool_calls: msgspec.Raw = ABSENT


class _Part(msgspec.Struct):
    type: str = ""
    text: msgspec.Raw = ABSENT


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n_predict: Predicted | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    metadata: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    response_format: msgspec.Raw = ABSENT


class _Format(msgspec.Struct):
    type: str = ""


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Embeddings have none."""
    total_tokens: int | None = None
    """All that vLLM and Jina say of rerank."""
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """How DeepSeek says cached_tokens."""


class Answer(msgspec.Struct):
    """What an answer says of itself; raw values are a view into its bytes."""

    usage: _Tokens | None = None
    error: msgspec.Raw = ABSENT
    id: msgspec.Raw = ABSENT
    model: msgspec.Raw = ABSENT
    system_fingerprint: msgspec.Raw = ABSENT


class _PlainTokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _PlainAnswer(msgspec.Struct):
    """Of a server that says its details in another shape."""

    usage: _PlainTokens | None = None
    error: msgspec.Raw = ABSENT


_chat = msgspec.json.Decoder(_Chat).decode
_answer = msgspec.json.Decoder(Answer).decode
_plain_answer = msgspec.json.Decoder(_PlainAnswer).decode
_text = msgspec.json.Decoder(str).decode
_parts = msgspec.json.Decoder(list[_Part]).decode
_format = msgspec.json.Decoder(_Format).decode
_map = msgspec.json.Decoder(dict[str, object]).decode


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a request of any operation asks for; the texts are decoded only by `prompt()`."""

    model: str
    stream: bool
    max_output_tokens: int
    metadata: dict[str, str]
    tools: bool

    def prompt(self) -> Prompt:
        """Text and counts for the analysis."""
        raise NotImplementedError

    def texts(self) -> Iterator[str]:
        """All texts that the model gets, in order; what is not understood is empty."""
        raise NotImplementedError

    def opaque(self) -> bool:
        """Whether it gets what nobody here reads: tokens, files, sound, what is not understood."""
        raise NotImplementedError


class ChatRequest(Asked, frozen=True, gc=False):
    """A chat completion."""

    _messages: list[_Message]
    _tools_chars: int
    _response_format: msgspec.Raw

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


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one answer; `estimated` if the backend did not say."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    cached_tokens: int = 0
    """Part of prompt_tokens that the backend had read before."""
    reasoning_tokens: int = 0
    """Part of completion_tokens that is not in the answer."""


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
        chat = _chat(body)
    except UNREADABLE:
        chat = decoded(_chat, body)  # says why not
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
        chat.stream is True,
        longest if chat.n_predict is None else with_predicted(longest, chat.n_predict),
        {} if chat.metadata is ABSENT else read_metadata(chat.metadata),
        tools > 0,
        chat.messages,
        tools,
        chat.response_format,
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
        found = _map(raw)
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
        return all(part.type in _TEXTS or part.type in _IMAGES for part in _parts(raw))
    except UNREADABLE:
        return False


def _content(raw: msgspec.Raw) -> tuple[str, int]:
    """The text of a message and how many images it holds; what is not understood is empty."""
    if not size_of(raw):
        return "", 0
    try:
        if memoryview(raw)[0] == b'"'[0]:
            return _text(raw), 0
        parts = _parts(raw)
        images = sum(part.type in _IMAGES for part in parts)
        return "\n".join(_text(part.text) for part in parts if size_of(part.text)), images
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
        return _format(raw).type in ("json_object", "json_schema")
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


NO_ANSWER: Final = Answer()


def read_answer(body: bytes) -> tuple[Answer, Usage | None, str]:
    """(the answer, usage if it states it, what is wrong with a body that came with status 200)."""
    try:
        answer = _decode_answer(body)
    except UNREADABLE:
        return NO_ANSWER, None, "the answer is not a JSON object in OpenAI's shape"
    if answer.error is not ABSENT and size_of(answer.error):
        return answer, None, "the answer is an error with status 200"
    return answer, usage_of(answer), ""


def _decode_answer(body: bytes) -> Answer:
    try:
        return _answer(body)
    except UNREADABLE:
        plain = _plain_answer(body)
    usage = plain.usage
    tokens = _Tokens(usage.prompt_tokens, usage.completion_tokens) if usage else None
    return Answer(tokens, plain.error)


def usage_of(answer: Answer) -> Usage | None:
    """None if it does not state any."""
    usage = answer.usage
    if usage is None:
        return None
    prompt, completion = max(usage.prompt_tokens or 0, 0), max(usage.completion_tokens or 0, 0)
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        prompt = max(usage.total_tokens or 0, 0)
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


def read_stream_usage(tail: bytes) -> Usage | None:
    """Usage from the last bytes of a stream: of its last event that states it."""
    for line in reversed(tail.split(b"\n")):
        if b'"usage"' in line and line.startswith(b"data:"):
            try:
                found = usage_of(_decode_answer(line[5:]))
            except UNREADABLE:
                continue
            if found is not None:
                return found
    return None


def read_usage_at_end(end: bytes) -> Usage | None:
    """Usage from the last bytes of a whole answer, whose last members it is among."""
    at = end.rfind(b'"usage"')
    if at < 1 or end[at - 1] == b"\\"[0]:  # text that quotes one
        return None
    counts = {name: int(count) for name, count in _COUNTS.findall(end, at)}
    if b"prompt_tokens" not in counts:
        return None
    return Usage(counts[b"prompt_tokens"], counts.get(b"completion_tokens", 0))
