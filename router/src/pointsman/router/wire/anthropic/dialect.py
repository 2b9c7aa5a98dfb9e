"""PURE: the Messages API as a Dialect."""

from typing import Final

from pointsman.router.errors import BadRequest, Problem
from pointsman.router.wire.anthropic import asking
from pointsman.router.wire.anthropic.answering import MessageSpeaker
from pointsman.router.wire.anthropic.errors import error_body, from_openais
from pointsman.router.wire.headers import Headers
from pointsman.router.wire.translation.dialect import Asking, Dialect, Speaker

_UNSPOKEN: Final = b"2023-01-01"
"""The first version had other events. Later ones differ in what they refuse: their SDKs are
answered, for one that is refused by name can do nothing at all."""


class _Messages:
    def read(self, body: bytes, headers: Headers) -> Asking:
        if any(n == b"anthropic-version" and v.strip() == _UNSPOKEN for n, v in headers):
            raise BadRequest(f"anthropic-version {_UNSPOKEN.decode()} is not spoken here.")
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
