"""One accepted request of the OpenAI API: everything that is known before the first token. Pure.

Guarantees that the context limit and the caller's token limit are kept, and says how it will end.
Refuses, with BadRequest, what a real server would refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pointsman.simulator.answer import answer_pieces, count_tokens, is_correct
from pointsman.simulator.errors import BadRequest
from pointsman.simulator.json_mode import json_pieces
from pointsman.simulator.openai_requests import (
    CHAT,
    COMPLETION,
    EMBEDDING,
    ChatRequest,
    read_body,
    task_of,
)
from pointsman.simulator.settings import Settings

Finish = Literal["stop", "length", "tool_calls"]
_TOKENS_A_MESSAGE = 3  # role and separators of a chat template; OpenAI's cookbook counts 3


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer to be spoken: its pieces are its tokens."""

    kind: Literal["chat", "text"]
    id: str
    created_s: int
    model: str
    fingerprint: str
    pieces: tuple[str, ...]
    finish: Finish
    tool: str | None
    prompt_tokens: int
    stream: bool
    include_usage: bool
    task: str
    declared_quality: float
    correct: bool


@dataclass(frozen=True, slots=True)
class Embedding:
    """Texts to be turned into vectors."""

    model: str
    texts: tuple[str, ...]
    base64: bool
    dimensions: int | None
    prompt_tokens: int


Job = Generation | Embedding


@dataclass(frozen=True, slots=True)
class Origin:
    """What an answer says about where it comes from: its id's end, epoch seconds, fingerprint."""

    serial: str
    created_s: int
    fingerprint: str


def plan(path: str, body: bytes, settings: Settings, origin: Origin) -> Job:
    """The job of a POST to one of the three paths."""
    if path == "/v1/chat/completions":
        return _chat(body, settings, origin)
    if path == "/v1/completions":
        return _completion(body, settings, origin)
    return _embedding(body, settings)


def _chat(body: bytes, settings: Settings, origin: Origin) -> Generation:
    request = read_body(CHAT, body)
    _check_common(request.model, request.n, settings)
    prompt = request.prompt()
    limit = request.max_completion_tokens or request.max_tokens
    prompt_tokens = count_tokens(prompt) + _TOKENS_A_MESSAGE * len(request.messages)
    room = _room(prompt_tokens, limit, settings.context_window, "messages")
    task = task_of(request.metadata)
    quality = settings.quality_of(task)
    correct = is_correct(request.question(), quality)
    tool = request.called_function()
    pieces, finish = _speak(request, prompt, settings, correct=correct, tool=tool, room=room)
    return Generation(
        kind="chat",
        id="chatcmpl-" + origin.serial,
        created_s=origin.created_s,
        model=settings.model,
        fingerprint=origin.fingerprint,
        pieces=pieces,
        finish=finish,
        tool=tool,
        prompt_tokens=prompt_tokens,
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        task=task,
        declared_quality=quality,
        correct=correct,
    )


def _speak(
    request: ChatRequest,
    prompt: str,
    settings: Settings,
    *,
    correct: bool,
    tool: str | None,
    room: int,
) -> tuple[tuple[str, ...], Finish]:
    if tool is not None:
        return ("{}",), "tool_calls"
    wanted = request.response_format
    if wanted is not None and wanted.type != "text":
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        pieces = json_pieces(settings.model, schema)
        return (pieces, "stop") if len(pieces) <= room else (pieces[:room], "length")
    return _filler(prompt, settings, correct=correct, room=room)


def _filler(
    prompt: str, settings: Settings, *, correct: bool, room: int
) -> tuple[tuple[str, ...], Finish]:
    tokens = min(room, settings.output_tokens)
    pieces = answer_pieces(settings.model, prompt, correct=correct, tokens=tokens)
    return pieces, "length" if room < settings.output_tokens else "stop"


def _completion(body: bytes, settings: Settings, origin: Origin) -> Generation:
    request = read_body(COMPLETION, body)
    _check_common(request.model, request.n, settings)
    prompt = request.text()
    prompt_tokens = count_tokens(prompt)
    room = _room(prompt_tokens, request.max_tokens, settings.context_window, "prompt")
    task = task_of(request.metadata)
    quality = settings.quality_of(task)
    correct = is_correct(prompt, quality)
    pieces, finish = _filler(prompt, settings, correct=correct, room=room)
    return Generation(
        kind="text",
        id="cmpl-" + origin.serial,
        created_s=origin.created_s,
        model=settings.model,
        fingerprint=origin.fingerprint,
        pieces=pieces,
        finish=finish,
        tool=None,
        prompt_tokens=prompt_tokens,
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        task=task,
        declared_quality=quality,
        correct=correct,
    )


def _embedding(body: bytes, settings: Settings) -> Embedding:
    request = read_body(EMBEDDING, body)
    _check_common(request.model, None, settings)
    texts = tuple(request.texts())
    for text in texts:
        _room(count_tokens(text), 0, settings.context_window, "input")
    return Embedding(
        model=settings.model,
        texts=texts,
        base64=request.encoding_format == "base64",
        dimensions=request.dimensions,
        prompt_tokens=sum(count_tokens(text) for text in texts),
    )


def _check_common(model: str, n: int | None, settings: Settings) -> None:
    if settings.strict_model and model != settings.model:
        raise BadRequest(
            f"The model `{model}` does not exist.",
            status=404,
            code="model_not_found",
            param="model",
        )
    if n not in (None, 1):
        raise BadRequest("The simulator answers once: n must be 1.", param="n")


def _room(prompt_tokens: int, limit: int | None, window: int, param: str) -> int:
    """Tokens the answer may have. A prompt without a limit needs room for one token."""
    wanted = prompt_tokens + (1 if limit is None else limit)
    if wanted > window:
        raise BadRequest(
            f"This model's maximum context length is {window} tokens. However, you requested "
            f"{wanted} tokens ({prompt_tokens} in the {param}, {wanted - prompt_tokens} in the "
            "completion). Please reduce the length of the messages or completion.",
            code="context_length_exceeded",
            param=param,
        )
    return window - prompt_tokens if limit is None else limit
