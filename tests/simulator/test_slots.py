"""The queue: bounded, first come first served, no leaks."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.simulator.errors import Refused
from pointsman.simulator.slots import Slots
from tests.simulator.running import chat, post, simulated, until


async def test_the_line_is_served_in_order() -> None:
    """Three wait, three get in, in the order they came; a newcomer does not overtake."""
    slots, order = Slots(1, 10), list[int]()

    async def visit(number: int) -> None:
        await slots.enter()
        order.append(number)

    assert slots.try_enter()
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(visit(number))
            await until(lambda expected=number: slots.waiting == expected + 1)  # type: ignore[misc]
        for left in range(3):
            slots.leave()
            assert not slots.try_enter()
            await until(lambda expected=left: len(order) == expected + 1)  # type: ignore[misc]
    slots.leave()
    assert order == [0, 1, 2]
    assert (slots.running, slots.waiting) == (0, 0)


@given(
    st.integers(1, 3),
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from(["enter", "leave", "cancel", "step"]), st.integers(0, 9))),
)
def test_no_order_of_events_leaks_a_slot(
    limit: int, most: int, events: list[tuple[str, int]]
) -> None:
    """Whoever enters, leaves or is canceled when: the bounds hold and all slots come back."""

    async def play() -> None:
        slots, release = Slots(limit, most), list[asyncio.Event]()
        inside = 0

        async def visit(mine: asyncio.Event) -> None:
            nonlocal inside
            with contextlib.suppress(Refused):
                await slots.enter()
                inside += 1
                try:
                    assert inside <= limit
                    await mine.wait()
                finally:
                    inside -= 1
                    slots.leave()

        tasks: list[asyncio.Task[None]] = []
        for what, which in events:
            if what == "enter":
                release.append(asyncio.Event())
                tasks.append(asyncio.create_task(visit(release[-1])))
            elif what == "step":
                await asyncio.sleep(0)
            elif tasks and what == "cancel":
                tasks[which % len(tasks)].cancel()
            elif tasks:
                release[which % len(tasks)].set()
            assert slots.waiting <= most
            assert 0 <= slots.running <= limit
        for event in release:
            event.set()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert ended is None or isinstance(ended, asyncio.CancelledError)
        assert (slots.running, slots.waiting, inside) == (0, 0, 0)

    asyncio.run(play())


async def test_requests_beyond_the_limit_wait_and_beyond_the_queue_are_refused() -> None:
    """Two run, three wait, the sixth gets 503; a client that goes away makes room."""
    async with simulated(ttft_s=3600, max_concurrency=2, max_queue=3) as simulator:
        slots = simulator.server.slots
        tasks = []
        for number in range(5):
            tasks.append(asyncio.create_task(post(simulator.port, chat())))
            await until(lambda n=number: slots.running + slots.waiting == n + 1)  # type: ignore[misc]
        assert (slots.running, slots.waiting) == (2, 3)
        refused = await post(simulator.port, chat())
        assert (refused.status, refused.error()["code"]) == (503, "queue_full")
        assert refused.headers["retry-after"] == "1"
        tasks[0].cancel()
        await until(lambda: (slots.running, slots.waiting) == (2, 2))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: (slots.running, slots.waiting) == (0, 0))
        assert simulator.server.metrics.finished["abort"] >= 2


async def test_a_wider_limit_admits_those_who_wait() -> None:
    """Resizing takes effect at once."""
    slots = Slots(1, 5)
    assert slots.try_enter()
    waiting = [asyncio.create_task(slots.enter()) for _ in range(3)]
    await until(lambda: slots.waiting == 3)
    slots.resize(3, 5)
    await until(lambda: slots.running == 3)
    slots.resize(3, 1)
    with pytest.raises(Refused):
        await slots.enter()
    slots.leave()
    await asyncio.gather(*waiting)
