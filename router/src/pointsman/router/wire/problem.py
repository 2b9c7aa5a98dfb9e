"""PURE: errors and answers in OpenAI's shapes as bytes.

Guarantees a length on every answer with a body, so that a cut one is seen as cut.
"""

from http import HTTPStatus
from typing import Final

import msgspec

from pointsman.router.errors import Problem

_encode = msgspec.json.Encoder().encode
STATUS_LINES: Final = {
    int(s): f"HTTP/1.1 {int(s)} {s.phrase}\r\n".encode() for s in HTTPStatus if s >= 200
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def status_line(status: int) -> bytes:
    """Also for codes that HTTP does not name."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def error_body(problem: Problem) -> bytes:
    """The body that says it."""
    return error_json(problem.message, problem.type, param=problem.param, code=problem.code)


def error_json(message: str, kind: str, *, param: str | None, code: str | None) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`."""
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_event(message: str, code: str) -> bytes:
    """The event that ends a stream which broke after its first content; no `[DONE]` follows."""
    return b"data: " + error_json(message, "upstream_error", param=None, code=code) + b"\n\n"


def answer(
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"application/json",
    more: bytes = b"",
    keep_alive: bool = True,
    without_body: bool = False,
) -> bytes:
    """A whole answer; `more` holds header lines, `without_body` answers a HEAD."""
    head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
        status_line(status),
        content_type,
        len(body),
        more,
        b"" if keep_alive else b"connection: close\r\n",
    )
    return head if without_body else head + body


def problem_answer(
    problem: Problem,
    *,
    body: bytes = b"",
    more: bytes = b"",
    keep_alive: bool = True,
    without_body: bool = False,
) -> bytes:
    """
    A Problem as an answer; `body` if another API's shape says it.

    Retry-After is in whole seconds, at least 1.
    """
    if problem.retry_after_s is not None:
        more += b"retry-after: %d\r\n" % max(1, -int(-problem.retry_after_s // 1))
    elif problem.status == 429:  # SDKs would try it again; OpenAI's word for "do not"
        more += b"x-should-retry: false\r\n"
    if problem.status == 401:
        more += b"www-authenticate: Bearer\r\n"
    if problem.allow:
        more += b"allow: %b\r\n" % problem.allow.encode()
    return answer(
        problem.status,
        body or error_body(problem),
        more=more,
        keep_alive=keep_alive and not problem.close,
        without_body=without_body,
    )


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked coding; nothing for no data, since an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
