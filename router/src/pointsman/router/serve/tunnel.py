"""A connection through an HTTP proxy: CONNECT, then TLS with the provider itself.

Guarantees that the proxy sees the provider's name and ciphertext only, and that what it answers
is bounded and never shown. Its deadline is the dial's.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from pointsman.router.proxy import Proxy

_MOST_BYTES: Final = 16 * 1024
"""Of its answer's head."""
_HEAD_END: Final = b"\r\n\r\n"


class Untunneled(Exception):
    """The proxy makes no connection; the text is ours."""


class _Asking(asyncio.Protocol):
    """Until the proxy has answered."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._head = b""
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(_HEAD_END)
        if end < 0 and len(self._head) <= _MOST_BYTES:
            return
        self._end(_wrong(self._head, end))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._end("the proxy closed the connection")

    def _end(self, wrong: str) -> None:
        if self.answered.done():
            return
        if wrong:
            self.answered.set_exception(Untunneled(wrong))
        else:
            self.answered.set_result(None)


def _wrong(head: bytes, end: int) -> str:
    words = head.partition(b"\r\n")[0].split(b" ", 2)
    version = words[0] in (b"HTTP/1.1", b"HTTP/1.0")
    if end < 0 or not version or len(words) < 2 or not (words[1].isdigit() and len(words[1]) == 3):
        return "the proxy's answer is not HTTP"
    if words[1] == b"407":
        return "the proxy does not accept the router's credentials"
    if words[1][:1] != b"2":
        return f"the proxy answered {words[1].decode()}"
    return "" if end + len(_HEAD_END) == len(head) else "the proxy sent more than its answer"


async def tunnel(
    proxy: Proxy,
    host: str,
    port: int,
    context: ssl.SSLContext,
    make: Callable[[], asyncio.Protocol],
) -> None:
    """Connect, so that the loop gives the transport to `make()`; raises Untunneled, OSError."""
    loop = asyncio.get_running_loop()
    name = f"[{host}]" if ":" in host else host
    place = f"{name}:{port}".encode("ascii")
    request = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (place, place, proxy.authorization)
    try:
        transport, asking = await loop.create_connection(
            lambda: _Asking(request), proxy.host, proxy.port
        )
    except OSError as error:
        raise Untunneled("the proxy cannot be reached") from error
    try:
        await asking.answered
        protocol = make()
        through = await loop.start_tls(transport, protocol, context, server_hostname=host)
    except BaseException:
        transport.abort()
        raise
    if through is None or through.is_closing():
        raise ConnectionResetError
    protocol.connection_made(through)
