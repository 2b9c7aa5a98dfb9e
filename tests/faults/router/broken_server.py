"""Model servers that misbehave in one way each: a row is the way, and what callers see of it.

| an ending | the caller sees                                  | with another backend behind it   |
| Told      | an error answer with a status and a code         | that one's answer                |
| BrokenOff | words, then an error event in a body of good form | the same: words were sent        |
| Truncated | a body that ends before its length or last chunk | the same: it was sent as it came |
| Answered  | the answer                                       | the same                         |
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.router.clock import Clock
from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, WORD, chunked
from tests.router.serve.world import until


class Told(NamedTuple):
    """Nothing of an answer had reached the caller."""

    status: int
    code: str


class BrokenOff(NamedTuple):
    """A stream that says so itself."""

    code: str


class Truncated(NamedTuple):
    """A whole answer over the bound up to which it is held back."""


class Answered(NamedTuple):
    """As if nothing had been."""


Ending = Told | BrokenOff | Truncated | Answered
BODY = b'{"choices":[{"message":{"content":"fine"}}]}'
GOOD = {
    False: JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    True: SSE_HEAD + b"".join(chunked(WORD, DONE, last=True)),
}
"""An answer, by whether a stream was asked for."""


class Server:
    """One that does with each connection what its row says."""

    def __init__(self, act: "Act", clock: Clock, committed: Callable[[], bool]) -> None:
        self._act = act
        self.clock = clock
        self.committed = committed
        """True once the router has sent on what came of an answer."""
        self.open = self.asked = self.stuck = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.open += 1
        try:
            await self._act(Talk(self, reader, writer))
        finally:
            self.open -= 1


class Talk:
    """One connection to it, seen from the server."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.stream = False
        self._reader = reader
        self._writer = writer

    async def asked(self) -> None:
        """The next request has come in whole."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        self.stream = b'"stream": true' in body
        self.server.asked += 1

    async def say(self, *pieces: bytes) -> None:
        """These bytes."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def begin(self) -> None:
        """The head and a part of an answer: content, if it is a stream."""
        whole = JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY[:20])[0]
        await self.say(SSE_HEAD + chunked(WORD)[0] if self.stream else whole)
        if self.stream:
            await until(lambda: self.server.committed() or self._left())

    def _left(self) -> bool:
        return self._reader.at_eof() or self._reader.exception() is not None

    async def fall_silent(self) -> None:
        """Until the router lets go."""
        self.server.stuck += 1
        try:
            while await self._reader.read(65_536):
                pass
        finally:
            self.server.stuck -= 1

    async def drip(self, data: bytes) -> None:
        """A byte a second, for ever."""
        while True:
            for byte in data:
                await self.say(bytes([byte]))
                self.server.clock.added_s += 1.0
                await asyncio.sleep(0.001)

    async def flood(self, data: bytes) -> None:
        """More and more, a second each."""
        while True:
            await self.say(data)
            self.server.clock.added_s += 1.0
            await asyncio.sleep(0)

    def reset(self) -> None:
        """End with a reset."""
        found = self._writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def send_no_more(self) -> None:
        """End this side only."""
        self._writer.write_eof()


Act = Callable[[Talk], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to misbehave; `whole` and `stream` are by what was asked for."""

    name: str
    act: Act | None
    """None: nobody listens, or nobody accepts."""
    whole: Ending
    stream: Ending
    outcomes: tuple[str, ...]
    """Of the attempt, as the metric says."""
    warm: bool = False
    """True if a request was answered over the same connection before."""


def says(*pieces: bytes, then: str = "close") -> Act:
    """Read the request, say this, then close, reset, fall silent or half-close."""

    async def act(talk: Talk) -> None:
        await talk.asked()
        await talk.say(*pieces)
        await _end(talk, then)

    return act


def begins(*pieces: bytes, then: str = "close") -> Act:
    """The same behind the beginning of a good answer."""

    async def act(talk: Talk) -> None:
        await talk.asked()
        await talk.begin()
        await talk.say(*pieces)
        await _end(talk, then)

    return act


async def _end(talk: Talk, then: str) -> None:
    if then == "reset":
        talk.reset()
    elif then != "close":
        if then == "half-close":
            talk.send_no_more()
        await talk.fall_silent()


async def _closes_at_once(talk: Talk) -> None:
    pass


async def _drips_its_head(talk: Talk) -> None:
    await talk.asked()
    await talk.drip(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000)


async def _drips_its_answer(talk: Talk) -> None:
    await talk.asked()
    await talk.begin()
    await talk.drip(b"1\r\n \r\n" if not talk.stream else chunked(WORD)[0])


async def _never_ends_a_line(talk: Talk) -> None:
    await talk.asked()
    await talk.say(
        SSE_HEAD + b"fffffff\r\ndata: "
        if talk.stream
        else JSON_HEAD + b"content-length: 268435455\r\n\r\n"
    )
    await talk.flood(b"x" * 65_536)


async def _never_ends_a_later_line(talk: Talk) -> None:
    await talk.asked()
    await talk.begin()
    await talk.say(b"fffffff\r\ndata: ")
    await talk.flood(b"x" * 65_536)


async def _closes_under_a_new_request(talk: Talk) -> None:
    await talk.asked()
    await talk.say(GOOD[talk.stream])
    await talk.asked()  # and says nothing


async def _dies_in_its_second_answer(talk: Talk) -> None:
    await talk.asked()
    await talk.say(GOOD[talk.stream])
    await talk.asked()
    await talk.begin()


def status(line: str, *headers: str) -> bytes:
    """An answer without a body."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {line}\r\ncontent-length: 0\r\n{lines}\r\n".encode()


FAILED = Told(502, "upstream_error")
LATE = Told(504, "upstream_timeout")
AWAY = Told(503, "backends_unavailable")
LIMITED = Told(429, "rate_limit_exceeded")
DIED = BrokenOff("upstream_disconnected")
STALLED = BrokenOff("upstream_timeout")
TIMEOUTS = ("FirstTokenTimeout", "TotalTimeout")
CLOSED = ("ClosedEarly",)
CUT = ("ClosedEarly", "Reset")
"""Whoever closes with bytes unread sends a reset."""
MALFORMED = ("Malformed",)

ROWS = (
    # It cannot be asked.
    Row("refuses connections", None, FAILED, FAILED, ("ConnectRefused",)),
    Row("hangs at connect", None, FAILED, FAILED, ("ConnectTimeout",)),
    Row("closes at accept", _closes_at_once, FAILED, FAILED, CUT),
    # It is asked, and does not answer.
    Row("hangs before its head", says(then="hang"), LATE, LATE, TIMEOUTS),
    Row("hangs in its head", says(JSON_HEAD, then="hang"), LATE, LATE, TIMEOUTS),
    Row("hangs at the first byte", says(GOOD[False].partition(BODY)[0], then="hang"),
        LATE, FAILED, (*TIMEOUTS, "WrongContentType")),
    Row("hangs at the first event", says(SSE_HEAD, then="hang"), FAILED, LATE,
        (*TIMEOUTS, "WrongContentType")),
    Row("hangs after a comment", says(SSE_HEAD, *chunked(b": hi\n\n"), then="hang"), FAILED, LATE,
        (*TIMEOUTS, "WrongContentType")),
    Row("resets before its head", says(then="reset"), FAILED, FAILED, ("Reset",)),
    Row("closes before its head", says(), FAILED, FAILED, CLOSED),
    Row("resets in its head", says(JSON_HEAD, then="reset"), FAILED, FAILED, ("Reset",)),
    Row("closes in its head", says(JSON_HEAD), FAILED, FAILED, CUT),
    Row("half-closes before its head", says(then="half-close"), FAILED, FAILED, CLOSED),
    Row("drips its head, a byte a second", _drips_its_head, LATE, LATE, TIMEOUTS),
    # It has begun to answer.
    Row("hangs in mid-answer", begins(then="hang"), LATE, STALLED, (*TIMEOUTS, "IdleTimeout")),
    Row("resets in mid-answer", begins(then="reset"), FAILED, DIED, ("Reset",)),
    Row("closes in mid-answer", begins(), FAILED, DIED, CLOSED),
    Row("half-closes in mid-answer", begins(then="half-close"), FAILED, DIED, CLOSED),
    Row("closes inside an event", begins(chunked(WORD[:40])[0]), FAILED, DIED,
        ("ClosedEarly", "Malformed")),
    Row("drips its answer, a byte a second", _drips_its_answer, LATE, STALLED, TIMEOUTS),
    Row("ends a stream without [DONE]", begins(b"0\r\n\r\n"), FAILED, DIED,
        ("Malformed", "NoDone")),
    # What it says is no HTTP.
    Row("garbage for a status line", says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), FAILED, FAILED,
        MALFORMED),
    Row("garbage without end", says(b"\x00\xff" * 50_000, then="hang"), FAILED, FAILED, MALFORMED),
    Row("two lengths", says(JSON_HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc"),
        FAILED, FAILED, MALFORMED),
    Row("a length below zero", says(JSON_HEAD + b"content-length: -3\r\n\r\nabc"), FAILED, FAILED,
        MALFORMED),
    Row("less than its length", says(GOOD[False].replace(b"length: ", b"length: 9")), FAILED,
        FAILED, ("ClosedEarly", "WrongContentType")),
    Row("more than its length", says(JSON_HEAD + b"content-length: 9\r\n\r\n" + BODY), FAILED,
        FAILED, ("Malformed", "WrongContentType")),
    Row("a bad chunk at first", says(SSE_HEAD + b"zz\r\n"), FAILED, FAILED,
        ("Malformed", "WrongContentType")),
    Row("a bad chunk in mid-answer", begins(b"zz\r\n", then="hang"), FAILED, DIED, MALFORMED),
    Row("a chunk longer than said", begins(b"2\r\nabcdef\r\n", then="hang"), FAILED, DIED,
        MALFORMED),
    Row("a huge header", says(JSON_HEAD + b"x: " + b"y" * 70_000, then="hang"), FAILED, FAILED,
        MALFORMED),
    Row("an endless first line", _never_ends_a_line, Truncated(), FAILED,
        ("Malformed", "TotalTimeout")),
    Row("an endless later line", _never_ends_a_later_line, Truncated(), STALLED, ("TotalTimeout",)),
    # What it says is no answer.
    Row("another kind of content", says(status("200 OK", "content-type: text/html")), FAILED,
        FAILED, ("WrongContentType",)),
    Row("a compressed answer", says(status("200 OK", "content-encoding: gzip")), FAILED, FAILED,
        ("Malformed", "WrongContentType")),
    Row("a redirect", says(status("302 Found", "location: http://169.254.169.254/")), FAILED,
        FAILED, ("Http302",)),
    Row("an upgrade", says(status("101 Switching Protocols", "upgrade: x", "connection: upgrade")),
        FAILED, FAILED, MALFORMED),
    Row("401", says(status("401 Unauthorized")), FAILED, FAILED, ("Http401",)),
    Row("429", says(status("429 Too Many Requests", "retry-after: 7")), LIMITED, LIMITED,
        ("Http429",)),
    Row("500", says(status("500 Internal Server Error")), FAILED, FAILED, ("Http500",)),
    Row("503", says(status("503 Service Unavailable", "retry-after: 7")), AWAY, AWAY, ("Http503",)),
    # A connection that was good once.
    Row("closes a kept connection under a new request", _closes_under_a_new_request, Answered(),
        Answered(), ("Ok",), warm=True),
    Row("dies in the second answer of a connection", _dies_in_its_second_answer, FAILED, DIED,
        CLOSED, warm=True),
)  # fmt: skip
