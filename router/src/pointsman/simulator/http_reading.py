"""HTTP/1.1 requests out of bytes. No I/O.

Guarantees the same requests however the bytes are cut, in the order they came, pipelined or not.
Refuses, with one final Unreadable: broken HTTP, heads over 64 kB, bodies over 32 MB, CONNECT.
An Upgrade header is ignored, as RFC 9110 section 7.8 allows; with a body it is refused, because
httptools hands the body out as the next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httptools

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 32 * 1024 * 1024
LENGTH_DIGITS = 20
"""Of what 64 bits hold. httptools takes any number of zeros before it, `int` does not."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `headers` are as received; `path` is without the query."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool
    chunks_allowed: bool  # False for HTTP/1.0, which knows no chunked coding

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, `name` in lower case."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The end of a connection: what is wrong with its bytes."""

    status: int
    message: str


class _RefusedError(Exception):
    def __init__(self, unreadable: Unreadable) -> None:
        super().__init__(unreadable.message)
        self.unreadable = unreadable


_HEAD_TOO_LARGE = Unreadable(431, "The request's head is larger than 64 kB.")
_BODY_TOO_LARGE = Unreadable(413, "The request's body is larger than 32 MB.")
_NO_LENGTH = Unreadable(400, "The Content-Length is no length.")
_UPGRADE_WITH_BODY = Unreadable(400, "A request with a body cannot ask for an upgrade.")


class RequestReader:
    """Feed it bytes, take requests."""

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)
        self._found: list[Request | Unreadable] = []
        self._over = False
        self._expects_continue = False
        self._fed_bytes = 0
        self._start()
        self._in_head = False

    def _start(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._body_bytes = 0
        self._unfinished_bytes = -self._fed_bytes
        self._in_head = True

    def feed(self, data: bytes) -> list[Request | Unreadable]:
        """The requests that `data` completes. After an Unreadable nothing more is read."""
        if self._over:
            return []
        self._fed_bytes = len(data)
        try:
            self._parse(data)
            if self._in_head:  # httptools tells of a header only when it is complete
                self._unfinished_bytes += len(data)
                if self._unfinished_bytes > 2 * MAX_HEAD_BYTES:
                    self._end(_HEAD_TOO_LARGE)
        except _RefusedError as error:
            self._end(error.unreadable)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, _RefusedError):
                raise
            self._end(cause.unreadable)
        except httptools.HttpParserError as error:
            self._end(Unreadable(400, f"This is not HTTP/1.1: {error}"))
        found, self._found = self._found, []
        return found

    def takes_continue(self) -> bool:
        """True once for a request whose head asks for `100 Continue` and whose body is missing."""
        asked = self._expects_continue and not self._in_head
        if asked:
            self._expects_continue = False
        return asked

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                continue
            break

    def _end(self, last: Unreadable) -> None:
        if not self._over:
            self._found.append(last)
        self._over = True

    def _grow_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _RefusedError(_HEAD_TOO_LARGE)

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._start()

    def on_url(self, url: bytes) -> None:
        self._grow_head(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow_head(len(name) + len(value) + 4)
        if self._in_head:  # trailers of a chunked body are dropped
            self._headers.append((name, value))
            if len(name) == 6 and name.lower() == b"expect":
                self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self._in_head = False
        upgrade = self._parser.should_upgrade()
        for name, value in self._headers:
            if len(name) == 14 and name.lower() == b"content-length":
                if len(value.strip()) > LENGTH_DIGITS:
                    raise _RefusedError(_NO_LENGTH)
                if int(value) > MAX_BODY_BYTES:
                    raise _RefusedError(_BODY_TOO_LARGE)
                if upgrade and int(value):
                    raise _RefusedError(_UPGRADE_WITH_BODY)
            elif upgrade and name.lower() == b"transfer-encoding":
                raise _RefusedError(_UPGRADE_WITH_BODY)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            raise _RefusedError(_BODY_TOO_LARGE)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._over:
            return
        parser = self._parser
        method = parser.get_method().decode("latin-1")
        self._expects_continue = False
        if method == "CONNECT":
            self._end(Unreadable(405, "The simulator is no proxy."))
            return
        path = self._url.partition(b"?")[0].decode("latin-1")
        keep_alive = bool(parser.should_keep_alive())
        version = parser.get_http_version()
        body = b"".join(self._body)
        self._found.append(Request(method, path, self._headers, body, keep_alive, version == "1.1"))
        self._over = not keep_alive
