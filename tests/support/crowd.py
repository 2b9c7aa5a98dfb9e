"""Many clients that come to a port at once."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

_PATIENCE_S: Final = 10.0


async def turns(port: int, count: int, inside: Callable[[], int]) -> int:
    """Of the loop, until all are in; then they leave again."""
    loop = asyncio.get_running_loop()
    turned, over = 0, False

    def turn() -> None:
        nonlocal turned
        if not over and inside() < count:
            turned += 1
            loop.call_soon(turn)

    # The loop does not turn here: they wait in the backlog.
    clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(count)]
    try:
        turn()
        await _until(lambda: inside() == count)
    finally:
        over = True
        for client in clients:
            client.close()
    await _until(lambda: not inside())
    return turned


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
