"""The scaling of a backend from load to Deployment and status, on a clock of its own."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.scaling import DECIDE_S, Scaler
from pointsman.operator.errors import Stalled, Waiting
from pointsman.operator.metrics import REGISTRY
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.plan.scaling_status import record_on
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend
from tests.support.conditions import assert_well_formed, unexplained

SETTINGS = Settings(namespace=NAMESPACE, image="sim")
SCALING = {"maxReplicas": 4, "targetRequests": 8}


class World:
    """An API server with one backend `a`, routers with some load, and the time."""

    def __init__(self, **scaling: Any) -> None:
        self.api = FakeApi(self._count)
        self.now_s = 1_800_000_000.0
        self.load: int | None = 0
        self.finished = 0
        self.writes: list[str] = []
        self.due: list[str] = []
        self.put(scaling={**SCALING, **scaling})
        self.begin()

    def put(self, *, generation: int = 1, **spec: Any) -> None:
        status = self.api.stored.get(("ModelBackend", "a"), {}).get("status")
        kept = {"status": status} if status else {}
        self.api.put({**backend("a", generation=generation, **spec), **kept})

    def begin(
        self, *, on_due: Callable[[str], None] | None = None, every_s: float = DECIDE_S
    ) -> None:
        """Another process: it knows what is stored."""
        engines = EngineMetrics(lambda _: 0)  # nobody runs it: no pod has an address
        self.scaler = Scaler(
            self,
            engines,
            on_due or self.due.append,
            every_s=every_s,
            clock=lambda: self.now_s,
            monotonic=lambda: self.now_s,
        )
        self.controller = BackendController(
            self.api, SETTINGS, lambda *_: None, lambda _: "", self.scaler
        )

    def _count(self, what: str, kind: Kind) -> None:
        if what not in {"get", "list"}:
            self.writes.append(f"{what} {kind.name}")

    def loads(self, _backend: str) -> list[RouterReport | None]:
        if self.load is None:
            return [None]
        return [RouterReport("r1", 0, self.load, self.finished)]

    def mute(self) -> list[str]:
        return ["r1"] if self.load is None else []

    async def pass_time(self, seconds: float, load: int | None = -1) -> None:
        """Decide each 2 s, reconcile what is asked for; requests take 5 s."""
        self.load = self.load if load == -1 else load
        for _ in range(int(seconds // 2)):
            self.now_s += 2
            self.finished += 2 * (self.load or 0) // 5
            await self.scaler.tick(["a"])
            if self.due:
                self.due.clear()
                await self.reconcile()

    async def reconcile(self) -> None:
        await self.controller.reconcile("a")
        status = self.status
        assert_well_formed(status, generation=self.item["metadata"]["generation"])
        assert unexplained("ModelBackend", status) == []

    @property
    def item(self) -> Any:
        return self.api.stored["ModelBackend", "a"]

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.item.get("status") or {}
        return found

    @property
    def deployment(self) -> Any:
        return self.api.stored["Deployment", "a-model"]

    @property
    def replicas(self) -> int:
        found: int = self.deployment["spec"]["replicas"]
        return found

    def ready(self) -> str:
        return next(str(c["status"]) for c in self.status["conditions"] if c["type"] == "Ready")

    def active(self) -> tuple[str, str]:
        found = [c for c in self.status["conditions"] if c["type"] == "ScalingActive"]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def events(self) -> list[tuple[str, str]]:
        stored = self.api.stored.items()
        return [(one["reason"], one["note"]) for (kind, _), one in stored if kind == "Event"]


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    """As in a pod: a line that cannot be logged is a failed reconcile."""
    caplog.set_level(logging.INFO, "pointsman")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.scaler.forget("a")


async def test_replicas_follow_the_load_and_status_says_why(world: World) -> None:
    """One at first, three under load; the Deployment is written, the ModelBackend's spec never."""
    await world.reconcile()
    assert world.replicas == 1
    assert "lastScale" not in world.status
    await world.pass_time(60, load=16)

    last = world.status["lastScale"]
    assert world.replicas == last["desired"] > 2
    assert last["previous"] < last["desired"]
    assert last["reason"] in {"LoadRose", "Panic"}
    assert last["observed"] == 16
    assert "16 in flight" in last["message"]
    assert world.status["queueDepth"] == 10
    assert world.active() == ("True", "FollowsLoad")
    assert "replicas" not in world.item["spec"]
    assert any(reason == last["reason"] for reason, _ in world.events())
    assert REGISTRY.get_sample_value("pointsman_operator_queue_depth", {"backend": "a"}) == 16


async def test_less_load_takes_them_away_after_the_delay(world: World) -> None:
    """Down to the minimum, each step in the history."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    await world.pass_time(40, load=0)
    assert world.replicas == high
    await world.pass_time(600)

    assert world.replicas == 1
    history = world.status["scalingHistory"]
    assert history[0] == world.status["lastScale"]
    assert history[0]["desired"] == 1
    assert [one["previous"] for one in history[:-1]] == [one["desired"] for one in history[1:]]


async def test_a_settled_backend_without_traffic_is_not_written(world: World) -> None:
    """Not by the scaler, nor by any resync."""
    await world.reconcile()
    await world.pass_time(120)
    world.writes.clear()
    for _ in range(10):
        await world.pass_time(300)
        await world.reconcile()

    assert world.writes == []


async def test_a_restless_load_costs_four_writes_a_minute(world: World) -> None:
    """Between two steps of the shown queue at each decision, with a reconcile at each, too."""
    world.put(scaling={**SCALING, "minReplicas": 4})
    await world.reconcile()
    await world.pass_time(30, load=1)
    world.writes.clear()
    for second in range(0, 600, 2):
        await world.pass_time(2, load=1 + second % 4)
        await world.reconcile()

    assert set(world.writes) == {"status ModelBackend"}
    assert 0 < len(world.writes) <= 40


async def test_a_load_that_ends_while_status_is_written_is_told_later(world: World) -> None:
    """What was written is what counts as said, not what was decided meanwhile."""
    await world.reconcile()
    await world.pass_time(30)
    write = world.api.apply_status

    async def slowly(kind: Kind, item: Any, status: Any) -> None:
        if status.get("queueDepth"):
            world.load = 0
            world.now_s += 2
            await world.scaler.tick(["a"])
        await write(kind, item, status)

    world.api.apply_status = slowly  # type: ignore[method-assign]
    await world.pass_time(2, load=5)
    assert world.status["queueDepth"] == 5
    await world.pass_time(20)

    assert world.status["queueDepth"] == 0


async def test_a_status_that_was_edited_is_mended(world: World) -> None:
    """By the next resync: nothing that anybody wrote is believed."""
    await world.reconcile()
    await world.pass_time(30)
    world.status["queueDepth"] = 99
    world.status["conditions"] = [
        c for c in world.status["conditions"] if c["type"] != "ScalingActive"
    ]
    await world.reconcile()

    assert world.status["queueDepth"] == 0
    assert world.active() == ("True", "FollowsLoad")


async def test_a_steady_load_writes_its_memory_each_minute(world: World) -> None:
    """What a restart needs is never much older; nothing else is news."""
    await world.reconcile()
    await world.pass_time(120, load=3)
    world.writes.clear()
    await world.pass_time(600)

    assert set(world.writes) == {"status ModelBackend"}
    assert len(world.writes) <= 11


async def test_no_data_holds_and_is_said(world: World) -> None:
    """A silent router is not an idle one; what is said comes after 15 s, so no restart says it."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    await world.pass_time(10, load=None)
    assert world.active() == ("True", "FollowsLoad")
    await world.pass_time(900)

    assert world.replicas == high
    assert world.active() == ("False", "NoData")
    assert "queueDepth" not in world.status
    assert REGISTRY.get_sample_value("pointsman_operator_queue_depth", {"backend": "a"}) is None
    await world.pass_time(20, load=16)
    assert world.active() == ("True", "FollowsLoad")


@pytest.mark.parametrize("away_s", [2.0, 400.0, 90_000.0])
@pytest.mark.parametrize("memory", [True, False])
async def test_a_restart_never_scales_down_by_itself(
    world: World, away_s: float, memory: bool
) -> None:
    """Also when no load came after it: the delays begin anew, whatever is remembered."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high, history = world.replicas, world.status["scalingHistory"]
    assert high > 2
    world.now_s += away_s
    if not memory:
        del world.status["scalingMemory"]
    world.begin()
    world.load, world.finished = 0, 0  # the routers began anew, too
    await world.reconcile()
    await world.pass_time(58)

    assert world.replicas == high
    assert world.status["scalingHistory"] == history
    await world.pass_time(600)
    assert world.replicas == 1


async def test_a_long_delay_outlives_a_restart_of_any_length() -> None:
    """Ten minutes mean ten minutes of the new process, not what is left of the old one's."""
    world = World(scaleDownDelaySeconds=600)
    await world.reconcile()
    await world.pass_time(60, load=16)
    high = world.replicas
    world.now_s += 550
    world.begin()
    await world.reconcile()
    await world.pass_time(590, load=0)
    assert world.replicas == high
    await world.pass_time(60)
    assert world.replicas == 2, "the last one above the need stays four times as long"


async def test_an_operator_that_dies_before_status_leaves_the_reason_behind(world: World) -> None:
    """The record is on the Deployment, in the write that changed the replicas."""
    await world.reconcile()

    def die(what: str, kind: Kind) -> None:
        if what == "status":
            raise Waiting("died")

    world.api.hook = die
    with pytest.raises(Waiting):
        await world.pass_time(20, load=30)
    raised = world.replicas
    assert raised > 1
    assert "lastScale" not in world.status
    world.api.hook = lambda *_: None
    world.begin()
    await world.reconcile()

    assert world.status["lastScale"]["desired"] == world.replicas >= raised
    assert world.status["lastScale"]["previous"] == 1


async def test_whatever_is_edited_the_replicas_stay(world: World) -> None:
    """A new argument is a new Deployment, with as many replicas and their reason as before."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    high, last = world.replicas, world.status["lastScale"]
    deployment = {"engine": "Simulator", "args": ["--seed", "3"]}
    world.put(generation=2, scaling=SCALING, deployment=deployment)
    await world.reconcile()

    assert "--seed" in str(world.deployment["spec"]["template"])
    assert (world.replicas, world.status["lastScale"]) == (high, last)
    assert record_on(world.deployment) == last, "and the next process would know it"


async def test_a_change_of_scale_is_no_rollout(world: World) -> None:
    """Ready stays while the Deployment controller has not seen the new count; a new spec is one."""
    await world.reconcile()
    assert world.ready() == "False"
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    world.deployment["status"] = {"observedGeneration": 1, **dict.fromkeys(counts, 1)}
    await world.reconcile()
    assert world.ready() == "True"
    await world.pass_time(60, load=16)
    await world.reconcile()
    assert world.replicas > 1
    assert world.deployment["metadata"]["generation"] > 1
    assert world.ready() == "True"
    deployment = {"engine": "Simulator", "args": ["--seed", "3"]}
    world.put(generation=2, scaling=SCALING, deployment=deployment)
    await world.reconcile()

    assert world.ready() == "False"


async def test_new_bounds_hold_at_once(world: World) -> None:
    """A minimum is not a wish that waits for load, and a maximum not one that waits for a delay."""
    await world.reconcile()
    world.put(generation=2, scaling={**SCALING, "minReplicas": 3})
    await world.reconcile()
    assert world.replicas == 3
    assert world.status["lastScale"]["reason"] == "Bounds"
    world.put(generation=3, scaling={**SCALING, "maxReplicas": 2})
    await world.reconcile()

    assert world.replicas == 2


async def test_what_somebody_else_wrote_is_told(world: World) -> None:
    """An HPA on the Deployment itself, or a hand: an event says it, and the rules go on from it."""
    await world.reconcile()
    await world.pass_time(30)
    world.deployment["spec"]["replicas"] = 3
    await world.reconcile()
    assert ("Overwritten", "somebody else changed the Deployment's replicas: 1 to 3") in (
        world.events()
    )
    await world.pass_time(400)

    assert world.replicas == 1


async def test_an_apply_whose_answer_was_lost_was_nobody_elses(world: World) -> None:
    """The Deployment has our record: nobody is accused."""
    await world.reconcile()
    apply = world.api.apply

    async def apply_and_die(kind: Kind, body: Any, *, force: bool) -> Any:
        await apply(kind, body, force=force)
        raise Waiting("no answer")

    world.api.apply = apply_and_die  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        await world.pass_time(20, load=30)
    world.api.apply = apply  # type: ignore[method-assign]
    assert world.replicas > 1
    await world.reconcile()

    assert world.status["lastScale"]["previous"] == 1
    assert [reason for reason, _ in world.events() if reason == "Overwritten"] == []


@pytest.mark.parametrize("replicas", [2, 7])
async def test_external_follows_spec_replicas(world: World, replicas: int) -> None:
    """Whoever wrote them, at any time; what QueueDepth had said is gone."""
    await world.reconcile()
    await world.pass_time(60, load=16)
    world.put(generation=2, scaling={"mode": "External"}, replicas=replicas)
    await world.reconcile()

    assert world.replicas == replicas
    assert world.active() == ("", "")
    assert not world.status.keys() & {"queueDepth", "lastScale", "scalingMemory"}
    await world.pass_time(60, load=90)
    assert world.replicas == replicas
    assert desired_metric() is None


async def test_a_deployment_that_is_somebody_elses_is_not_scaled(world: World) -> None:
    """The name is taken: whatever the load, it is left alone."""
    foreign = {"kind": "Deployment", "metadata": {"name": "a-model"}, "spec": {"replicas": 1}}
    world.api.put(foreign)
    await world.reconcile()
    await world.pass_time(60, load=90)

    assert world.replicas == 1
    assert world.active() == ("", "")
    assert desired_metric() is None


def desired_metric() -> float | None:
    return REGISTRY.get_sample_value("pointsman_operator_desired_replicas", {"backend": "a"})


async def test_an_unknown_time_zone_is_the_backends_condition(world: World) -> None:
    """The pattern lets it through; the replicas stay as they are."""
    await world.reconcile()
    night = {"name": "n", "start": "22:00", "end": "06:00", "minReplicas": 2}
    world.put(generation=2, scaling={**SCALING, "schedules": [{**night, "timeZone": "Mars/Base"}]})
    await world.reconcile()

    ready = next(c for c in world.status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "timeZone" in ready["message"]
    assert world.replicas == 1


async def test_a_refused_event_stops_nothing(world: World) -> None:
    """Events are for reading; RBAC or a quota may forbid them."""
    await world.reconcile()

    def refuse(what: str, kind: Kind) -> None:
        if kind == kinds.EVENT:
            raise Stalled("403")

    world.api.hook = refuse
    await world.pass_time(60, load=16)

    assert world.replicas > 2
    assert world.events() == []


async def test_a_reconcile_that_fails_is_not_asked_for_at_each_decision(world: World) -> None:
    """It has a back-off of its own, which an event would end."""
    await world.reconcile()
    world.load = 30
    asked = 0
    for _ in range(15):
        world.now_s += 2
        await world.scaler.tick(["a"])
        asked += len(world.due)
        world.due.clear()

    assert 1 <= asked <= 5


async def test_a_jump_is_decided_on_before_the_next_tick(world: World) -> None:
    """Load beyond what is ready asks for a reconcile; the next tick here is in an hour."""
    asked = asyncio.Event()
    world.begin(on_due=lambda _: asked.set(), every_s=3600)
    await world.reconcile()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(world.scaler.run())
        await world.pass_time(40, load=8)
        asked.clear()
        world.now_s += 0.25
        world.load = 400
        world.scaler.on_load()
        await asked.wait()
        running.cancel()


async def test_load_that_the_ready_replicas_take_waits_for_the_tick(world: World) -> None:
    """A line of a router comes ten times a second: deciding at each would cost a core."""
    world.begin(every_s=3600)
    await world.reconcile()
    await world.pass_time(40, load=3)

    assert not world.scaler.jumped("a")
    world.load = 9
    assert world.scaler.jumped("a")
    await world.scaler.tick(["a"])
    assert not world.scaler.jumped("a"), "decided on already"
