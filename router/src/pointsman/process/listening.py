"""A listening port that lets a crowd in.

libuv takes one connection of each listening socket in a turn of the loop, however many wait: a
thousand clients that come back at once would wait for a thousand turns, each as long as all who are
in already take. So the socket is listened to so many times.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 16


async def listen(
    make: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
) -> tuple[list[asyncio.Server], int]:
    """What listens, each to be closed, and the port that was bound."""
    loop = asyncio.get_running_loop()
    first = await loop.create_server(make, host, port, ssl=tls, backlog=_BACKLOG)
    servers, sockets = [first], list(first.sockets)
    for one in sockets:
        for _ in range(_ACCEPTED_AT_ONCE - 1):
            again = socket.socket(one.family, one.type, one.proto, fileno=os.dup(one.fileno()))
            servers.append(await loop.create_server(make, sock=again, ssl=tls, backlog=_BACKLOG))
    bound: int = sockets[0].getsockname()[1]
    return servers, bound
