"""SANS-I/O: a client's HTTP/1.1 requests out of bytes, in the order they came, pipelined or not.

Guarantees the same requests however the bytes are cut, and that each ends where two readers of it,
llhttp and this one, see its end. Refuses, with one final Unreadable: what llhttp refuses in its
strict mode, and beyond it other versions than 1.0 and 1.1, transfer codings other than chunked, a
Host that is missing, doubled or no host, oversized heads and bodies, CONNECT.

A head with the very bytes of the one before it, but for its length's digits, is not parsed again.
Parsers are large, so one is there only while a request is read by it.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import httptools

from pointsman.router.callers import Refusal, Verdict
from pointsman.router.wire.chunks import TRAILED_FRAMING, BadChunks, ChunkWalk, part
from pointsman.router.wire.framing import FRAMING, Refusing, check, check_line, too_large
from pointsman.router.wire.headers import without_upgrade
from pointsman.router.wire.heads import Heads, Shared
from pointsman.router.wire.known import find, note
from pointsman.router.wire.received import Head, Request, Unreadable
from pointsman.router.wire.target import path_of

_HEAD_END: Final = b"\r\n\r\n"
_TWO_READINGS: Final = "Two readers see different ends of this request."


class RequestReader:
    """
    Feed it bytes, take what `feed` returns; nothing follows an Unreadable or a last request.

    `judge` is asked once a head is complete: the body of who is refused is read, but not kept.
    `at_once` requests are read by one `feed`; while there are `waiting_bytes`, `feed(b"")` goes on.
    With `heads`, readers have equal ones in common.
    """

    __slots__ = (
        "_at_once", "_begun", "_body", "_body_size", "_chunked", "_chunks", "_events",
        "_expects", "_head", "_headers", "_heads", "_hosts", "_http11", "_judge", "_known", "_left",
        "_length", "_max_body", "_max_head", "_max_headers", "_method", "_parser", "_plain",
        "_raw", "_rest", "_seen", "_shared", "_upgrade", "_upgrading", "_verdict", "in_body",
        "in_head", "over", "target",
    )  # fmt: skip

    def __init__(
        self,
        max_head_bytes: int,
        max_body_bytes: int,
        judge: Callable[[Head], Verdict] | None = None,
        *,
        max_headers: int = 100,
        at_once: int = sys.maxsize,
        heads: Heads | None = None,
    ) -> None:
        self._max_head = max_head_bytes
        self._max_body = max_body_bytes
        self._judge = judge
        self._max_headers = max_headers
        self._at_once = at_once
        self._heads = heads
        self._parser: Any = None
        self._events: list[Request | Unreadable] = []
        self._rest = b""
        self._seen = b""
        self._known: Head | None = None
        self._shared: Shared | None = None  # keeps it for other connections
        self._plain = False  # True in the body of a known head: its length alone says where it ends
        self._body: bytes | bytearray = b""
        self._body_size = 0
        self._verdict: Verdict | None = None
        self.in_head = False  # True between a head's first byte and its last
        self.in_body = self.over = self._expects = self._begun = False
        self.target = b""

    def feed(self, data: bytes) -> list[Request | Unreadable]:
        """What `data` completes."""
        if self.over:
            return []
        if self._rest:
            data, self._rest = self._rest + data, b""
        events = self._events
        last, at = self._known, 0
        if last is not None and not (self.in_body or self.in_head):
            at = self._take_known(last, data, 0)
        try:
            while at < len(data) and not self.over:
                if len(events) >= self._at_once:
                    self._rest = data[at:]
                    break
                at = self._take(data, at)
        except Refusing as refusal:
            self._end(refusal.unreadable)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Refusing):
                raise
            self._end(cause.unreadable)
        except httptools.HttpParserError as error:
            self._end(Unreadable(400, f"This is not HTTP/1.1 as this server reads it: {error}."))
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

    @property
    def idle(self) -> bool:
        """True if nothing of a further request is here."""
        return not (self.in_head or self.in_body or self._rest)

    @property
    def waiting_bytes(self) -> int:
        """Fed, but not read yet."""
        return len(self._rest)

    def takes_continue(self) -> bool:
        """True once for a request whose head asks for `100 Continue` and whose body is missing."""
        asked = self._expects and self.in_body
        self._expects = self._expects and not asked
        return asked

    def _is_refused(self) -> bool:
        return self._verdict is not None and isinstance(self._verdict.caller, Refusal)

    def _take(self, data: bytes, at: int) -> int:
        """Read from `data` at `at` to the end of a head, of a body or of the data; where it is."""
        if not self.in_body:
            return self._take_head(data, at)
        if self._chunked:
            return self._take_chunks(data, at)
        stop = min(at + self._left, len(data))
        self._left -= stop - at
        if self._plain:
            self.on_body(data[at:stop])
            if not self._left:
                self.in_body = self._plain = False
                self._complete()
            return stop
        self._parser.feed_data(part(data, at, stop))
        self._agree(over=not self._left)
        return stop

    def _take_head(self, data: bytes, at: int) -> int:
        before = len(self._seen)
        if before:
            self._seen += data[at : at + self._max_head + 1]
            found = self._seen.find(_HEAD_END, max(before - 3, 0))
            size = found + 4 if found >= 0 else len(self._seen)
        else:
            if self._known is not None and (stop := self._take_known(self._known, data, at)):
                return stop
            self._begin()
            found = data.find(_HEAD_END, at)
            size = (found + 4 if found >= 0 else len(data)) - at
        if size > self._max_head:
            raise Refusing(431, f"The request's head is larger than {self._max_head:,} bytes.")
        stop = at + size - before
        if found < 0:
            piece = data[at:stop]
            self._seen = self._seen if before else piece
            self._parse_head(piece)
            if not self.in_head:
                raise Refusing(400, _TWO_READINGS)
            return stop
        self._seen = self._seen[:size] if before else data if not at else data[at:stop]
        alone = not (at or before)
        parsed = self._parse_head(data if alone else data[at:stop])
        self._seen = b""
        if self.in_head:
            raise Refusing(400, _TWO_READINGS)
        self._left = max(self._length, 0)
        self._head.size = size
        if alone and parsed:
            odd = self._chunked or self._upgrade or self._expects or self._is_refused()
            self._keep(None if odd or not note(self._head, data, self._length) else self._head)
            if len(data) > size:
                return self._take_rest(data, size)
        self._agree(over=not (self._chunked or self._left))
        return stop

    def _keep(self, head: Head | None) -> None:
        """To know the next one by; the first of a connection is likely that of another, too."""
        self._shared = None
        if head is not None and self._known is None and self._heads is not None:
            self._shared = shared = self._heads.shared(head)
            self._head = head = shared.head
            self._headers = head.headers
        self._known = head

    def _take_known(self, known: Head, data: bytes, at: int) -> int:
        """Read a head that is known but for its length, and its body; 0 if it is another."""
        found = find(known, data, at)
        if found is None or found[1] > self._max_body:  # the usual way knows how to say it
            return 0
        start, length = found
        stop = min(start + length, len(data))
        self._head = head = known
        self._verdict = verdict = None if self._judge is None else self._judge(head)
        self._left = length - (stop - start)
        self._body_size = stop - start
        kept = verdict is None or not isinstance(verdict.caller, Refusal)
        body = data[start:stop] if kept else b""
        if self._left:
            self._body = body
            self.in_body = self._plain = True
            self._chunked = self._expects = False
        else:
            self._events.append(Request(head, body, verdict))
        return stop

    def _take_rest(self, data: bytes, at: int) -> int:
        """What followed a head in one read was parsed with it, which is quicker: where it ends."""
        if self._chunked:
            stop = self._walk(data, at)
            over = self._chunks.over
        else:
            stop = min(at + self._left, len(data))
            self._left -= stop - at
            over = not self._left
        self._agree(over=over)
        return stop

    def _parse_head(self, data: bytes) -> bool:
        """Parse a head or a part of it, with all that came with it; False if only the head was."""
        self._parser = self._parser or httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # not here: a refusal in a handler would get another context
        except httptools.HttpParserError:
            if self.in_head or self.in_body:
                raise
            return True  # it is about what follows a complete request
        else:
            return True
        self._ignore_upgrade()
        return False

    def _ignore_upgrade(self) -> None:
        """RFC 9110 7.8 lets a server ignore Upgrade, llhttp does not: the head is read without."""
        self._seen = without_upgrade(self._method, self.target, self._headers, http11=self._http11)
        self._parser = httptools.HttpRequestParser(self)
        self._begin()
        self._parser.feed_data(self._seen)

    def _take_chunks(self, data: bytes, at: int) -> int:
        stop = self._walk(data, at)
        self._parser.feed_data(part(data, at, stop))
        self._agree(over=self._chunks.over)
        return stop

    def _walk(self, data: bytes, at: int) -> int:
        chunks = self._chunks
        try:
            stop = chunks.feed(data, at)
        except BadChunks as error:
            raise Refusing(431 if error.too_large else 400, str(error)) from None
        if chunks.body_bytes > self._max_body:
            raise Refusing(413, too_large(self._max_body))
        self._raw += stop - at
        if self._raw > self._max_head + 2 * self._max_body:
            raise Refusing(413, "The chunked body has more framing than content.")
        return stop

    def _agree(self, *, over: bool) -> None:
        """Both readers see the request's end here, or both do not; only then is it read."""
        if self.in_head or self.in_body is over:
            raise Refusing(400, _TWO_READINGS)
        if over:
            self._complete()
            self.over = not self._head.keep_alive

    def _complete(self) -> None:
        self._events.append(Request(self._head, bytes(self._body), self._verdict))
        self._body, self._parser = b"", None  # it may have gone on into the next request

    def _end(self, last: Unreadable) -> None:
        if not self.over:
            self._events.append(last)
        self.over = True
        self._body = self._seen = b""
        self._known = self._shared = None

    def _begin(self) -> None:
        """A request's first byte."""
        self._method = self.target = b""
        self._headers = []
        self._body = b""
        self._body_size = self._hosts = self._raw = 0
        self._length = -1
        self._chunked = self._expects = self._upgrade = self._upgrading = False
        self._http11 = True
        self._verdict = None
        self.in_head = True
        self.in_body = self._begun = False

    # httptools calls these.

    def on_message_begin(self) -> None:
        if self._begun or not self.in_head:
            raise Refusing(400, _TWO_READINGS)  # or it is the next request's, see `_take_rest`
        self._begun = True

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self.in_body:  # trailers of a chunked body are dropped
            if name in TRAILED_FRAMING:
                raise Refusing(400, "A trailer says where the body ends.")
            return
        self._headers.append((name, value))
        if name in FRAMING:
            self._frame(name, value)

    def _frame(self, name: bytes, value: bytes) -> None:
        """A header that says where the message ends or how to go on."""
        check(name, value, coded=self._chunked)
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._chunked = True
        elif name == b"expect":
            self._expects = True
        else:
            self._upgrade = True

    def on_headers_complete(self) -> None:
        parser = self._parser
        self._method = parser.get_method()
        version = parser.get_http_version()
        self._http11 = version == "1.1"
        check_line(self._seen, self._method, self.target, version)
        if self._hosts > 1 or (self._http11 and not self._hosts):
            raise Refusing(400, "A request needs exactly one Host header.")
        self._bound()
        if self._upgrade:
            self._upgrading = parser.should_upgrade()
        if self.target[:1] != b"/":
            self._normalize()
        if not self._http11:
            self._expects = False
        # An older client waits for the end where no answer says `keep-alive` (RFC 9112 C.2.2).
        alive = self._http11 and parser.should_keep_alive()
        self._head = head = Head(
            self._method, self.target, self._headers, keep_alive=alive, http11=self._http11
        )
        if self._judge is not None:
            self._verdict = self._judge(head)
        self.in_head = False
        self.in_body = True

    def _bound(self) -> None:
        if len(self._headers) > self._max_headers:
            raise Refusing(431, f"The request has more than {self._max_headers} headers.")
        if self._length > self._max_body:
            raise Refusing(413, too_large(self._max_body))
        if self._chunked:
            if not self._http11:
                raise Refusing(400, "HTTP/1.0 knows no chunked body.")
            self._chunks = ChunkWalk(self._max_head)

    def _normalize(self) -> None:
        path = path_of(self.target)
        if path is None:
            raise Refusing(400, "The request's target is neither a path nor an http(s) URL.")
        if not self._upgrading:  # else the head is read again as it came
            self.target = path

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._is_refused():
            return
        if not self._body:
            self._body = body
            return
        if isinstance(self._body, bytes):  # one piece is not copied; many small ones take no more
            self._body = bytearray(self._body)  # memory than their bytes
        self._body += body

    def on_message_complete(self) -> None:
        if not self._upgrading:
            self.in_body = False
