"""A change of weights from the edit to table and status, with the API server in memory."""

import base64
from typing import Any

import pytest

from pointsman.api import table
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.tables import SHIFTS
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import READ_S, Shifter
from pointsman.operator.errors import Stalled
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.shifting import DEADLINE_S, Capacity
from tests.operator.fake_api import FakeApi
from tests.operator.learning import idle_learner
from tests.operator.objects import backend, policy, rule, target
from tests.operator.reconciling import reconcile_twice
from tests.operator.test_controllers import MANIFEST, SETTINGS, Fleet, manifest

pytestmark = pytest.mark.usefixtures("logged")
SCALING = {"maxReplicas": 8, "targetRequests": 8}


class Routers(Fleet):
    """One router, which acknowledges everything and has a load."""

    def __init__(self, api: FakeApi) -> None:
        super().__init__(api)
        self.load: dict[str, int] | None = {}
        self.unreachable: frozenset[str] = frozenset()
        self.told: table.Served = {}

    def totals(self) -> dict[str, int] | None:
        return self.load

    def served(self) -> dict[str, table.Served]:
        return {"r1": self.told}

    def views(self) -> list[RouterView]:
        (view,) = super().views()
        return [
            RouterView(
                pod="r1", acks=view.acks, position=view.position, unreachable=self.unreachable
            )
        ]


class World:
    """Backends `a` with 4 ready replicas and 16 requests, `b` with one, and the time."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.api = FakeApi(self._count)
        self.routers = Routers(self.api)
        self.routers.load = {"a": 16}
        self.ready = {"a": 4, "b": 0}
        self.now_s = 1_800_000_000.0
        self.due = 0
        self.api.put(backend("a", scaling=SCALING), backend("b", scaling=SCALING))
        self.begin()

    def _count(self, what: str, kind: Kind) -> None:
        if what not in {"get", "list"}:
            self.writes.append(f"{what} {kind.name}")

    def begin(self) -> None:
        """Another process: it knows what is stored."""
        self.shifter = Shifter(
            self.routers,
            self._capacity,
            self._on_due,
            clock=lambda: self.now_s,
            monotonic=lambda: self.now_s,
        )
        roller = Roller(self.routers, self._on_due, self.shifter.scene)
        self.controller = PolicyController(
            self.api, SETTINGS, self.routers, self.shifter, learner=idle_learner(), roller=roller
        )

    def _capacity(self, name: str) -> Capacity | None:
        return Capacity(self.ready[name], 8, 1, 8) if name in self.ready else None

    def _on_due(self) -> None:
        self.due += 1

    async def edit(self, *rules: dict[str, Any], **weights: int) -> None:
        """The policy with these weights; reconciled."""
        stored = self.api.stored.get(("RoutingPolicy", "desk"), {})
        generation = stored.get("metadata", {}).get("generation", 0) + 1
        default = {"targets": [target(name, weight) for name, weight in weights.items()]}
        item = policy(default=default, generation=generation, rules=rules)
        self.api.put({**item, "status": stored["status"]} if "status" in stored else item)
        await self.reconcile()

    async def reconcile(self) -> None:
        """Routers answer in between."""
        await reconcile_twice(self.controller, self.api)

    async def pass_time(self, seconds: float) -> None:
        """Look each 2 s, reconcile what is asked for."""
        for _ in range(int(seconds // 2)):
            self.now_s += 2
            self.shifter.tick()
            if self.due:
                self.due = 0
                await self.reconcile()

    def parts(self) -> dict[str, int]:
        """What routers are told: percent by backend."""
        stored = manifest(self.api)
        assert stored
        digest = stored.policies[0].blob
        item = self.api.stored["ConfigMap", f"{SETTINGS.release}-table-{digest[:12]}"]
        blob = table.decode_blob(table.unpack(base64.b64decode(item["binaryData"]["blob"]), digest))
        (route,) = blob.routes
        assert {one.backend for one in route.targets} <= blob.backends.keys()
        total = sum(one.weight for one in route.targets)
        return {one.backend: round(100 * one.weight / total) for one in route.targets}

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.stored["RoutingPolicy", "desk"]["status"]
        return found

    def says(self, kind: str) -> tuple[str, str, str]:
        one = next(c for c in self.status["conditions"] if c["type"] == kind)
        return one["status"], one["reason"], one["message"]


@pytest.fixture
async def world() -> World:
    """All goes to `a`."""
    made = World()
    await made.edit(a=1)
    await made.pass_time(60)
    assert made.says("Progressing")[:2] == ("False", "WeightsInForce")
    assert made.says("Ready")[0] == "True"
    return made


async def test_replicas_are_raised_before_traffic_which_then_follows_them(world: World) -> None:
    """From the edit to the last step; status tells how far, and Ready waits for the end."""
    await world.edit(b=1)
    assert world.parts() == {"b": 0, "a": 100}
    assert world.shifter.floor("b") == 4
    status, reason, message = world.says("Progressing")
    assert (status, reason) == ("True", "WaitingForCapacity")
    assert "b has 0 of 4 replicas ready" in message
    assert world.says("Ready")[:2] == ("False", "WaitingForCapacity")
    assert world.status["shift"]["percent"] == 0
    seen = [0]
    for ready in (1, 2, 3, 4):
        world.ready["b"] = ready
        await world.pass_time(4)
        seen.append(world.parts()["b"])
        if ready < 4:
            weights = {one["backend"]: one for one in world.status["shift"]["weights"]}
            assert weights["b"] == {
                "rule": "default", "backend": "b", "desired": 100, "inForce": seen[-1],
            }  # fmt: skip

    assert seen == sorted(seen)
    assert 0 < seen[1] < seen[2] < 100
    assert world.parts() == {"b": 100}
    assert world.says("Ready")[0] == "True"
    assert "shift" not in world.status
    assert world.shifter.floor("b") == 4
    world.routers.load = {"b": 16}
    await world.pass_time(70)
    assert world.shifter.floor("b") == 0
    assert SHIFTS not in world.api.stored["ConfigMap", MANIFEST]["binaryData"]


async def test_an_operator_that_restarts_goes_on_where_it_was(world: World) -> None:
    """From what is stored: the share stays, and so do the replicas that are wanted."""
    await world.edit(b=1)
    world.ready["b"] = 2
    await world.pass_time(4)
    half, since = world.parts(), world.status["shift"]["startTime"]
    assert 0 < half["b"] < 100
    del world.ready["b"]
    world.routers.load = None
    world.begin()
    await world.reconcile()
    await world.pass_time(20)

    assert world.parts() == half
    assert world.shifter.floor("b") == 4
    world.routers.load = {"a": 8, "b": 8}
    world.ready["b"] = 4
    await world.pass_time(4)
    assert world.parts() == {"b": 100}
    assert since


async def test_taking_an_edit_back_drains(world: World) -> None:
    """The old backend is ready, so all goes back at once, and no replica is wanted any more."""
    await world.edit(b=1)
    world.ready["b"] = 2
    await world.pass_time(4)
    assert 0 < world.parts()["b"] < 100
    await world.edit(a=1)

    assert world.parts() == {"a": 100}
    assert world.says("Progressing")[:2] == ("False", "WeightsInForce")
    assert world.shifter.floor("b") == 0


async def test_another_edit_goes_on_from_what_is_in_force(world: World) -> None:
    """Neither from the old weights nor from those that were never reached."""
    world.api.put(backend("c", scaling=SCALING))
    world.ready["c"] = 0
    await world.edit(b=1)
    world.ready["b"] = 2
    await world.pass_time(4)
    half = world.parts()
    await world.edit(c=1)

    assert world.parts() == {"c": 0, **half}
    assert world.shifter.floor("c") == 4


@pytest.mark.parametrize(("task", "floor"), [("Coding", 1), ("Chat", 4)])
async def test_a_rule_with_little_traffic_needs_little(world: World, task: str, floor: int) -> None:
    """By what routers counted of it; nothing is known of a rule that matches others from now on."""
    await world.edit(rule("code", {"task": ["Coding"]}, "a"), a=1)
    for second in range(60):
        ended = {
            "code": {"a": (second * 10, second * 0.8)},
            "default": {"a": (second, second * 15.0)},
        }
        world.routers.told = {"desk": ended}
        await world.pass_time(2)
    await world.edit(rule("code", {"task": [task]}, "b"), a=1)

    assert world.shifter.floor("b") == floor


async def test_a_new_policy_does_not_wait() -> None:
    """Nothing was answered before it."""
    world = World()
    world.ready["b"] = 0
    await world.edit(b=1)

    assert world.parts() == {"b": 100}
    assert world.says("Ready")[0] == "True"


@pytest.mark.slow
async def test_replicas_that_never_come_are_said_to_be_late(world: World) -> None:
    """Traffic stays where it is answered, and a person is told what can be done."""
    await world.edit(b=1)
    world.ready["b"] = 1
    await world.pass_time(4)
    some = world.parts()
    await world.pass_time(DEADLINE_S + 10)

    assert world.parts() == some
    status, reason, message = world.says("Progressing")
    assert (status, reason) == ("False", "DeadlineExceeded")
    assert "b has 1 of 4 replicas ready" in message
    assert "maxReplicas" in message
    assert world.says("Stalled")[0] == "True"
    world.ready["b"] = 4
    await world.pass_time(4)
    assert world.parts() == {"b": 100}
    assert world.says("Ready")[0] == "True"


async def test_a_giver_that_fails_ends_the_wait(world: World) -> None:
    """Whoever answers nobody is not kept in use."""
    await world.edit(b=1)
    assert world.parts()["b"] == 0
    world.ready["a"] = 0
    await world.pass_time(4)

    assert world.parts() == {"b": 100}


async def test_a_giver_that_is_deleted_ends_the_wait(world: World) -> None:
    """Its event reconciles the table."""
    await world.edit(b=1)
    del world.api.stored["ModelBackend", "a"]
    await world.reconcile()

    assert world.parts() == {"b": 100}


async def test_a_giver_that_the_operator_does_not_scale_is_read_again(world: World) -> None:
    """Its status says that it answers nobody: no event of the table comes of that."""
    world.api.put(backend("s", service={"name": "s", "port": 80}))
    await world.edit(s=1)
    await world.edit(b=1)
    assert world.parts()["b"] == 0
    unavailable = {"type": "Available", "status": "False"}
    stored = world.api.stored["ModelBackend", "s"]
    world.api.stored["ModelBackend", "s"] = stored | {"status": {"conditions": [unavailable]}}
    await world.pass_time(READ_S + 4)

    assert world.parts() == {"b": 100}


async def test_a_shift_costs_few_writes(world: World) -> None:
    """A load that changes all the time, replicas that come one by one: eleven tables, no more."""
    world.writes.clear()
    await world.edit(b=1)
    for second in range(0, 240, 2):
        world.routers.load = {"a": 12 + second % 9}
        world.ready["b"] = second // 48
        await world.pass_time(2)
    tables = [one for one in world.writes if one == "replace ConfigMap"]

    assert world.parts() == {"b": 100}
    assert len(tables) <= 13
    assert len(world.writes) <= 60
    world.writes.clear()
    await world.pass_time(300)
    assert len(world.writes) <= 1, "the end of what was kept for the stable window"


async def test_a_table_that_cannot_be_written_keeps_the_old_shift(world: World) -> None:
    """A blob is refused: what is in force stays so, and is gone on with later."""
    await world.edit(b=1)
    stored = world.api.stored["ConfigMap", MANIFEST]

    def refuse(what: str, kind: Kind) -> None:
        if (what, kind.name) == ("create", "ConfigMap"):
            raise Stalled("403: exceeded quota")

    world.api.hook = refuse
    world.ready["b"] = 2
    with pytest.raises(ExceptionGroup):
        await world.controller.reconcile()
    assert world.api.stored["ConfigMap", MANIFEST]["binaryData"] == stored["binaryData"]
    assert world.parts()["b"] == 0
    world.api.hook = world._count
    await world.reconcile()
    assert 0 < world.parts()["b"] < 100


async def test_a_refused_edit_does_not_stop_a_shift(world: World) -> None:
    """What was accepted last goes on."""
    await world.edit(b=1)
    await world.edit(missing=1)
    assert world.says("Accepted")[0] == "False"
    world.ready["b"] = 4
    await world.pass_time(4)

    assert world.parts() == {"b": 100}


@pytest.mark.parametrize("data", ["", "%", base64.b64encode(b"\xff").decode()])
async def test_a_stored_shift_of_any_bytes_counts_as_none(world: World, data: str) -> None:
    """One edit by hand stops nothing: all of the weights are in force."""
    await world.edit(b=1)
    world.api.stored["ConfigMap", MANIFEST]["binaryData"][SHIFTS] = data
    world.begin()
    await world.reconcile()

    assert world.parts() == {"b": 100}


async def test_another_policy_of_the_name_begins_anew(world: World) -> None:
    """Deleted and made again while the operator was away: nothing of it waits."""
    await world.edit(b=1)
    item = policy(default={"targets": [target("b")]}, generation=1)
    world.api.put({**item, "metadata": {**item["metadata"], "uid": "other"}})
    world.begin()
    await world.reconcile()

    assert world.parts() == {"b": 100}


async def test_a_router_without_an_endpoint_is_waited_for(world: World) -> None:
    """Ready is not reached yet: it would answer 503."""
    await world.edit(b=1)
    world.ready["b"] = 4
    world.routers.unreachable = frozenset({"b"})
    await world.pass_time(10)
    assert world.parts()["b"] == 0
    world.routers.unreachable = frozenset()
    await world.pass_time(4)

    assert world.parts() == {"b": 100}
