"""What nobody was told, or what was told too early: it is found, and nothing of it stays."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pointsman.api import names, table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.mirror import Mirror
from pointsman.operator.cluster.orders import AT_ONCE, Orders
from pointsman.operator.cluster.worker import answer
from pointsman.operator.controllers.keys import Keys
from pointsman.operator.controllers.resync import Resync
from pointsman.operator.controllers.suites import SuiteController
from pointsman.operator.errors import Waiting
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend
from tests.operator.scaled import SETTINGS, World
from tests.operator.test_suites import PROMPT, suite


async def test_children_go_with_the_deployment_also_behind_a_restart() -> None:
    """An API server names no kind in the items of a list, and a new process lists first."""
    world = World()
    await world.reconcile()
    assert {("Deployment", "a-model"), ("Service", "a-model")} <= world.api.stored.keys()

    world.begin()
    world.controller._reads = Mirror(world.api, SETTINGS)
    elsewhere = backend("a", generation=2)
    elsewhere["spec"] = {"model": "m", "external": {"url": "https://api.example.com/v1"}}
    world.api.put(elsewhere)
    await world.controller.reconcile("a")

    assert not {kind for kind, _ in world.api.stored} & {"Deployment", "Service"}


async def test_a_resync_looks_at_what_is_gone_and_nobody_told_of() -> None:
    """A suite that was deleted while its watch was broken is asked no more."""
    api, keys = FakeApi(), list[str]()
    api.put(suite(prompts=[PROMPT]))
    controller = SuiteController(api)
    await controller.reconcile("golden")
    del api.stored["EvaluationSuite", "golden"]

    async def room() -> None:
        """There is."""

    settings = Settings(namespace=NAMESPACE)
    resync = Resync(api, settings, keys.append, room, known=controller.known)
    task = asyncio.create_task(resync.run())
    async with asyncio.timeout(10):
        while "suite/golden" not in keys:  # noqa: ASYNC110 - a deadline is around it
            await asyncio.sleep(0)
    task.cancel()
    await controller.reconcile("golden")

    assert controller.known() == []


async def test_what_goes_while_it_is_read_for_the_first_time_is_no_ghost() -> None:
    """The answer had it already when the event came: it is read once more."""
    gone = asyncio.Event()

    class Slow(FakeApi):
        async def list_all(self, kind: Kind, selector: str = "") -> list[Object]:
            found = await super().list_all(kind, selector)
            await gone.wait()
            return found

    api = Slow()
    api.put(backend("a"), backend("b"))
    mirror = Mirror(api, SETTINGS)
    reading = asyncio.create_task(mirror.list_all(kinds.MODEL_BACKEND))
    await asyncio.sleep(0)
    del api.stored["ModelBackend", "a"]
    mirror.deleted(kinds.MODEL_BACKEND.plural, "a")
    gone.set()
    await reading

    assert [one["metadata"]["name"] for one in await mirror.list_all(kinds.MODEL_BACKEND)] == ["b"]


async def test_a_process_that_cannot_be_started_is_waited_for() -> None:
    """As one that fails: the operator goes on without what it would have learned."""
    with pytest.raises(Waiting, match="a fit cannot be started"):
        await answer([f"{sys.executable}-not"], b"", deadline_s=5, what="a fit")


@pytest.mark.parametrize("order", [names.ANNOTATION_DRIFT_REBASELINE, names.ANNOTATION_REDRAW])
def test_what_a_person_asks_for_by_an_annotation_is_news(order: str) -> None:
    """It makes no new generation."""
    keys, item = Keys("pointsman", {}), backend("a")
    item["metadata"] |= {"uid": "u", "generation": 1}
    keys.backend({"type": "ADDED", "object": item})
    assert keys.backend({"type": "MODIFIED", "object": item}) == []
    item["metadata"]["annotations"] = {order: "2026-11-27"}

    assert keys.backend({"type": "MODIFIED", "object": item}) == ["backend/a", "table"]


@asynccontextmanager
async def slow_orders() -> AsyncIterator[tuple[Orders, list[tuple[str, table.Order]]]]:
    """Each is told in 50 ms, as where one router does not answer."""
    told: list[tuple[str, table.Order]] = []

    async def put(name: str, order: table.Order) -> None:
        told.append((name, order))
        await asyncio.sleep(0.05)

    orders = Orders(lambda _: False, put, lambda _: None, repeat_s=60)
    running = asyncio.create_task(orders.run())
    async with asyncio.timeout(20):
        yield orders, told
        running.cancel()


async def test_an_order_that_was_ended_is_not_told_after_its_end() -> None:
    """However many are told before its turn comes."""
    async with slow_orders() as (orders, told):
        for number in range(3 * AT_ONCE):
            orders.hold(f"b{number}")
        await asyncio.sleep(0.02)
        last = f"b{3 * AT_ONCE - 1}"
        orders.end(last)
        while (last, table.Order()) not in told:  # noqa: ASYNC110 - a deadline is around it
            await asyncio.sleep(0.01)

    assert [order for name, order in told if name == last] == [table.Order()]


async def test_orders_of_many_backends_are_told_at_the_same_time() -> None:
    """One dead router takes seconds of each: one after the other, the last ones would lapse."""
    async with slow_orders() as (orders, told):
        for number in range(AT_ONCE):
            orders.hold(f"b{number}")
        await asyncio.sleep(0.02)

        assert len(told) == AT_ONCE
