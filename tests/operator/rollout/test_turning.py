"""One rollout at a time to one backend: the others wait, and each has its turn."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.operator.plan.rollout.turning import Claim, turns
from tests.operator.objects import policy, route
from tests.operator.rollout.world import ROLLOUT, World
from tests.operator.test_controllers import manifest
from tests.support.conditions import assert_well_formed

pytestmark = pytest.mark.usefixtures("logged")


def claim(name: str, began_s: float, backends: str, *, goes: bool = False) -> Claim:
    return Claim(policy=name, began_s=began_s, backends=frozenset(backends), goes=goes)


def test_no_younger_one_takes_a_place_that_an_older_one_needs() -> None:
    """Else the one that needs two backends would wait for ever."""
    found = turns(
        [
            claim("running", 1, "b", goes=True),
            claim("both", 2, "bc"),
            claim("young", 3, "c"),
            claim("other", 4, "d"),
        ],
        most=32,
        most_each=1,
    )

    assert found == {
        "both": "it waits for its turn at b, after running",
        "young": "it waits for its turn at c, after both",
    }


def test_whoever_waits_for_a_person_keeps_no_place() -> None:
    """It has not begun, so nothing is lost by letting others pass."""
    paused = Claim(policy="paused", began_s=1, backends=frozenset("b"), goes=False, paused=True)

    assert turns([paused, claim("next", 2, "b")], most=32, most_each=1).keys() == {"paused"}
    assert turns([paused], most=32, most_each=1) == {}


JOBS = st.lists(
    st.tuples(st.frozensets(st.sampled_from("abcde")), st.integers(1, 5), st.integers(0, 12)),
    min_size=1, max_size=24,
)  # fmt: skip


@given(jobs=JOBS, most=st.integers(1, 5), most_each=st.integers(1, 3))
@settings(deadline=None)
def test_each_has_its_turn_and_no_bound_is_broken(
    jobs: list[tuple[frozenset[str], int, int]], most: int, most_each: int
) -> None:
    """Jobs come in, last some looks, and end: all of them, and none is passed by where it waits."""
    left = {f"p{n:02}": lasts for n, (_, lasts, _) in enumerate(jobs)}
    comes = {f"p{n:02}": (float(at), backends) for n, (backends, _, at) in enumerate(jobs)}
    begun: list[str] = []
    for now in range(13 + 6 * len(jobs)):
        there = [name for name in left if comes[name][0] <= now]
        claims = [claim(n, *_pair(comes[n]), goes=n in begun) for n in there]
        waits = turns(claims, most=most, most_each=most_each)
        begun += sorted((n for n in there if n not in waits and n not in begun),
                        key=lambda n: (comes[n][0], n))  # fmt: skip
        going = [name for name in begun if name in left]
        counts = Counter(backend for name in going for backend in comes[name][1])
        assert len(going) <= most
        assert max(counts.values(), default=0) <= most_each
        assert going or not there, "somebody always goes"
        for name in going:
            left[name] -= 1
            if not left[name]:
                del left[name]
        if not left:
            break
    assert left == {}
    if most_each == 1:
        order = {name: place for place, name in enumerate(begun)}
        for one in begun:
            for other in begun:
                if comes[one][0] < comes[other][0] and comes[one][1] & comes[other][1]:
                    assert order[one] < order[other]


def _pair(come: tuple[float, frozenset[str]]) -> tuple[float, str]:
    return come[0], "".join(sorted(come[1]))


class Desks(World):
    """Policies p0 to p3, each with a candidate at `b`."""

    names_ = ("p0", "p1", "p2", "p3")

    async def reconcile(self) -> None:
        for _ in range(2):
            await self.controller.reconcile()

    async def begin_all(self) -> None:
        for name in self.names_:
            self.api.put(policy(name, model_names=(name,)))
        await self.reconcile()
        for name in reversed(self.names_):
            self.now_s += 60
            self.put(name, "b", generation=2)
            await self.reconcile()

    def put(self, name: str, to: str, *, generation: int) -> None:
        item = policy(
            name, model_names=(name,), default=route(to), generation=generation, rollout=ROLLOUT
        )
        stored = self.api.stored["RoutingPolicy", name]
        self.api.put({**item, "status": stored.get("status", {})})

    def trying(self) -> list[str]:
        stored = manifest(self.api)
        assert stored
        return [one.name for one in stored.policies if one.candidate]

    def of(self, name: str) -> dict[str, str]:
        item = self.api.stored["RoutingPolicy", name]
        generation = item["metadata"]["generation"]
        assert_well_formed(item["status"], generation=generation)
        found: dict[str, str] = item["status"]["rollout"]
        return found


async def test_policies_take_turns_at_a_backend_the_oldest_edit_first() -> None:
    """Each says after whom; another process knows the order as well."""
    world = Desks()
    await world.begin_all()
    assert world.trying() == ["p3"]
    assert world.of("p2")["phase"] == "Waiting"
    assert "it waits for its turn at b, after p3" in world.of("p2")["message"]
    assert world.events().count("RolloutBegun") == 1
    assert world.events().count("RolloutWaiting") == 3
    world.begin()
    await world.reconcile()
    assert world.trying() == ["p3"]
    for ended, comes in (("p3", "p2"), ("p2", "p1"), ("p1", "p0")):
        world.put(ended, "a", generation=3)
        await world.reconcile()
        await world.look(4)
        assert world.trying() == [comes]
    assert world.of("p0")["phase"] == "Progressing"


async def test_two_at_once_where_it_is_allowed() -> None:
    """operator.rolloutsPerBackend."""
    world = Desks(most_each=2)
    await world.begin_all()

    assert world.trying() == ["p2", "p3"]


async def test_who_waits_can_be_aborted_and_lets_the_next_pass() -> None:
    """As one that has begun."""
    world = Desks()
    await world.begin_all()
    item = world.api.stored["RoutingPolicy", "p2"]
    said = {"pointsman.dev/rollout-abort": item["status"]["candidateRevision"]}
    world.api.put({**item, "metadata": {**item["metadata"], "annotations": said}})
    await world.reconcile()
    world.put("p3", "a", generation=3)
    await world.reconcile()
    await world.look(4)

    assert world.of("p2")["phase"] == "Aborted"
    assert world.trying() == ["p1"]
