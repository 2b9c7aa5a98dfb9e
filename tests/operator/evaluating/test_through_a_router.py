"""The whole way but for the API server: evaluator, admin port, data plane, stand-in models."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from pointsman.api.table import Activation
from pointsman.evaluation.running.asking import Asker
from pointsman.events.schema import Request, decode
from pointsman.operator.cluster.pinned import PinnedAsker
from pointsman.operator.controllers.suite_running import Job, SuiteRunning
from pointsman.router.control.admin import Admin
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.serve.pinned import Desk
from pointsman.router.serve.record import Recorder
from pointsman.simulator.faults import Fault, FaultMode
from tests.operator.evaluating.world import suite
from tests.router.serve.world import World as Router
from tests.router.serve.world import until
from tests.router.serve.world import world as router_world


@asynccontextmanager
async def asking(there: Router, deadline_s: float = 10.0) -> AsyncIterator[PinnedAsker]:
    """Through its admin port."""
    metrics = ControlMetrics(CollectorRegistry())
    feed = TableFeed(there.live, metrics, namespace="default")
    admin = Admin(feed, metrics, router="r", auth=None, desk=lambda: Desk(there.plane))
    url = f"http://127.0.0.1:{await admin.start('127.0.0.1', 0)}"
    try:
        async with Asker(limit=8, deadline_s=deadline_s) as asker:
            yield PinnedAsker(asker, lambda: [url], dict, wait_s=0.0)
    finally:
        await admin.close()


def job(count: int = 6, *, judge: str = "") -> Job:
    """Of `small`."""
    names = [f"p{number}" for number in range(count)]
    return Job(
        backend="small", uid="u", model="model-small", suite_name="desk",
        suite=suite(*names, judge=judge, word="Declared"), run=3, price=None, judge=judge,
        judge_price=None, cap_nano=None,
    )  # fmt: skip


async def test_a_run_reaches_the_model_and_the_ledger() -> None:
    """Each prompt once, under no policy; the answers are scored as they are."""
    lines: list[bytes] = []
    async with router_world() as there, asking(there) as asker:
        there.plane.record = Recorder(lines.append, time.time)
        await there.simulator("small", quality={"Coding": 1.0})
        there.pin("small")
        ended = await SuiteRunning(job()).run(asker, deadline_s=20.0)
        await until(lambda: len(lines) == 6)
    assert ended.run.ended == "Complete"
    assert [one.score for one in ended.run.evaluations] == [1.0] * 6
    assert {(one.backend, one.run) for one in ended.run.evaluations} == {("small", 3)}
    events = [decode(line) for line in lines]
    assert {event.policy for event in events if isinstance(event, Request)} == {""}


@pytest.mark.slow
async def test_a_backend_at_zero_is_woken_and_one_that_hangs_times_out() -> None:
    """Held as a caller would be; what never answers has no score."""
    activation = Activation(mode="Hold", timeout_s=15.0, max_held=10)
    async with router_world() as there, asking(there, deadline_s=2.0) as asker:
        there.place("small", activation=activation)
        there.pin("small")
        task = asyncio.create_task(SuiteRunning(job()).run(asker, deadline_s=20.0))
        await until(lambda: there.live.held.get("small") == 4)
        server, port = await there.simulated("small", quality={"Coding": 1.0})
        server.faults.order(Fault(FaultMode.HANG, count=1))
        there.place("small", port, activation=activation)
        ended = await task
    assert ended.run.ended == "Complete", ended.run
    missing = [one.missing for one in ended.run.evaluations if one.score is None]
    assert missing == ["TimedOut"]


async def test_a_backend_that_the_table_does_not_carry_is_unreachable() -> None:
    """The router's own words say why."""
    async with router_world() as there, asking(there) as asker:
        await there.simulator("large")
        there.pin("large")
        ended = await SuiteRunning(job()).run(asker, deadline_s=20.0)
    assert ended.run.ended == "Unreachable"
    assert "carries no backend `small`" in ended.run.message


async def test_a_run_has_an_end() -> None:
    """Whatever hangs."""
    async with router_world() as there, asking(there, deadline_s=30.0) as asker:
        await there.simulator("small")
        there.pin("small")
        there.simulators["small"].faults.order(Fault(FaultMode.HANG, count=100))
        ended = await SuiteRunning(job()).run(asker, deadline_s=0.3)
        await until(lambda: not there.live.in_flight)
    assert ended.run.ended == "Unreachable"
    assert "not over after" in ended.run.message
