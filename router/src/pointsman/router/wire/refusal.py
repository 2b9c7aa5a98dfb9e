"""PURE: a backend's 4xx about the request, in OpenAI's error shape whatever shape it came in.

Guarantees that a body in that shape keeps its bytes, and that SDKs find the message of any other:
vLLM's flat one, FastAPI's and Mistral's `detail`, Ollama's string, a page of HTML. Adds nothing of
its own where there is a message.
"""

from typing import Final

import msgspec

from pointsman.router.wire.problem import error_json
from pointsman.router.wire.unreadable import UNREADABLE

_MESSAGE_CHARS: Final = 4096
_TYPE: Final = "invalid_request_error"
_TOO_LONG: Final = (
    "maximum context length",  # OpenAI, vLLM, Mistral, OpenRouter
    "model's context length",  # SGLang, Together
    "use a shorter input",  # SGLang, where its cache is smaller than the window
    "available context size",  # llama.cpp
    "exceeded max context length",  # Ollama
    "exceeds the context length",  # Ollama, of embeddings
    "greater than the context length",  # LM Studio
    "`max_new_tokens` must be <=",  # TGI
    "maximum prompt length",  # xAI
    "exceeded model token limit",  # Moonshot
    "range of input length should be",  # DashScope
    "maximum number of tokens allowed",  # Gemini
    "reduce the length of the messages",  # Groq
    "prompt is too long",  # Anthropic, and this router
)
_decode = msgspec.json.Decoder(dict[str, object] | list[dict[str, object]]).decode


def _read(body: bytes) -> dict[str, object]:
    try:
        found: dict[str, object] | list[dict[str, object]] = _decode(body)
    except UNREADABLE:
        return {}
    if isinstance(found, list):  # Gemini's come so
        return found[0] if found else {}
    return found


class Told(msgspec.Struct):
    """An error in OpenAI's shape; of its members what is text."""

    message: str
    type: str
    param: str | None
    code: str | None


def read_refusal(body: bytes) -> Told:
    """What a body in that shape says: servers put numbers and null where it has texts."""
    error = _read(body).get("error")
    told = error if isinstance(error, dict) else {}
    return Told(
        _text(told.get("message")) or "The backend refused the request.",
        _text(told.get("type")) or _TYPE,
        _text(told.get("param")),
        _text(told.get("code")),
    )


def in_openais_shape(status: int, body: bytes) -> bytes:
    """`body` itself if it is an error in OpenAI's shape, else one that says the same."""
    told = _read(body)
    error = told.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        if error.keys() >= {"type", "param", "code"} and not body.lstrip().startswith(b"["):
            return body
        told = error
    elif isinstance(error, str):
        told = {**told, "message": error}
    message = told.get("message")
    if not isinstance(message, str) or not message:
        detail = told.get("detail") or message
        if isinstance(detail, str) and detail:
            message = detail
        else:
            listed = f": {msgspec.json.encode(detail).decode()}" if detail else "."
            message = f"The backend refused the request with status {status}{listed}"
    return error_json(
        message[:_MESSAGE_CHARS],
        _text(told.get("type")) or _TYPE,
        param=_text(told.get("param")),
        code=_text(told.get("code")),
    )


def _text(value: object) -> str | None:
    """vLLM and llama.cpp put the status into `code`: that is no code."""
    return value if isinstance(value, str) else None


def says_too_long(body: bytes) -> bool:
    """True for an error that means the request does not fit the context window."""
    told = _read(body)
    error = told.get("error")
    if isinstance(error, dict):
        told = error
    elif isinstance(error, str):
        told = {"message": error}
    if told.get("code") == "context_length_exceeded":
        return True
    message = told.get("message")
    return isinstance(message, str) and any(words in message.lower() for words in _TOO_LONG)
