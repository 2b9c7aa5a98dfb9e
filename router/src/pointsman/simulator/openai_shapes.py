"""OpenAI's response bodies and stream events as bytes. Pure.

Guarantees the field names, order of chunks and null rules an OpenAI SDK expects: a role-only chunk,
content chunks, the finish chunk, the usage chunk if asked for, `[DONE]`. The one extension is
`simulator`, the declared truth about the answer.
"""

from __future__ import annotations

from itertools import accumulate, zip_longest
from zlib import crc32

import msgspec

from pointsman.simulator.embedding import DEFAULT_DIMENSIONS, as_base64, embed
from pointsman.simulator.errors import ApiError
from pointsman.simulator.job import Call, Choice, Embedding, Generation, Ranking

_encode = msgspec.json.Encoder().encode
DONE = b"data: [DONE]\n\n"


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Truth(msgspec.Struct, frozen=True):
    task: str
    declared_quality: float
    correct: bool


class _Body(msgspec.Struct, frozen=True):
    id: str
    kind: str = msgspec.field(name="object")
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[dict[str, object], ...]
    usage: _Usage | msgspec.UnsetType | None = msgspec.UNSET
    simulator: _Truth | msgspec.UnsetType = msgspec.UNSET


def _usage(job: Generation) -> _Usage:
    spoken = job.tokens()
    return _Usage(job.prompt_tokens, spoken, job.prompt_tokens + spoken)


def _truth(job: Generation) -> _Truth:
    return _Truth(job.task, job.declared_quality, job.correct)


def whole(job: Generation) -> bytes:
    """The body of a non-streamed answer."""
    choices = tuple(_whole_choice(job, i, choice) for i, choice in enumerate(job.choices))
    kind = "chat.completion" if job.kind == "chat" else "text_completion"
    return _encode(_body(job, kind, choices, usage=_usage(job), truth=_truth(job)))


def _whole_choice(job: Generation, index: int, choice: Choice) -> dict[str, object]:
    told: dict[str, object] = {"index": index}
    if job.kind == "text":
        told["text"] = "".join(choice.pieces)
    elif not choice.calls:
        text = "".join(choice.pieces)
        told["message"] = {"role": "assistant", "content": text, "refusal": None}
    else:
        calls = [{"id": _call_id(job, index, i), "type": "function",
                  "function": {"name": call.name, "arguments": "".join(call.pieces)}}
                 for i, call in enumerate(choice.calls)]  # fmt: skip
        told["message"] = {"role": "assistant", "content": None, "tool_calls": calls}
    told["logprobs"] = _logprobs(job, choice, 0, None)
    told["finish_reason"] = choice.finish
    return told


def opening_event(job: Generation) -> bytes:
    """What stands before the first token: the role-only chunks of a chat, else nothing."""
    if job.kind == "text":
        return b""
    return b"".join(
        _delta_event(
            job,
            index,
            {"role": "assistant", "content": None}
            if choice.calls
            else {"role": "assistant", "content": "", "refusal": None},
        )
        for index, choice in enumerate(job.choices)
    )


def token_events(job: Generation) -> list[bytes]:
    """One item a step: the events of the tokens that all answers speak in it."""
    spoken = [_choice_events(job, index, choice) for index, choice in enumerate(job.choices)]
    if len(spoken) == 1:
        return spoken[0]
    return [b"".join(step) for step in zip_longest(*spoken, fillvalue=b"")]


def _choice_events(job: Generation, index: int, choice: Choice) -> list[bytes]:
    if choice.calls:
        return [event for i, call in enumerate(choice.calls)
                for event in _call_events(job, index, i, call)]  # fmt: skip
    if job.logprobs is not None:
        return [_text_event(job, index, piece, _logprobs(job, choice, i, i + 1))
                for i, piece in enumerate(choice.pieces)]  # fmt: skip
    mark = "\x00"  # no other field can hold it: model names are printable
    before, _, after = _text_event(job, index, mark, None).partition(_encode(mark))
    return [before + _encode(piece) + after for piece in choice.pieces]


def _text_event(job: Generation, index: int, piece: str, logprobs: object) -> bytes:
    choice: dict[str, object] = {"index": index}
    if job.kind == "chat":
        choice["delta"] = {"content": piece}
    else:
        choice["text"] = piece
    choice["logprobs"] = logprobs
    choice["finish_reason"] = None
    return _event(job, choice)


def _call_events(job: Generation, index: int, number: int, call: Call) -> list[bytes]:
    """Id and name come with the first piece of the arguments, in an event of their own."""
    head = {"index": number, "id": _call_id(job, index, number), "type": "function",
            "function": {"name": call.name, "arguments": ""}}  # fmt: skip
    events = [
        _delta_event(job, index, {"tool_calls": [{"index": number, "function": {"arguments": p}}]})
        for p in call.pieces
    ]
    events[0] = _delta_event(job, index, {"tool_calls": [head]}) + events[0]
    return events


def closing_events(job: Generation) -> bytes:
    """The finish chunks with the declared truth, the usage chunk if asked for, `[DONE]`."""
    unset = None if job.include_usage else msgspec.UNSET
    finish = b""
    for index, spoken in enumerate(job.choices):
        choice: dict[str, object] = {"index": index}
        choice["delta" if job.kind == "chat" else "text"] = {} if job.kind == "chat" else ""
        choice["logprobs"] = None
        choice["finish_reason"] = spoken.finish
        finish += _sse(_body(job, _chunk_kind(job), (choice,), usage=unset, truth=_truth(job)))
    if not job.include_usage:
        return finish + DONE
    return finish + _sse(_body(job, _chunk_kind(job), (), usage=_usage(job))) + DONE


def _logprobs(job: Generation, choice: Choice, start: int, end: int | None) -> object:
    """Of some pieces, in the form of the operation; the only alternative is the piece itself."""
    if job.logprobs is None or choice.calls:
        return None
    pieces = choice.pieces[start:end]
    values = [-(crc32(piece.encode()) % 1000) / 1000 for piece in pieces]
    if job.kind == "text":
        offset = sum(map(len, choice.pieces[:start]))
        offsets = accumulate(map(len, pieces[:-1]), initial=offset)
        return {"tokens": pieces, "token_logprobs": values,
                "text_offset": list(offsets)[: len(pieces)],
                "top_logprobs": [{p: v} for p, v in zip(pieces, values, strict=True)]
                if job.logprobs else None}  # fmt: skip
    told: list[dict[str, object]] = [
        {"token": p, "logprob": v, "bytes": list(p.encode())}
        for p, v in zip(pieces, values, strict=True)
    ]
    top = job.logprobs > 0
    content = [{**entry, "top_logprobs": [entry] if top else []} for entry in told]
    return {"content": content, "refusal": None}


def rankings(job: Ranking) -> bytes:
    """The body of an answer to /v1/rerank: the best first, as vLLM says it."""
    wanted = embed(job.model, job.query)
    scores = [_likeness(wanted, embed(job.model, text)) for text in job.texts]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])[: job.top_n]
    results = [
        {"index": i, "document": {"text": job.texts[i]}, "relevance_score": scores[i]}
        for i in order
    ]
    usage = {"total_tokens": job.prompt_tokens}
    return _encode({"id": job.id, "model": job.model, "usage": usage, "results": results})


def _likeness(one: list[float], other: list[float]) -> float:
    """Of two unit vectors, from 0 to 1."""
    return (1.0 + sum(a * b for a, b in zip(one, other, strict=True))) / 2


def embeddings(job: Embedding) -> bytes:
    """The body of an answer to /v1/embeddings or, of a Ranking, to /v1/rerank."""
    if isinstance(job, Ranking):
        return rankings(job)
    size = job.dimensions or DEFAULT_DIMENSIONS
    vectors = [embed(job.model, text, size) for text in job.texts]
    data = [{"object": "embedding", "index": i, "embedding": as_base64(v) if job.base64 else v}
            for i, v in enumerate(vectors)]  # fmt: skip
    usage = {"prompt_tokens": job.prompt_tokens, "total_tokens": job.prompt_tokens}
    return _encode({"object": "list", "data": data, "model": job.model, "usage": usage})


def model_card(model: str, created_s: int, context_window: int) -> dict[str, object]:
    """One entry of /v1/models, with vLLM's `max_model_len`."""
    return {"id": model, "object": "model", "created": created_s,
            "owned_by": "pointsman-simulator", "max_model_len": context_window}  # fmt: skip


def error_body(error: ApiError) -> bytes:
    """OpenAI's error shape."""
    shape = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return _encode({"error": shape})


def _call_id(job: Generation, index: int, number: int) -> str:
    return f"call_{job.id.rpartition('-')[2]}{index:02x}{number:02x}"


def _chunk_kind(job: Generation) -> str:
    return "chat.completion.chunk" if job.kind == "chat" else "text_completion"


def _delta_event(job: Generation, index: int, delta: dict[str, object]) -> bytes:
    return _event(job, {"index": index, "delta": delta, "logprobs": None, "finish_reason": None})


def _event(job: Generation, choice: dict[str, object]) -> bytes:
    usage = None if job.include_usage else msgspec.UNSET
    return _sse(_body(job, _chunk_kind(job), (choice,), usage=usage))


def _sse(body: _Body) -> bytes:
    return b"data: " + _encode(body) + b"\n\n"


def _body(
    job: Generation,
    kind: str,
    choices: tuple[dict[str, object], ...],
    *,
    usage: _Usage | msgspec.UnsetType | None,
    truth: _Truth | msgspec.UnsetType = msgspec.UNSET,
) -> _Body:
    return _Body(job.id, kind, job.created_s, job.model, job.fingerprint, choices, usage, truth)
