"""Many clients that come at once are let in at once."""

import asyncio

import pytest

from tests.router.serve.world import World
from tests.support.crowd import turns

CLIENTS = 160


async def test_a_crowd_is_let_in_within_few_turns_of_the_loop(there: World) -> None:
    """Each turn is as long as all take who are in: one a turn would let the last wait for ever."""
    inside = there.plane._clients
    assert await turns(there.port, CLIENTS, lambda: len(inside)) < CLIENTS / 2


async def test_a_drain_stops_all_listening(there: World) -> None:
    """Not only on the first of the sockets."""
    await there.plane.drain(0.1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", there.port)
