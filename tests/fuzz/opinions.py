"""What our readers and h11 make of the same bytes, in one form, and where they disagree.

The law: whatever h11 refuses, we do not accept; what we accept, both understand in the same way;
and however the bytes are cut, we accept the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import h11

from pointsman.router.wire.received import Request, Unreadable
from pointsman.router.wire.request import RequestReader
from pointsman.router.wire.response import KEPT, Malformed, ResponseReader
from pointsman.router.wire.whole import read_whole

HEAD_BYTES, BODY_BYTES = 4096, 8192
ANSWER_HEAD_BYTES = 4096
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Message:
    """One request as a parser understood it."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    http11: bool
    keep_alive: bool


@dataclass
class Reading:
    """The requests of one connection, and how it ended: "refused", "closed" or "waiting"."""

    messages: list[Message] = field(default_factory=list)
    end: str = "waiting"


@dataclass(frozen=True)
class Answer:
    """One answer as a parser understood it; `end`: "refused", "complete" or "waiting"."""

    end: str
    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Those of KEPT that stand once."""
    length: int | None = None
    reusable: bool = False
    http11: bool = True
    """What h11 says; ours does not tell."""


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`data` cut at these places."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def ours(parts: Sequence[bytes]) -> Reading:
    """What RequestReader makes of them."""
    reader = RequestReader(HEAD_BYTES, BODY_BYTES)
    reading = Reading()
    for part in parts:
        for event in reader.feed(part):
            if isinstance(event, Unreadable):
                reading.end = "refused"
                return reading
            reading.messages.append(_message(event))
    if reader.over:
        reading.end = "closed"
    return reading


def _message(event: Request) -> Message:
    return Message(
        event.head.method,
        event.head.target,
        _kept([(name, value.strip(b" \t")) for name, value in event.head.headers]),
        event.body,
        event.head.http11,
        event.head.keep_alive,
    )


def h11s(data: bytes) -> Reading:
    """What h11 makes of them as a server."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * HEAD_BYTES)
    reading = Reading()
    if not data:  # h11 would take it for the end
        return reading
    try:
        http.receive_data(data)
        while (message := _next(http)) is not None:
            reading.messages.append(message)
            if not message.keep_alive:
                reading.end = "closed"
                break
    except h11.RemoteProtocolError:
        reading.end = "refused"
    return reading


def _next(http: h11.Connection) -> Message | None:
    event = http.next_event()
    if event is h11.NEED_DATA:
        return None
    assert isinstance(event, h11.Request), event
    body = b""
    while True:
        more = http.next_event()
        if more is h11.NEED_DATA:
            return None
        if isinstance(more, h11.EndOfMessage):
            break
        assert isinstance(more, h11.Data), more
        body += more.data
    http.send(h11.Response(status_code=404, headers=[(b"content-length", b"0")]))
    http.send(h11.EndOfMessage())
    keep_alive = http.their_state is h11.DONE and http.our_state is h11.DONE
    if keep_alive:
        http.start_next_cycle()
    return Message(
        event.method,
        _path(event.target),
        _kept(list(event.headers)),
        body,
        event.http_version == b"1.1",
        keep_alive,
    )


def _path(target: bytes) -> bytes:
    """What an absolute-form target asks for."""
    if target[:1] in (b"/", b"*"):
        return target
    path = re.sub(rb"^https?://[^/?#]+", b"", target, flags=re.IGNORECASE)
    return path if path.startswith(b"/") else b"/" + path


def _kept(headers: Headers) -> Headers:
    """
    Without what is left out where an Upgrade is ignored; `keep_alive` says what matters. Without
    the length, too, for requests that differ in it share a head: the body says what matters.

    h11 gives the coding's name in lower case.
    """
    left_out = (b"upgrade", b"connection", b"http2-settings", b"content-length")
    return [
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in headers
        if name not in left_out
    ]


BEFORE: Final = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nbefore"
"""With the head of a seed, so that heads come that are nearly the one before them."""


def _self_disagreement(data: bytes, cuts: Sequence[int], whole: Reading) -> str:
    """Empty if neither cuts nor what came before make a difference."""
    cut, after = ours(pieces(data, cuts)), ours([BEFORE, data])
    if whole != cut:
        return f"it reads {cut}, else {whole}, cut at {sorted(set(cuts))}"
    if after.messages.pop(0).body != b"before" or after != whole:
        return f"it reads {after} after a request, else {whole}"
    return ""


def request_disagreement(data: bytes, cuts: Sequence[int]) -> str:
    """Empty if the law holds for these bytes as requests."""
    whole, second = ours([data]), h11s(data)
    if found := _self_disagreement(data, cuts, whole):
        return found
    for number, message in enumerate(whole.messages):
        if number >= len(second.messages):
            return f"h11 has {second.end} at request {number}, we read {message}"
        other = second.messages[number]
        if message != replace(other, keep_alive=message.keep_alive):
            return f"of request {number} h11 reads {other}, we read {message}"
        if not message.http11:
            return ""  # h11 never keeps a connection of HTTP/1.0 open
        if message.keep_alive and not other.keep_alive:
            return f"h11 closes after request {number}, we keep {message}"
    return ""


def plain_answer(data: bytes) -> Answer | None:
    """What is made of them without a parser, if anything is."""
    found = read_whole(data, ANSWER_HEAD_BYTES)
    if found is None:
        return None
    headers = tuple(sorted(found.headers.items()))
    return Answer("complete", 200, found.body, headers, len(found.body), True)


def our_answer(parts: Sequence[bytes]) -> Answer:
    """What ResponseReader makes of them, and of the end of the connection after them."""
    reader = ResponseReader(ANSWER_HEAD_BYTES)
    body = b""
    try:
        for part in parts:
            reader.feed(part)
            body += reader.take()
    except Malformed:
        return Answer("refused")
    end = "complete" if reader.eof() else "waiting"
    headers = tuple(sorted((name, value.strip(b" \t")) for name, value in reader.headers.items()))
    return Answer(end, reader.status, body, headers, reader.length, reader.reusable)


def h11s_answer(data: bytes) -> Answer:
    """What h11 makes of them as a client that has sent a POST."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=100_000)
    http.send(h11.Request(method=b"POST", target=b"/", headers=[(b"host", b"x")]))
    http.send(h11.EndOfMessage())
    status, body, length, http11 = 0, b"", None, True
    headers: Headers = []
    try:
        http.receive_data(data)
        http.receive_data(b"")
        while True:
            event = http.next_event()
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
                http11 = event.http_version == b"1.1"
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                return Answer("refused")  # it switches protocols, or closed before an answer
    except h11.RemoteProtocolError:
        return Answer("refused")
    names = [name for name, _ in headers]
    kept = tuple(sorted(h for h in headers if h[0] in KEPT and names.count(h[0]) == 1))
    if b"content-length" in names and b"transfer-encoding" not in names:
        length = int(dict(headers)[b"content-length"])
    reusable = http.their_state is h11.DONE and not http.trailing_data[0]
    return Answer("complete", status, body, kept, length, reusable, http11)


def answer_disagreement(data: bytes, cuts: Sequence[int]) -> str:
    """Empty if the law holds for these bytes as an answer."""
    whole, cut = our_answer([data]), our_answer(pieces(data, cuts))
    if whole != cut:
        return f"it reads {cut}, else {whole}, cut at {sorted(set(cuts))}"
    plain = plain_answer(data)
    if plain is not None and plain != whole:
        return f"without a parser it reads {plain}, else {whole}"
    if whole.end != "complete":
        return ""
    second = h11s_answer(data)
    same = all(getattr(whole, fact) == getattr(second, fact) for fact in ("end", "status", "body"))
    headers = all(header in whole.headers for header in second.headers)
    length = whole.length in (None, second.length)
    reuse = second.reusable or not whole.reusable or not second.http11  # it never keeps HTTP/1.0
    return "" if same and headers and length and reuse else f"h11 reads {second}, we read {whole}"
