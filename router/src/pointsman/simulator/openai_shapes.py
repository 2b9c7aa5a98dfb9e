"""OpenAI's response bodies and stream events as bytes. Pure.

Guarantees the field names, order of chunks and null rules an OpenAI SDK expects: a role-only chunk,
content chunks, the finish chunk, the usage chunk if asked for, `[DONE]`. The one extension is
`simulator`, the declared truth about the answer.
"""

from __future__ import annotations

import msgspec

from pointsman.simulator.embedding import DEFAULT_DIMENSIONS, as_base64, embed
from pointsman.simulator.errors import ApiError
from pointsman.simulator.job import Embedding, Generation

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
    spoken = len(job.pieces)
    return _Usage(job.prompt_tokens, spoken, job.prompt_tokens + spoken)


def _truth(job: Generation) -> _Truth:
    return _Truth(job.task, job.declared_quality, job.correct)


def whole(job: Generation) -> bytes:
    """The body of a non-streamed answer."""
    text = "".join(job.pieces)
    choice: dict[str, object] = {"index": 0}
    if job.kind == "text":
        choice["text"] = text
    elif job.tool is None:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None}
    else:
        calls = [{"id": _call_id(job), "type": "function",
                  "function": {"name": job.tool, "arguments": text}}]  # fmt: skip
        choice["message"] = {"role": "assistant", "content": None, "tool_calls": calls}
    choice["logprobs"] = None
    choice["finish_reason"] = job.finish
    kind = "chat.completion" if job.kind == "chat" else "text_completion"
    return _encode(_body(job, kind, (choice,), usage=_usage(job), truth=_truth(job)))


def opening_event(job: Generation) -> bytes:
    """What stands before the first token: the role-only chunk of a chat, else nothing."""
    if job.kind == "text":
        return b""
    if job.tool is None:
        return _delta_event(job, {"role": "assistant", "content": "", "refusal": None})
    call = {"index": 0, "id": _call_id(job), "type": "function",
            "function": {"name": job.tool, "arguments": ""}}  # fmt: skip
    return _delta_event(job, {"role": "assistant", "content": None, "tool_calls": [call]})


def token_events(job: Generation) -> list[bytes]:
    """One event a token."""
    if job.tool is not None:
        return [_delta_event(job, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
                for piece in job.pieces]  # fmt: skip
    mark = "\x00"  # no other field can hold it: model names are printable
    if job.kind == "chat":
        event = _delta_event(job, {"content": mark})
    else:
        event = _event(job, {"text": mark, "index": 0, "logprobs": None, "finish_reason": None})
    before, _, after = event.partition(_encode(mark))
    return [before + _encode(piece) + after for piece in job.pieces]


def closing_events(job: Generation) -> bytes:
    """The finish chunk with the declared truth, the usage chunk if asked for, `[DONE]`."""
    choice: dict[str, object] = {"index": 0}
    choice["delta" if job.kind == "chat" else "text"] = {} if job.kind == "chat" else ""
    choice["logprobs"] = None
    choice["finish_reason"] = job.finish
    unset = None if job.include_usage else msgspec.UNSET
    finish = _sse(_body(job, _chunk_kind(job), (choice,), usage=unset, truth=_truth(job)))
    if not job.include_usage:
        return finish + DONE
    return finish + _sse(_body(job, _chunk_kind(job), (), usage=_usage(job))) + DONE


def embeddings(job: Embedding) -> bytes:
    """The body of an answer to /v1/embeddings."""
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


def _call_id(job: Generation) -> str:
    return "call_" + job.id.rpartition("-")[2]


def _chunk_kind(job: Generation) -> str:
    return "chat.completion.chunk" if job.kind == "chat" else "text_completion"


def _delta_event(job: Generation, delta: dict[str, object]) -> bytes:
    return _event(job, {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None})


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
