"""PURE: the Responses API as a Dialect; its errors are those of chat completions."""

from typing import Final, cast

from pointsman.router.errors import Problem
from pointsman.router.wire.headers import Headers
from pointsman.router.wire.problem import error_json
from pointsman.router.wire.refusal import Told, read_refusal
from pointsman.router.wire.responses import asking
from pointsman.router.wire.responses.answering import ResponseSpeaker
from pointsman.router.wire.translation.dialect import Asking, Dialect, Speaker

_PARAMS: Final = {
    "messages": "input", "max_tokens": "max_output_tokens", "response_format": "text",
    "reasoning_effort": "reasoning",
}  # fmt: skip
"""Fields of a chat by the caller's names of them."""


class _Responses:
    def read(self, body: bytes, headers: Headers) -> Asking:  # noqa: ARG002
        return asking.read(body)

    def speaker(self, asked: Asking, *, id: str, now_s: int, prompt_tokens: int) -> Speaker:  # noqa: A002
        echo = cast(dict[str, object], asked.echo)
        return ResponseSpeaker(echo, id=id, now_s=now_s, prompt_tokens=prompt_tokens)

    def headers(self, request_id: bytes) -> dict[bytes, bytes]:  # noqa: ARG002
        return {}

    def problem(self, problem: Problem, request_id: bytes) -> bytes:  # noqa: ARG002
        return _shaped(Told(problem.message, problem.type, problem.param, problem.code))

    def refusal(self, status: int, body: bytes, request_id: bytes) -> bytes:  # noqa: ARG002
        return _shaped(read_refusal(body))


def _shaped(error: Told) -> bytes:
    param = error.param and _PARAMS.get(error.param, error.param)
    return error_json(error.message, error.type, param=param, code=error.code)


DIALECT: Final[Dialect] = _Responses()
