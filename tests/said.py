"""`python -m tests.said`: what the router writes for requests of all sorts, without a network.

Prints which code runs, then a line for each write to a caller or a model server, with ids and times
masked: the same for any form of one source.
"""

import asyncio
import re
from typing import cast

from pointsman.router.serve import app
from tests.perf.inprocess import _BODY, _HEAD, _PROMPT, ANSWER, Loop, Wire

KINDS = ("plain", "tasks", "spill", "signals", "limited", "rollout")
_MASKED = re.compile(rb"[0-9a-f]{10}-[0-9a-f]+|overhead-ms: [0-9.]+|127\.0\.0\.1:900[12]")
"""Ids, times, and which of two equal servers was taken by chance."""
_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


class _Wire(Wire):
    """One whose end may be told."""

    def write_eof(self) -> None:
        self.written.append(b"(end)")

    def close(self) -> None:
        self.written.append(b"(close)")


def _requests() -> list[bytes]:
    body = _BODY % _PROMPT
    bodies = [
        body,
        body + b" ",
        body.replace(b'"messages"', b'"massages"'),
        body.replace(b'"auto"', b'"other"'),
        body.replace(b"64}", b'64,"tools":[{"type":"function"}]}'),
        body.replace(b"64}", b'-64}'),
        body[:-1],
    ]  # fmt: skip
    whole = [_HEAD % len(body) + body for body in bodies]
    debug = whole[0].replace(b"Accept:", b"X-Pointsman-Debug: true\r\nX-Tier: gold\r\nAccept:")
    return [*whole, debug, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", whole[0]]


def _streamed() -> tuple[bytes, list[bytes]]:
    body = (_BODY % _PROMPT).replace(b"64}", b'64,"stream":true}')
    pieces = [_STREAM, *(b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT) for _ in range(4))]
    return _HEAD % len(body) + body, [*pieces, b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"]


def said(kind: str) -> list[bytes]:
    """By the router, in order."""
    loop = Loop(kind)
    wire = _Wire()
    loop._client._transport = cast(asyncio.Transport, wire)
    stream, events = _streamed()
    asked = [(request, [ANSWER]) for request in _requests()]
    heard: list[bytes] = []
    for request, answer in (*asked, (stream, events), (b"GET / HTTP/9.9\r\n\r\n", [])):
        loop._client.data_received(request)
        for connection, server in loop._servers:
            if server.written:
                heard.append(b"to a server: " + b"".join(server.written))
                server.written.clear()
                for piece in answer:
                    connection.data_received(piece)
        heard += wire.written
        wire.written.clear()
    return [_MASKED.sub(b"*", one) for one in heard]


async def main() -> None:
    """Print."""
    print(app.__file__, app.code())
    for kind in KINDS:
        for one in said(kind):
            print(kind, one)


if __name__ == "__main__":
    asyncio.run(main())
