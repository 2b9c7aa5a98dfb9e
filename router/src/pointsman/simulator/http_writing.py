"""HTTP/1.1 responses as bytes. Pure.

Guarantees a length or chunked coding on every response, so that a cut answer is seen as cut; for
HTTP/1.0, which has no chunks, the end of the connection ends a stream.
"""

from __future__ import annotations

from http import HTTPStatus

from pointsman.simulator.errors import ApiError
from pointsman.simulator.openai_shapes import error_body

_LINES = {int(s): f"HTTP/1.1 {int(s)} {s.phrase}\r\n".encode() for s in HTTPStatus}
_JSON_OK = _LINES[200] + b"content-type: application/json\r\ncontent-length: %d\r\n%s%s\r\n"
_CLOSE = b"connection: close\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def json_response(body: bytes, *, more: bytes = b"", keep_alive: bool = True) -> bytes:
    """A 200 with a JSON body. `more` holds header lines."""
    return _JSON_OK % (len(body), more, b"" if keep_alive else _CLOSE) + body


def response(
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"application/json",
    more: bytes = b"",
    keep_alive: bool = True,
    without_body: bool = False,
) -> bytes:
    """Any response with a length. `more` holds header lines; `without_body` answers a HEAD."""
    head = _LINES[status] + b"content-type: %s\r\ncontent-length: %d\r\n%s%s\r\n" % (
        content_type,
        len(body),
        more,
        b"" if keep_alive else _CLOSE,
    )
    return head if without_body else head + body


def error_response(
    error: ApiError, *, more: bytes = b"", keep_alive: bool = True, without_body: bool = False
) -> bytes:
    """OpenAI's error shape with its status, and Retry-After where there is one."""
    if error.retry_after_s is not None:
        more += b"retry-after: %d\r\n" % error.retry_after_s
    return response(
        error.status,
        error_body(error),
        more=more,
        keep_alive=keep_alive,
        without_body=without_body,
    )


def stream_head(*, more: bytes, chunked: bool, keep_alive: bool) -> bytes:
    """The head of an event stream."""
    coding = b"transfer-encoding: chunked\r\n" if chunked else b""
    close = b"" if keep_alive and chunked else _CLOSE
    head = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    return _LINES[200] + head + more + coding + close + b"\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked coding; nothing for no data, since an empty chunk ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""
