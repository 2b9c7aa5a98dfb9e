"""A backend leaves its deployment: its server is there until nobody sends to it any more."""

from typing import Any

import pytest

from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.kinds import CONFIG_MAP, Kind
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.cluster.tables import Senders
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.scaling import Scaler
from pointsman.operator.errors import Waiting
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend, policy
from tests.operator.test_controllers import controller_of, manifest

SETTINGS = Settings(namespace=NAMESPACE, image="sim")
MOVED: dict[str, Any] = {"service": {"name": "theirs", "port": 80}}


class World:
    """A backend `a`, a policy that sends to it, and what routers say that they run."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.running: set[str] | None = set()
        self.policies = controller_of(self.api)
        routers = RouterFleet(SETTINGS, lambda: None)
        orders = routers.orders
        self.backends = BackendController(
            self.api, SETTINGS, lambda *_: None, lambda _: "",
            Scaler(routers, EngineMetrics(lambda _: 0), orders, lambda _: None), orders=orders,
            sending=Senders(self.api, SETTINGS.release, lambda: self.running).to,
        )  # fmt: skip

    async def deployed(self) -> None:
        """It is there, and all routers run the table."""
        self.api.put(backend("a"), policy())
        await self.backends.reconcile("a")
        await self.policies.reconcile()
        self.routers_follow()
        assert self.children() == {"Deployment", "Service"}

    def routers_follow(self) -> None:
        stored = manifest(self.api)
        assert stored
        self.running = {entry.blob for entry in stored.policies}

    def children(self) -> set[str]:
        return {kind for kind, name in self.api.stored if name == "a-model"}


async def test_its_server_stays_until_no_router_sends_to_it() -> None:
    """Neither what is wanted nor what some router runs may name it."""
    world = World()
    await world.deployed()
    world.api.put(backend("a", generation=2, **MOVED))
    with pytest.raises(Waiting, match="policy desk still sends to a-model"):
        await world.backends.reconcile("a")
    assert world.children() == {"Deployment", "Service"}, "the table names it"
    status = world.api.stored["ModelBackend", "a"]["status"]
    assert status["observedGeneration"] == 2, "it says how it is meanwhile"

    await world.policies.reconcile()
    with pytest.raises(Waiting, match="policy desk still sends to a-model"):
        await world.backends.reconcile("a")
    assert world.children() == {"Deployment", "Service"}, "a router runs what was before"

    world.routers_follow()
    await world.backends.reconcile("a")
    assert world.children() == set()


async def test_an_operator_that_has_heard_no_router_yet_takes_nothing() -> None:
    """It began a moment ago."""
    world = World()
    await world.deployed()
    world.api.put(backend("a", generation=2, **MOVED))
    await world.policies.reconcile()
    world.running = None
    with pytest.raises(Waiting, match="not every router has said yet"):
        await world.backends.reconcile("a")

    assert world.children() == {"Deployment", "Service"}


async def test_what_a_router_runs_is_read_once() -> None:
    """It is asked again and again while some router is behind."""
    world = World()
    await world.deployed()
    world.api.put(backend("a", generation=2, **MOVED))
    await world.policies.reconcile()
    reads: list[Kind] = []
    for _ in range(3):
        reads.clear()
        world.api.hook = lambda what, kind: reads.append(kind) if what == "get" else None
        with pytest.raises(Waiting, match="policy desk still sends to a-model"):
            await world.backends.reconcile("a")

    assert reads.count(CONFIG_MAP) == 1, "the manifest, which can be another one"


async def test_nobody_is_asked_about_its_own_service() -> None:
    """Who wants what was deployed as a Service of his own would wait for himself."""
    world = World()
    await world.deployed()
    world.api.put(backend("a", generation=2, service={"name": "a-model", "port": 80}))
    await world.backends.reconcile("a")

    assert world.children() == set()


def test_what_routers_run_is_not_known_before_they_are() -> None:
    """Otherwise a new operator would take that for nothing."""
    assert RouterFleet(SETTINGS, lambda: None).running() is None
