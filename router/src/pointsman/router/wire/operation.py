"""PURE: what a caller may ask models for, one row an operation.

Adding one is a row here, if a backend answers it below the same base URL under the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
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
    dialect: str = ""
    """Of another API, whose requests are translated to chats; see wire/translation."""
    path: bytes = field(init=False)
    """The name behind a slash."""

    def __post_init__(self) -> None:
        """Prepared once."""
        object.__setattr__(self, "path", b"/" + self.name.encode())


def _translated(dialect: str) -> Callable[[bytes], Asked]:
    """Reads a body as the chat that it becomes; the dialect is loaded with the first one."""

    def read(body: bytes) -> Asked:
        from pointsman.router.wire.translation.dialects import DIALECTS  # noqa: PLC0415

        return read_chat(DIALECTS[dialect].read(body, []).body)

    return read


def _of(name: str, text: str, dialect: str) -> Operation:
    return Operation(name, _translated(dialect), text, True, dialect)


CHAT: Final = Operation("chat/completions", read_chat, "messages", True)
COMPLETION: Final = Operation("completions", read_completion, "prompt", True)
EMBEDDING: Final = Operation("embeddings", read_embedding, "input", False)
MESSAGES: Final = _of("messages", "messages", "Messages")
RESPONSES: Final = _of("responses", "input", "Responses")
RERANK: Final = Operation("rerank", read_rerank, "documents", False)
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
