"""Many clients that come at once are let in at once."""

from __future__ import annotations

import asyncio

import uvloop

from tests.simulator.running import simulated
from tests.support.crowd import turns

CLIENTS = 160


def test_a_crowd_is_let_in_within_few_turns_of_the_loop() -> None:
    """On the loop that images have, which takes one of each listening socket in a turn."""

    async def come() -> int:
        async with simulated() as simulator:
            return await turns(simulator.port, CLIENTS, lambda: len(simulator.server.connections))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(come()) < CLIENTS / 2
