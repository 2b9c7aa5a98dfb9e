"""What reconciles read: never older than what an event named, and no more than it named."""

import asyncio
import copy
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api import names
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.mirror import MOST_READS, Mirror
from pointsman.operator.cluster.tables import manifest_name
from pointsman.operator.errors import Waiting
from pointsman.operator.running import Operator
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE, backend

SETTINGS = Settings(namespace=NAMESPACE, router_selector="app=router,tier=edge")
BACKENDS = kinds.MODEL_BACKEND


class World:
    """An API server that hands out copies, as a real one does, and a mirror of it."""

    def __init__(self, count: int = 0) -> None:
        self.api = FakeApi(self._ask)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.down = False
        for number in range(count):
            self.api.put(backend(f"b{number}"))
        self.mirror = Mirror(self.api, SETTINGS)

    def _ask(self, verb: str, kind: Kind) -> None:
        if self.down:
            raise Waiting("refused")
        self.asked[verb, kind.name] += 1

    def item(self, name: str, kind: str = "ModelBackend") -> Object:
        return self.api.stored[kind, name]

    def event(self, name: str, kind: Kind = BACKENDS) -> bool:
        """As the API server tells of it; whether that is news."""
        item = self.api.stored.get((kind.name, name))
        if item is None:
            self.mirror.deleted(kind.plural, name)
            return True
        about = item["metadata"]
        labels = about.get("labels") or {}
        return self.mirror.touch(kind.plural, name, about["resourceVersion"], labels)

    def seen(self) -> dict[str, Object]:
        found = asyncio.run(self.mirror.list_all(BACKENDS))
        return {item["metadata"]["name"]: item for item in found}

    def stored(self) -> dict[str, Object]:
        return {name: one for (kind, name), one in self.api.stored.items() if kind == BACKENDS.name}


def test_an_event_costs_one_read_whatever_the_fleet() -> None:
    """A hundred objects are listed once; each edit then reads the one that it names."""
    world = World(100)
    world.seen()
    world.asked.clear()

    world.api.put(backend("b7", generation=2))
    world.event("b7")

    assert world.seen() == world.stored()
    assert world.asked == {("get", "ModelBackend"): 1}


def test_a_new_listing_finds_what_was_deleted_while_nobody_watched() -> None:
    """kopf lists anew after a 410 and tells of what is there: nothing names what has gone."""
    world = World(3)
    world.seen()
    del world.api.stored["ModelBackend", "b1"]
    world.mirror.hear(BACKENDS.plural, None, world.item("b0")["metadata"])

    assert world.seen() == world.stored()


def test_many_events_cost_one_list() -> None:
    world = World(100)
    world.seen()
    world.asked.clear()
    for number in range(MOST_READS + 1):
        world.api.put(backend(f"b{number}", generation=2))
        world.event(f"b{number}")

    assert world.seen() == world.stored()
    assert world.asked == {("list", "ModelBackend"): 1}


def test_the_echo_of_an_own_write_costs_nothing() -> None:
    world = World(3)
    world.seen()
    world.asked.clear()
    world.api.put({**world.item("b1"), "status": {"queueDepth": 1}})
    world.mirror.note(BACKENDS, "b1", copy.deepcopy(world.item("b1")))

    assert not world.event("b1")
    assert world.seen() == world.stored()
    assert not world.asked
    world.api.put({**world.item("b1"), "status": {"queueDepth": 2}})
    assert world.event("b1"), "somebody else's"


def test_what_did_not_change_stays_the_same_object() -> None:
    """So that whoever made something of it need not make it anew."""
    world = World(2)
    before = world.seen()

    world.mirror.spoil()
    world.api.stored = copy.deepcopy(world.api.stored)
    after = world.seen()

    assert all(after[name] is before[name] for name in before)


def test_what_was_deleted_is_gone_and_what_took_its_name_is_there() -> None:
    world = World(2)
    world.seen()
    del world.api.stored["ModelBackend", "b0"]
    world.event("b0")
    assert sorted(world.seen()) == ["b1"]

    del world.api.stored["ModelBackend", "b1"]
    world.api.put({**backend("b1"), "metadata": {"name": "b1", "uid": "another"}})
    world.event("b1")

    assert world.seen()["b1"]["metadata"]["uid"] == "another"


def test_a_lost_event_is_repaired_by_a_full_look() -> None:
    world = World(2)
    world.seen()
    world.api.put(backend("b0", generation=5), backend("new"))
    del world.api.stored["ModelBackend", "b1"]

    assert sorted(world.seen()) == ["b0", "b1"]
    world.mirror.spoil()
    assert world.seen() == world.stored()


def test_a_failed_read_is_made_good_by_the_next() -> None:
    """Neither a list nor a single read that failed may pass for what is stored."""
    world = World(2)
    world.down = True
    with pytest.raises(Waiting):
        world.seen()
    world.down = False
    world.seen()
    world.api.put(backend("b1", generation=2))
    world.event("b1")
    world.down = True
    with pytest.raises(ExceptionGroup):
        world.seen()
    world.down = False

    assert world.seen() == world.stored()


def test_a_write_of_which_no_answer_came_is_read_again() -> None:
    world = World(1)
    world.seen()
    world.api.put(backend("b0", generation=2))
    world.mirror.doubt(BACKENDS, "b0")

    assert world.seen() == world.stored()


def test_a_restored_backup_is_believed() -> None:
    """Versions may go back, once: what is read counts, not what is newer."""
    world = World(1)
    world.seen()
    old = copy.deepcopy(world.item("b0"))
    old["metadata"]["resourceVersion"] = "0"
    old["spec"]["model"] = "of-the-backup"
    world.api.stored["ModelBackend", "b0"] = old
    world.mirror.spoil()

    assert world.seen()["b0"]["spec"]["model"] == "of-the-backup"


def test_a_write_during_a_list_is_not_undone_by_it() -> None:
    """The list may have been made before the write, and arrive after its answer."""
    world = World(1)

    class Slow(FakeApi):
        async def list_all(self, kind: Kind, selector: str = "") -> list[Object]:
            found = copy.deepcopy(await super().list_all(kind, selector))
            self.put(backend("b0", generation=9), backend("made"))
            for name in ("b0", "made"):
                mirror.note(kind, name, copy.deepcopy(self.stored["ModelBackend", name]))
            return found

    api = Slow()
    api.put(backend("b0"))
    mirror = Mirror(api, SETTINGS)
    world.api, world.mirror = api, mirror

    assert sorted(world.seen()) == ["b0", "made"]
    assert world.seen()["b0"]["metadata"]["generation"] == 9


def router(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels}}


def test_routers_and_model_servers_are_read_apart() -> None:
    world = World()
    world.api.put(
        router("r1", app="router", tier="edge"),
        router("other", app="router"),
        router("m1", **{names.LABEL_BACKEND: "a"}),
    )

    async def pods(selector: str) -> list[str]:
        found = await world.mirror.list_all(kinds.POD, selector)
        return [item["metadata"]["name"] for item in found]

    assert asyncio.run(pods(f"{names.LABEL_BACKEND}=a")) == ["m1"]
    assert asyncio.run(pods(f"{names.LABEL_BACKEND}=b")) == []
    world.api.put(router("m2", **{names.LABEL_BACKEND: "b"}))
    world.event("m2", kinds.POD)
    assert asyncio.run(pods(f"{names.LABEL_BACKEND}=b")) == ["m2"]
    world.asked.clear()
    asyncio.run(pods(f"{names.LABEL_BACKEND}=a"))
    assert not world.asked


def test_a_pod_that_is_no_router_any_more_leaves() -> None:
    world = World()
    world.api.put(router("r1", app="router", tier="edge"))

    async def routers() -> list[str]:
        found = await world.mirror.list_all(kinds.POD, SETTINGS.router_selector)
        return [item["metadata"]["name"] for item in found]

    world.mirror.spoil()
    world.api.put(router("r2", app="router", tier="edge"))
    assert asyncio.run(routers()) == ["r1", "r2"]
    world.api.put(router("r2", app="router", tier="core"))
    world.event("r2", kinds.POD)
    assert asyncio.run(routers()) == ["r1"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "delete", "own", "event", "look", "spoil", "doubt"]),
        st.integers(0, 20),
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_when_all_events_have_come_it_is_what_is_stored(steps: list[tuple[str, int]]) -> None:
    """Whatever was edited, written, lost and told in whatever order before."""
    world = World(5)
    for what, number in steps:
        name = f"b{number}"
        match what:
            case "edit":
                world.api.put(backend(name))
            case "delete":
                world.api.stored.pop(("ModelBackend", name), None)
            case "own":
                world.api.put(backend(name))
                world.mirror.note(BACKENDS, name, copy.deepcopy(world.item(name)))
            case "event":
                world.event(name)
            case "look":
                world.seen()
            case "spoil":
                world.mirror.spoil()
            case "doubt":
                world.mirror.doubt(BACKENDS, name)
    for number in range(21):
        world.event(f"b{number}")

    assert world.seen() == world.stored()


@pytest.mark.slow
async def test_a_full_resync_lists_the_backends_once() -> None:
    """Whoever reads them first, reads them for the keys and for the table."""
    world = World(2)
    operator = Operator(world.api, SETTINGS, 1)
    manifest = "ConfigMap", manifest_name(SETTINGS.release)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            operator.queue.start(group)
            operator.fleet.start(group, 1)
            await operator.resync.run()

    running = asyncio.create_task(run())
    async with asyncio.timeout(30):
        while manifest not in world.api.stored or "status" not in world.item("b1"):  # noqa: ASYNC110 - a deadline is around it
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])

    assert world.asked["list", BACKENDS.name] == 1
