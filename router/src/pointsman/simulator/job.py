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
    MAX_CHOICES,
    RERANK,
    ChatRequest,
    read_body,
    stops_of,
    task_of,
)
from pointsman.simulator.settings import Settings

Finish = Literal["stop", "length", "tool_calls"]
_TOKENS_A_MESSAGE = 3  # role and separators of a chat template; OpenAI's cookbook counts 3


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; its pieces are its arguments, as JSON."""

    name: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: its pieces are its tokens, those of its calls where it calls."""

    pieces: tuple[str, ...]
    finish: Finish
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """Answers to be spoken, side by side."""

    kind: Literal["chat", "text"]
    id: str
    created_s: int
    model: str
    fingerprint: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    stream: bool
    include_usage: bool
    task: str
    declared_quality: float
    correct: bool
    logprobs: int | None
    """How many alternatives are told with each token; None: no log probabilities."""

    @property
    def steps(self) -> int:
        """In each, every answer that is not at its end speaks one token."""
        return max(len(choice.pieces) for choice in self.choices)

    @property
    def finish(self) -> Finish:
        """How the first answer ends."""
        return self.choices[0].finish

    def tokens(self, start: int = 0, end: int | None = None) -> int:
        """Tokens spoken from one step to another."""
        return sum(len(choice.pieces[start:end]) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Embedding:
    """Texts to be turned into vectors."""

    model: str
    texts: tuple[str, ...]
    base64: bool
    dimensions: int | None
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Ranking(Embedding):
    """Texts to be put in order by how much they share with a query."""

    id: str
    query: str
    top_n: int


Job = Generation | Embedding


@dataclass(frozen=True, slots=True)
class Origin:
    """What an answer says about where it comes from: its id's end, epoch seconds, fingerprint."""

    serial: str
    created_s: int
    fingerprint: str


def plan(path: str, body: bytes, settings: Settings, origin: Origin) -> Job:
    """The job of a POST to one of the four paths."""
    if path == "/v1/chat/completions":
        return _chat(body, settings, origin)
    if path == "/v1/completions":
        return _completion(body, settings, origin)
    if path == "/v1/rerank":
        return _ranking(body, settings, origin)
    return _embedding(body, settings)


def _chat(body: bytes, settings: Settings, origin: Origin) -> Generation:
    request = read_body(CHAT, body)
    _check_model(request.model, settings)
    prompt = request.prompt()
    limit = request.max_completion_tokens or request.max_tokens
    prompt_tokens = count_tokens(prompt) + _TOKENS_A_MESSAGE * len(request.messages)
    room = _room(prompt_tokens, limit, settings.context_window, "messages")
    task = task_of(request.metadata)
    quality = settings.quality_of(task)
    correct = is_correct(request.question(), quality)
    calls = _calls(request, settings)
    return Generation(
        kind="chat",
        id="chatcmpl-" + origin.serial,
        created_s=origin.created_s,
        model=settings.model,
        fingerprint=origin.fingerprint,
        choices=tuple(
            _speak(request, _varied(prompt, i), settings, correct=correct, calls=calls, room=room)
            for i in range(request.n or 1)
        ),
        prompt_tokens=prompt_tokens,
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        task=task,
        declared_quality=quality,
        correct=correct,
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
    )


def _calls(request: ChatRequest, settings: Settings) -> tuple[Call, ...]:
    return tuple(
        Call(called.name, json_pieces(settings.model, called.parameters or {"type": "object"}))
        for called in request.called_functions()
    )


def _varied(prompt: str, index: int) -> str:
    """What the `index`-th answer to a prompt is made from: each has its own filler."""
    return f"{prompt}\x00{index}" if index else prompt


def _speak(
    request: ChatRequest,
    prompt: str,
    settings: Settings,
    *,
    correct: bool,
    calls: tuple[Call, ...],
    room: int,
) -> Choice:
    if calls:
        return _calling(calls, room)
    wanted = request.response_format
    if wanted is not None and wanted.type != "text":
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        pieces = json_pieces(settings.model, schema)
        finish: Finish = "stop" if len(pieces) <= room else "length"
        return _until_stop(Choice(pieces[:room], finish), stops_of(request))
    return _filler(prompt, settings, correct=correct, room=room, stops=stops_of(request))


def _calling(calls: tuple[Call, ...], room: int) -> Choice:
    """A call for which no room is left is not begun."""
    cut: list[Call] = []
    left = room
    for call in calls:
        if left > 0:
            cut.append(Call(call.name, call.pieces[:left]))
        left -= len(call.pieces)
    pieces = tuple(piece for call in cut for piece in call.pieces)
    return Choice(pieces, "tool_calls" if left >= 0 else "length", tuple(cut))


def _filler(
    prompt: str, settings: Settings, *, correct: bool, room: int, stops: tuple[str, ...]
) -> Choice:
    tokens = min(room, settings.output_tokens)
    pieces = answer_pieces(settings.model, prompt, correct=correct, tokens=tokens)
    finish: Finish = "length" if room < settings.output_tokens else "stop"
    return _until_stop(Choice(pieces, finish), stops)


def _until_stop(choice: Choice, stops: tuple[str, ...]) -> Choice:
    """Up to the first of the sequences, which is not in it, also where it spans pieces."""
    if not stops:
        return choice
    text = "".join(choice.pieces)
    left = min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)
    if left < 0:
        return choice
    kept: list[str] = []
    for piece in choice.pieces:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(piece)
    return Choice(tuple(kept), "stop")


def _completion(body: bytes, settings: Settings, origin: Origin) -> Generation:
    request = read_body(COMPLETION, body)
    _check_model(request.model, settings)
    prompts = request.texts()
    answers = request.n or 1
    if len(prompts) * answers > MAX_CHOICES:
        message = f"At most {MAX_CHOICES} answers at a time, prompts times n."
        raise BadRequest(message, param="prompt")
    task = task_of(request.metadata)
    quality = settings.quality_of(task)
    choices: list[Choice] = []
    for prompt in prompts:
        room = _room(count_tokens(prompt), request.max_tokens, settings.context_window, "prompt")
        right = is_correct(prompt, quality)
        choices += (
            _filler(_varied(prompt, i), settings, correct=right, room=room, stops=stops_of(request))
            for i in range(answers)
        )
    return Generation(
        kind="text",
        id="cmpl-" + origin.serial,
        created_s=origin.created_s,
        model=settings.model,
        fingerprint=origin.fingerprint,
        choices=tuple(choices),
        prompt_tokens=sum(map(count_tokens, prompts)),
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        task=task,
        declared_quality=quality,
        correct=is_correct(prompts[0], quality),
        logprobs=request.logprobs,
    )


def _embedding(body: bytes, settings: Settings) -> Embedding:
    request = read_body(EMBEDDING, body)
    _check_model(request.model, settings)
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


def _ranking(body: bytes, settings: Settings, origin: Origin) -> Ranking:
    request = read_body(RERANK, body)
    _check_model(request.model, settings)
    texts = tuple(request.texts())
    asked = count_tokens(request.query)
    for text in texts:
        _room(asked + count_tokens(text), 0, settings.context_window, "documents")
    return Ranking(
        model=settings.model,
        texts=texts,
        base64=False,
        dimensions=None,
        prompt_tokens=sum(asked + count_tokens(text) for text in texts),
        id="rerank-" + origin.serial,
        query=request.query,
        top_n=request.top_n or len(texts),
    )


def _check_model(model: str, settings: Settings) -> None:
    if settings.strict_model and model != settings.model:
        raise BadRequest(
            f"The model `{model}` does not exist.",
            status=404,
            code="model_not_found",
            param="model",
        )


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
