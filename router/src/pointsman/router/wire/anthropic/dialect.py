"""PURE: the Messages API as a Dialect."""

from typing import Final

from pointsman.router.errors import BadRequest, Problem
from pointsman.router.wire.anthropic import asking
from pointsman.router.wire.anthropic.answering import MessageSpeaker
from pointsman.router.wire.anthropic.errors import error_body, from_openais
from pointsman.router.wire.headers import Headers
from pointsman.router.wire.translation.dialect import Asking, Dialect, Speaker

_VERSION: Final = b"2023-06-01"
"""The only one that is in use: the one before it had other events."""


class _Messages:
    def read(self, body: bytes, headers: Headers) -> Asking:
        said = next((value for name, value in headers if name == b"anthropic-version"), _VERSION)
        if said.strip() != _VERSION:
            told = said[:40].decode("latin-1")
            raise BadRequest(f"anthropic-version is {told}; {_VERSION.decode()} is spoken here.")
        return asking.read(body)

    def speaker(self, asked: Asking, *, id: str, now_s: int, prompt_tokens: int) -> Speaker:  # noqa: A002, ARG002
        echo = asked.echo
        assert isinstance(echo, asking.Echo)
        return MessageSpeaker(echo, id=id, prompt_tokens=prompt_tokens)

    def headers(self, request_id: bytes) -> dict[bytes, bytes]:
        return {b"request-id": request_id}

    def problem(self, problem: Problem, request_id: bytes) -> bytes:
        return error_body(problem.status, problem.message, problem.code, request_id)

    def refusal(self, status: int, body: bytes, request_id: bytes) -> bytes:
        return from_openais(status, body, request_id)


DIALECT: Final[Dialect] = _Messages()
