"""PURE: one request of traffic, out of a line of a file or a row of a ledger.

| line | what |
|---|---|
| `{"model", "messages"}` | a chat body; with `prompt` a completion, with `input` an embedding |
| `{"custom_id", "method", "url", "body"}` | OpenAI's batch file; `url` says the operation |
| `{"request": BODY, "response": {"usage"}}` | an export; `headers` beside it if they were kept |

Guarantees the router's own reading of a body, and that what is wrong with a line is told without a
word of its texts.
"""

import re
from typing import Final

import msgspec

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.text import Text
from pointsman.events.schema import Request
from pointsman.ledger.recent import facts_of as facts_of_recorded
from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import Asked, read_answer, size_of
from pointsman.router.wire.operation import (
    CHAT,
    COMPLETION,
    EMBEDDING,
    OPERATIONS,
    RERANK,
    RESPONSES,
    Operation,
)
from pointsman.router.wire.shapes import ABSENT
from pointsman.router.wire.unreadable import UNREADABLE
from pointsman.router.wire.usage import Usage
from pointsman.routing import RequestFacts

EXCERPT_CHARS: Final = 120
_SETTINGS: Final = AnalysisSettings()
_MESSAGES: Final = re.compile(rb"\s*\[\s*\{")


class BadLine(Exception):
    """The text says why, and holds none of the line's."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One request; tokens of the prompt are estimated where `usage` is None."""

    model: str
    """What was asked for; of a ledger, what answered."""
    facts: RequestFacts
    key: int = 0
    """Equal for equal texts; 0 where there are none."""
    system: bool = False
    """There is a system message."""
    stream: bool = False
    usage: Usage | None = None
    generates: bool = True
    """False: the answer is no text, as of embeddings."""
    excerpt: str = ""
    """The head of the last user message, only for those who asked for it."""
    text: Text | None = None
    """What the analysis read, for a predictor; None where a text was not kept or makes none."""
    recorded: Request | None = None
    """Of a ledger: the whole row."""

    @property
    def task(self) -> str:
        """Empty where the analysis was not sure."""
        analysis = self.facts.analysis
        return str(analysis.task) if analysis.decided else ""

    @property
    def input_tokens(self) -> int:
        """As the answer stated them, else as the analysis estimates them."""
        return self.usage.prompt_tokens if self.usage else self.facts.analysis.context_tokens


class _Line(msgspec.Struct):
    request: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    headers: msgspec.Raw = ABSENT
    body: msgspec.Raw = ABSENT
    url: msgspec.Raw = ABSENT
    messages: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    input: msgspec.Raw = ABSENT


class _Response(msgspec.Struct):
    body: msgspec.Raw = ABSENT


_line = msgspec.json.Decoder(_Line).decode
_response = msgspec.json.Decoder(_Response).decode
_text = msgspec.json.Decoder(str).decode
_headers = msgspec.json.Decoder(dict[str, object]).decode


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A line, read and not yet analyzed."""

    asked: Asked
    prompt: Prompt
    headers: dict[str, str]
    generates: bool
    usage: Usage | None
    body: bytes
    """As a router would get it."""


def read_line(data: bytes) -> Read:
    """What one line asks for. Raises BadLine."""
    try:
        line = _line(data)
    except msgspec.ValidationError:
        raise BadLine("not a JSON object") from None
    except UNREADABLE as error:
        raise BadLine(f"not JSON: {error}") from None
    body, of_body = data, line
    wrapped = line.request if line.request is not ABSENT else line.body
    if wrapped is not ABSENT:
        body = bytes(wrapped)
        try:
            of_body = _line(body)
        except UNREADABLE:
            raise BadLine("the request's body is no JSON object") from None
    operation = _operation(line, of_body)
    try:
        asked = operation.read(body)
    except BadRequest as error:
        raise BadLine(str(error)) from None
    return Read(
        asked=asked,
        prompt=asked.prompt(),
        headers=_given_headers(line.headers),
        generates=operation.generates,
        usage=_usage(line.response),
        body=body,
    )


_SILENT: Final = (EMBEDDING.name, RERANK.name)


def seen_of_line(data: bytes, *, excerpt: bool = False) -> Seen:
    """Read and analyze one line. Raises BadLine."""
    read = read_line(data)
    asked, prompt = read.asked, read.prompt
    texts = (prompt.system, prompt.history, prompt.user, prompt.total_chars, prompt.images)
    facts = observe(prompt, _SETTINGS)
    return Seen(
        model=asked.model,
        facts=facts_of(read, judge(facts)),
        key=hash(texts) or 1,
        system=bool(prompt.system),
        stream=asked.stream,
        usage=read.usage,
        generates=read.generates,
        excerpt=shown(prompt.user) if excerpt else "",
        text=facts.text if read.generates else None,
    )


def facts_of(read: Read, analysis: Analysis) -> RequestFacts:
    """What rules look at."""
    return RequestFacts(
        analysis=analysis,
        headers=read.headers,
        metadata=read.asked.metadata,
        max_output_tokens=read.asked.max_output_tokens,
        tools=read.asked.tools,
        images=read.prompt.images > 0,
    )


def _operation(line: _Line, body: _Line) -> Operation:
    """By the batch's url, else by the field that only one of them has."""
    if size_of(line.url):
        try:
            url = _text(line.url)
        except UNREADABLE:
            raise BadLine("url is not a string") from None
        found = OPERATIONS.get(url.encode("utf-8", "replace"))
        if found is None:
            raise BadLine("its url is none that is routed: /v1/chat/completions and others")
        return found
    for raw, operation in (
        (body.messages, CHAT), (body.prompt, COMPLETION), (body.input, EMBEDDING)
    ):  # fmt: skip
        if raw is ABSENT:
            continue
        if operation is EMBEDDING and _MESSAGES.match(bytes(memoryview(raw)[:99])):
            return RESPONSES
        return operation
    raise BadLine("no request: it has neither messages nor prompt nor input")


def _given_headers(raw: msgspec.Raw) -> dict[str, str]:
    if not size_of(raw):
        return {}
    try:
        found = _headers(bytes(raw))
    except UNREADABLE:
        return {}
    return {name.lower(): value for name, value in found.items() if isinstance(value, str)}


def _usage(raw: msgspec.Raw) -> Usage | None:
    """Of an answer, or of a batch's response, which has it in `body`."""
    if not size_of(raw):
        return None
    data = bytes(raw)
    try:
        inner = _response(data).body
    except UNREADABLE:
        return None
    return read_answer(bytes(inner) if size_of(inner) else data)[1]


def seen_of_event(event: Request) -> Seen:
    """A request as a ledger has it: what the analysis found, and no text."""
    stated = event.input_tokens or event.output_tokens
    return Seen(
        model=event.model or event.backend,
        facts=facts_of_recorded(event),
        stream=event.stream,
        usage=Usage(
            event.input_tokens,
            event.output_tokens,
            cached_tokens=event.cached_tokens,
            reasoning_tokens=event.reasoning_tokens,
        )
        if stated
        else None,
        generates=event.operation not in _SILENT,
        recorded=event,
    )


def shown(text: str) -> str:
    """The head of a text in one line, without what would move a terminal's cursor."""
    head = " ".join(text[: 4 * EXCERPT_CHARS].split())
    head = "".join(letter if letter.isprintable() else "?" for letter in head)
    return head if len(head) <= EXCERPT_CHARS else head[: EXCERPT_CHARS - 1] + "…"
