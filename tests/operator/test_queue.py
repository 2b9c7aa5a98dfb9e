"""The queue: one worker a key, nothing dropped, failures alone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.controllers.queue import MAX_BACKOFF_S, Gathered, KeyedQueue, backoff_s
from pointsman.operator.controllers.resync import Resync
from pointsman.operator.errors import Broken, Waiting
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend

Reconcile = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def running(reconcile: Reconcile, *, concurrency: int = 8) -> AsyncIterator[KeyedQueue]:
    queue = KeyedQueue(reconcile, concurrency=concurrency)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        queue.start(group)
        yield queue


async def test_events_while_it_works_become_one_more_run() -> None:
    """A hundred events during a reconcile: it runs once more, and not at the same time."""
    gate, begun, runs, inside = asyncio.Event(), asyncio.Event(), 0, 0

    async def reconcile(_: str) -> None:
        nonlocal runs, inside
        inside += 1
        assert inside == 1
        runs += 1
        begun.set()
        await gate.wait()
        inside -= 1

    async with running(reconcile) as queue:
        queue.add("table")
        await begun.wait()
        for _ in range(100):
            queue.add("table")
        gate.set()

    assert runs == 2


async def test_a_poison_key_holds_up_no_other() -> None:
    """It fails again and again; the other key is done at once."""
    seen: Counter[str] = Counter()
    again = asyncio.Event()

    async def reconcile(key: str) -> None:
        seen[key] += 1
        if key == "backend/poison":
            if seen[key] == 2:
                again.set()
                return
            raise ExceptionGroup("parts", [Waiting("not yet")])

    async with running(reconcile) as queue:
        queue.add("backend/poison")
        queue.add("backend/good")
        await again.wait()

    assert seen["backend/good"] == 1


async def test_a_bug_is_survived_and_an_event_need_not_wait_for_its_backoff() -> None:
    """Counted and logged; the next event may be the cure."""
    runs, failed = 0, asyncio.Event()

    async def reconcile(_: str) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            failed.set()
            raise KeyError("a bug")

    async with running(reconcile) as queue:
        queue.add("table")
        await failed.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        queue.add("table")

    assert runs == 2


async def test_a_broken_process_ends() -> None:
    """A lost Lease is no matter of one key."""

    async def reconcile(_: str) -> None:
        raise Broken("LeaseLost")

    async def life() -> None:
        async with running(reconcile) as queue:
            queue.add("table")
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await life()


async def test_what_comes_while_it_ends_is_left() -> None:
    """An operator whose lease is gone ends; an event of that moment is not an error."""
    queue, ended = KeyedQueue(lambda _: asyncio.sleep(0), concurrency=1), asyncio.Event()

    async def last() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            queue.add("late")
            ended.set()

    async def broken() -> None:
        raise Broken("somebody else leads")

    async def life() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            queue.start(group)
            group.create_task(last())
            await asyncio.sleep(0)
            group.create_task(broken())

    with pytest.raises(ExceptionGroup):
        await life()
    assert ended.is_set()


async def test_no_more_than_so_many_at_once() -> None:
    """A full resync must not flood the API server."""
    inside = most = 0

    async def reconcile(_: str) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    async with running(reconcile, concurrency=3) as queue:
        for n in range(50):
            queue.add(f"backend/{n}")

    assert most == 3


async def test_a_full_resync_leaves_room_for_what_is_urgent() -> None:
    """Two hundred backends are looked at again: a wake in between is worked on as the next one."""
    begun: list[str] = []
    api = FakeApi()
    api.put(*(backend(f"b{n:03}") for n in range(200)))

    async def reconcile(key: str) -> None:
        begun.append(key)
        await asyncio.sleep(0.001)

    async with running(reconcile, concurrency=4) as queue:
        resync = Resync(api, Settings(namespace=NAMESPACE), queue.add, queue.room)
        task = asyncio.create_task(resync.run())
        while len(begun) < 100:  # noqa: ASYNC110 - the deadline is that of `running`
            await asyncio.sleep(0)
        before = len(begun)
        queue.add("backend/cold")
        while len(begun) < 202:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        task.cancel()

    assert begun.index("backend/cold") <= before + 4
    assert len(set(begun)) == 202


async def test_a_resync_that_is_hurried_comes_soon_and_not_at_once_again() -> None:
    """Ten watches that broke make one of it; without them the next one is 40 s away or more."""
    loop, begun = asyncio.get_running_loop(), list[float]()
    async with running(lambda _: asyncio.sleep(0), concurrency=1) as queue:
        resync = Resync(
            FakeApi(),
            Settings(namespace=NAMESPACE, resync_s=8.0),
            queue.add,
            queue.room,
            spoil=lambda: begun.append(loop.time()),
        )
        task = asyncio.create_task(resync.run())
        while not begun:  # noqa: ASYNC110 - the deadline is that of `running`
            await asyncio.sleep(0)
        for _ in range(10):
            resync.hurry()
        while len(begun) < 2:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        for _ in range(10):
            resync.hurry()
        while len(begun) < 3:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.6)
        task.cancel()

    assert len(begun) == 3
    assert 0.49 < begun[1] - begun[0] < 3.9
    assert 0.49 < begun[2] - begun[1] < 3.9


async def gathered_calls() -> list[float]:
    """Twenty that ask at once, and one later."""
    loop, calls = asyncio.get_running_loop(), list[float]()
    ask = Gathered(lambda: calls.append(loop.time()), wait_s=0.01)
    for _ in range(20):
        ask()
    assert calls == []
    while not calls:  # noqa: ASYNC110 - the test's own deadline
        await asyncio.sleep(0.001)
    ask()
    while len(calls) < 2:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0.001)
    return calls


def test_who_asks_together_is_answered_once() -> None:
    """And whoever asks after that, again."""
    calls = asyncio.run(gathered_calls())

    assert len(calls) == 2
    assert calls[1] - calls[0] >= 0.009


@given(failures=st.integers(1, 10_000), stalled=st.booleans())
def test_backoff_is_bounded(failures: int, stalled: bool) -> None:
    """However often it failed."""
    assert 0 < backoff_s(failures, stalled=stalled) <= MAX_BACKOFF_S * 1.2
