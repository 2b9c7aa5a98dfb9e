"""Many clients that come at once are let in at once."""

import asyncio
import socket

import pytest

from tests.router.serve.world import World, until

CLIENTS = 160


async def test_a_crowd_is_let_in_within_few_turns_of_the_loop(there: World) -> None:
    """Each turn is as long as all take who are in: one a turn would let the last wait for ever."""
    loop = asyncio.get_running_loop()
    inside = there.plane._clients
    turns, over = 0, False

    def turn() -> None:
        nonlocal turns
        if not over and len(inside) < CLIENTS:
            turns += 1
            loop.call_soon(turn)

    # The loop does not turn here: they wait in the backlog.
    where = ("127.0.0.1", there.port)
    clients = [socket.create_connection(where, timeout=5) for _ in range(CLIENTS)]
    try:
        turn()
        await until(lambda: len(inside) == CLIENTS)
        assert turns < CLIENTS / 2
    finally:
        over = True
        for client in clients:
            client.close()
    await until(lambda: not inside)


async def test_a_drain_stops_all_listening(there: World) -> None:
    """Not only on the first of the sockets."""
    await there.plane.drain(0.1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", there.port)
