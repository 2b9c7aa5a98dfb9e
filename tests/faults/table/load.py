"""What rows on a whole fleet share: requests that may not fail, edits that must come into force."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.e2e.traffic import Seen, traffic, until
from tests.faults.drill import PROMISE_S, Outcome, converge, past_the_proxy
from tests.faults.fleet import FaultyFleet


@asynccontextmanager
async def load(world: FaultyFleet) -> AsyncIterator[Seen]:
    """Requests to all routers; none may fail, and some came before and after the block."""
    async with traffic(world.urls, clients=6, pause_s=0.1) as seen:
        await until(seen, 12)
        yield seen
        await until(seen, 12)
    assert seen.failures == []


async def edits_come_into_force(world: FaultyFleet) -> Outcome:
    """One of each kind, past the proxy, within the promise; status does not lie on the way."""
    outcome = Outcome("", "both", 0.0)
    async with past_the_proxy(world) as (looking, editing):
        await world.prepare(editing)
        await world.edit(editing)
        await converge(world, looking, outcome)
        outcome.lies += await looking.lies()
    assert outcome.converged_s is not None, f"{outcome.waiting_for}\n{world.fleet.story()}"
    assert outcome.lies == []
    return outcome


async def restarts(world: FaultyFleet) -> int:
    """Of all containers so far."""
    async with past_the_proxy(world) as (looking, _):
        return (await looking.restarts()).total()


async def comes(holds: Callable[[], bool], what: str) -> None:
    """Within the promise; commands are asked in a thread, so that the load goes on."""
    end_s = time.monotonic() + PROMISE_S
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < end_s, f"waited {PROMISE_S:.0f} s for {what}"
        await asyncio.sleep(0.1)
