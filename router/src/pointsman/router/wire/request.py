"""SANS-I/O: a client's HTTP/1.1 requests out of bytes, in the order they came, pipelined or not.

Guarantees the same requests however the bytes are cut. Refuses, with one final Unreadable: what
llhttp refuses in its strict mode, and beyond it other versions than 1.0 and 1.1, transfer codings
other than chunked, a missing or doubled Host, oversized heads and bodies, CONNECT.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

import httptools
import msgspec

from pointsman.router.callers import Refusal, Verdict

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]
"""(lower-case name, value) as received, duplicates included."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One complete request; `target` is the path with its query."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    keep_alive: bool
    http11: bool
    verdict: Verdict | None = None
    """What `judge` said of its head."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, `name` in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The end of a connection: what is wrong with its bytes."""

    status: int
    message: str


class HeaderView(Mapping[str, str]):
    """Headers as text, looked up without building a dictionary; duplicates are joined."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """Mapping's, without an exception for each header that is not there."""
        wanted = name.encode("latin-1", "replace")
        found: bytes | None = None
        for key, value in self._headers:
            if key == wanted:
                found = value if found is None else b"%b, %b" % (found, value)
        return default if found is None else found.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter({key.decode("latin-1"): None for key, _ in self._headers})

    def __len__(self) -> int:
        return len({key for key, _ in self._headers})


_FRAMING: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
)


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.unreadable = Unreadable(status, message)


class RequestReader:
    """
    Feed it bytes, take what `feed` returns; nothing follows an Unreadable or a last request.

    `judge` is asked once a head is complete: the body of who is refused is read, but not kept.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_body_size",
        "_chunked",
        "_events",
        "_expects",
        "_head_size",
        "_headers",
        "_hosts",
        "_http11",
        "_judge",
        "_keep_alive",
        "_length",
        "_max_body",
        "_max_head",
        "_method",
        "_parser",
        "_raw",
        "_seen",
        "_target",
        "_upgrade",
        "_upgrading",
        "_verdict",
        "in_body",
        "in_head",
        "over",
    )

    def __init__(
        self,
        max_head_bytes: int,
        max_body_bytes: int,
        judge: Callable[[Headers], Verdict] | None = None,
    ) -> None:
        self._max_head = max_head_bytes
        self._max_body = max_body_bytes
        self._judge = judge
        self._parser: Any = httptools.HttpRequestParser(self)
        self._events: list[Request | Unreadable] = []
        self.in_head = False
        """True between a head's first byte and its last."""
        self.in_body = False
        self.over = False
        self._raw = self._begun = 0
        self._seen = b""
        self._expects = False
        self.on_message_begin()
        self.in_head = False

    def feed(self, data: bytes) -> list[Request | Unreadable]:
        """What `data` completes."""
        if self.over:
            return []
        at_boundary = not (self.in_head or self.in_body)
        self._begun = 0
        self._seen = self._seen + data if self.in_head else data
        try:
            self._parse(data)
            self._check_raw(len(data), at_boundary=at_boundary)
        except _Refusal as refusal:
            self._end(refusal.unreadable)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, _Refusal):
                raise
            self._end(cause.unreadable)
        except httptools.HttpParserError as error:
            self._end(Unreadable(400, f"This is not HTTP/1.1 as this server reads it: {error}."))
        events = self._events
        if events:
            self._events = []
        return events

    @property
    def body_bytes(self) -> int:
        """Of the body that is coming in and kept."""
        return self._body_size if self.in_body and not self._is_refused() else 0

    @property
    def refused(self) -> Verdict | None:
        """Of the request whose body is coming in: the verdict, if that is a refusal."""
        return self._verdict if self.in_body and self._is_refused() else None

    def takes_continue(self) -> bool:
        """True once for a request whose head asks for `100 Continue` and whose body is missing."""
        asked = self._expects and self.in_body
        if asked:
            self._expects = False
        return asked

    def _is_refused(self) -> bool:
        return self._verdict is not None and isinstance(self._verdict.caller, Refusal)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._ignore_upgrade(data[upgrade.args[0] :])
                continue
            break

    def _ignore_upgrade(self, rest: bytes) -> bytes:
        """What to parse instead: RFC 9110 7.8 lets a server ignore Upgrade, llhttp does not."""
        framing = b"".join(
            b"%b: %b\r\n" % header
            for header in self._headers
            if header[0] not in (b"upgrade", b"connection", b"http2-settings")
        )
        close = any(n == b"connection" and b"close" in v.lower() for n, v in self._headers)
        head = b"%b %b HTTP/%b\r\n%b%b\r\n" % (
            self._method,
            self._target,
            b"1.1" if self._http11 else b"1.0",
            framing,
            b"connection: close\r\n" if close else b"",
        )
        self._parser = httptools.HttpRequestParser(self)
        self._seen = head + rest
        return self._seen

    def _check_raw(self, size: int, *, at_boundary: bool) -> None:
        """Bound what llhttp and httptools hold of a header or a trailer that does not end."""
        if not self._begun:
            self._raw += size
        else:  # where in `data` a second message began is not known
            self._raw = size if self._begun == 1 and at_boundary else 0
        if self.in_head:
            if self._raw > self._max_head:
                raise _Refusal(431, self._too_large_head())
        elif self.in_body:
            if self._raw > self._max_head + 2 * self._max_body + size:
                raise _Refusal(413, "The chunked body has more framing than content.")
        else:
            self._seen = b""

    def _too_large_head(self) -> str:
        return f"The request's head is larger than {self._max_head:,} bytes."

    def _end(self, last: Unreadable) -> None:
        if not self.over:
            self._events.append(last)
        self.over = True

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._method = self._target = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._body_size = self._head_size = self._hosts = 0
        self._length = -1
        self._chunked = self._expects = self._upgrade = self._upgrading = False
        self._http11 = self._keep_alive = True
        self._verdict: Verdict | None = None
        self.in_head = True
        self.in_body = False
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_body:  # trailers of a chunked body are dropped
            self._head_size += len(name) + len(value) + 4
            if self._head_size > self._max_head:
                raise _Refusal(431, self._too_large_head())
            return
        name = name.lower()
        self._headers.append((name, value))
        if name in _FRAMING:
            self._frame(name, value)

    def _frame(self, name: bytes, value: bytes) -> None:
        """A header that says where the message ends or how to go on."""
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise _Refusal(501, "The only transfer coding that is read is chunked.")
            self._chunked = True
        elif name == b"expect":
            if value.strip().lower() != b"100-continue":
                raise _Refusal(417, "The only expectation that is met is 100-continue.")
            self._expects = True
        else:
            self._upgrade = True

    def on_headers_complete(self) -> None:
        parser = self._parser
        if len(self._seen) > self._max_head:
            lines = sum(len(name) + len(value) + 4 for name, value in self._headers)
            if lines + len(self._target) > self._max_head:
                raise _Refusal(431, self._too_large_head())
        self._method = parser.get_method()
        version = parser.get_http_version()
        self._http11 = version == "1.1"
        if not self._http11 and version != "1.0":
            raise _Refusal(505, "This server speaks HTTP/1.1.")
        if b"%b %b HTTP/%b\r\n" % (self._method, self._target, version.encode()) not in self._seen:
            raise _Refusal(400, "The request line's words are not set apart by one space each.")
        if self._hosts > 1 or (self._http11 and not self._hosts):
            raise _Refusal(400, "A request needs exactly one Host header.")
        if self._chunked and not self._http11:
            raise _Refusal(400, "HTTP/1.0 knows no chunked body.")
        if self._method == b"CONNECT":
            raise _Refusal(405, "This server is no proxy.")
        if self._length > self._max_body:
            raise _Refusal(413, self._too_large_body())
        self._keep_alive = parser.should_keep_alive()
        if self._upgrade:
            self._upgrading = parser.should_upgrade()
        if not self._http11:
            self._expects = False
        if self._judge is not None:
            self._verdict = self._judge(self._headers)
        self.in_head = False
        self.in_body = True

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > self._max_body:
            raise _Refusal(413, self._too_large_body())
        if not self._is_refused():
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._upgrading or self.over:
            return
        body = self._body
        self._events.append(
            Request(
                self._method,
                self._target,
                self._headers,
                body[0] if len(body) == 1 else b"".join(body),
                self._keep_alive,
                self._http11,
                self._verdict,
            )
        )
        self.over = not self._keep_alive
        self.in_body = False

    def _too_large_body(self) -> str:
        return f"The request's body is larger than {self._max_body:,} bytes."
