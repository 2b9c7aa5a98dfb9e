"""PURE: what a caller may ask models for, one row an operation.

Adding one is a row here, if a backend answers it below the same base URL under the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pointsman.router.wire.openai import Asked, read_chat
from pointsman.router.wire.texts import read_completion, read_embedding, read_rerank


@dataclass(frozen=True, slots=True)
class Operation:
    """One path that is routed."""

    name: str
    """Below the base URL, ours and a backend's."""
    read: Callable[[bytes], Asked]
    """The fields of a body; raises BadRequest."""
    text: str
    """The field that holds what models read."""
    generates: bool
    """False if the answer is no text, so that its size says nothing about tokens."""
    path: bytes
    """The name behind a slash."""
    dialect: str = ""
    """Of another API, whose requests are translated to chats; see wire/translation."""


def _translated(dialect: str) -> Callable[[bytes], Asked]:
    """Reads a body as the chat that it becomes; the dialect is loaded with the first one."""

    def read(body: bytes) -> Asked:
        from pointsman.router.wire.translation.dialects import DIALECTS  # noqa: PLC0415

        return read_chat(DIALECTS[dialect].read(body, []).body)

    return read


def _own(
    name: str, read: Callable[[bytes], Asked], text: str, *, generates: bool = True
) -> Operation:
    return Operation(name, read, text, generates, f"/{name}".encode())


def _of(name: str, text: str, dialect: str) -> Operation:
    return Operation(name, _translated(dialect), text, True, f"/{name}".encode(), dialect)


CHAT: Final = _own("chat/completions", read_chat, "messages")
COMPLETION: Final = _own("completions", read_completion, "prompt")
EMBEDDING: Final = _own("embeddings", read_embedding, "input", generates=False)
MESSAGES: Final = _of("messages", "messages", "Messages")
RESPONSES: Final = _of("responses", "input", "Responses")
RERANK: Final = _own("rerank", read_rerank, "documents", generates=False)
_ALL: Final = (CHAT, COMPLETION, EMBEDDING, RERANK, MESSAGES, RESPONSES)
OPERATIONS: Final = {b"/v1" + found.path: found for found in _ALL}
"""By the path that callers use."""


def dialect_of(target: bytes) -> str:
    """Of the API that a path belongs to, also one that is not there; empty for OpenAI's chat."""
    path = target.partition(b"?")[0]
    for operation in _ALL:
        own = b"/v1" + operation.path
        if operation.dialect and (path == own or path.startswith(own + b"/")):
            return operation.dialect
    return ""
