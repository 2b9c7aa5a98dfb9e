"""PURE: what an API needs to be spoken in front of chat completions.

| who          | when                           | what                                  |
| Dialect.read | once a request, before routing | the caller's body as a chat request   |
| Speaker      | once an answer                 | a chat answer in the caller's words   |
| Dialect      | at any error                   | the error in the caller's shape       |
"""

from typing import Protocol

import msgspec

from pointsman.router.errors import Problem
from pointsman.router.wire.headers import Headers
from pointsman.router.wire.usage import Usage


class Untranslatable(Exception):
    """A backend's answer that the caller's API has no words for; the text is ours."""


class Asking(msgspec.Struct, frozen=True):
    """A caller's request as a chat request."""

    body: bytes
    metadata: dict[str, str] | None
    """What rules see of it; None: what stands in `body`."""
    thinks: bool | None
    """Whether the model shall think, if the caller says: told in the form of the backend."""
    echo: object
    """What the dialect's answers repeat of the request."""


class Speaker(Protocol):
    """One answer; either `whole`, or `feed` until `finish` or `fail`."""

    broken: str
    """Why nothing more of the stream can be told, in our words; empty while it can."""

    def whole(self, body: bytes, usage: Usage) -> bytes:
        """A chat answer; raises Untranslatable."""

    def feed(self, data: bytes) -> bytes:
        """More of a chat stream, however cut; what came before it broke, if it did."""

    def finish(self) -> bytes:
        """The stream is complete: what is still to be said, if it was not said at `[DONE]`."""

    def fail(self, message: str, code: str) -> bytes:
        """The stream broke: its last event; nothing after another last one."""


class Dialect(Protocol):
    """One API."""

    def read(self, body: bytes, headers: Headers) -> Asking:
        """Raises BadRequest."""

    def speaker(self, asking: Asking, *, id: str, now_s: int, prompt_tokens: int) -> Speaker:  # noqa: A002
        """Of the answer with this id, if the backend gives none, to a prompt of about that size."""

    def headers(self, request_id: bytes) -> dict[bytes, bytes]:
        """Those that its callers look for."""

    def problem(self, problem: Problem, request_id: bytes) -> bytes:
        """The body that says it."""

    def refusal(self, status: int, body: bytes, request_id: bytes) -> bytes:
        """The same of a backend's refusal, which is in OpenAI's shape."""
