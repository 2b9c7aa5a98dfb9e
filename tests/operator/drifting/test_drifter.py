"""What acts on the detectors: state that survives, a status that is true, and no crash loop."""

import asyncio
import base64
from collections.abc import Iterator, Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.operator import metrics
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Broken, Conflict, ReconcileError, Stalled, Waiting
from pointsman.operator.plan.drifting.record import Record, dump
from pointsman.operator.plan.drifting.traffic import LATE_MS, WINDOW_MS, Named, Window
from tests.operator.drifting.runs import BEGIN_MS, HOUR_MS, model_run
from tests.operator.drifting.test_traffic import SLOW, USUAL
from tests.operator.drifting.watched import CONFIG_MAP, World

HEALTHY = [model_run(n, prompts=20) for n in range(5)]
LOST = {"Coding": 0.8}
WORSE = [model_run(n, prompts=20, lost=LOST) for n in range(5, 8)]


@pytest.fixture
def world() -> Iterator[World]:
    """Watched, and nothing is known yet."""
    made = World()
    yield made
    made.drifter.forget("a")


def gauges() -> set[tuple[str, str]]:
    """(task, direction) of backend a."""
    return {
        (sample.labels["task"], sample.labels["direction"])
        for metric in metrics.DRIFTED.collect()
        for sample in metric.samples
        if sample.labels["backend"] == "a" and sample.value == 1
    }


async def test_a_backend_that_becomes_worse(world: World) -> None:
    """Condition, status, Event and metric, from NoBaseline on."""
    await world.reconcile()
    assert world.so == ("Unknown", "NoBaseline")
    await world.take(HEALTHY)
    assert world.so == ("False", "Steady")
    assert "drift" not in world.status
    assert gauges() == set()
    await world.take(WORSE)

    assert world.so == ("True", "Worse")
    assert "pointsman.dev/drift-rebaseline" in world.condition["message"]
    coding = next(one for one in world.status["drift"] if one["task"] == "Coding")
    assert coding["direction"] == "Worse"
    assert ("Coding", "Worse") in gauges()
    drifted = [one for one in world.events() if one[1] == "Drifted"]
    assert {kind for kind, _, _ in drifted} == {"Warning"}
    assert any(note.startswith("Coding: worse") for _, _, note in drifted)
    ready = next(c for c in world.status["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True", "it is neutral"


async def test_who_does_not_ask_has_no_condition() -> None:
    """Without a suite and spec.drift, and with mode None; and nothing is stored."""
    world = World(suite=False)
    world.apply(None)
    await world.reconcile()
    assert world.condition == {}
    world.apply({"mode": "None"})
    await world.reconcile()
    assert world.condition == {}
    world = World(mode="None")
    await world.reconcile()
    await world.take(HEALTHY)
    assert world.condition == {}
    assert ("ConfigMap", CONFIG_MAP) not in world.api.stored


async def test_a_backend_with_a_suite_is_watched_without_asking() -> None:
    """Without spec.drift; once the suite is gone, too, its runs say nothing any more."""
    world = World()
    world.apply(None)
    await world.take([*HEALTHY, *WORSE])
    assert world.so == ("True", "Worse")
    world.drifter.forget("a")
    alone = World(suite=False)
    await alone.take(HEALTHY)
    await alone.reconcile()
    assert alone.so == ("Unknown", "NoBaseline")
    assert alone.condition["message"] == "no traffic was seen yet, and there is no spec.evaluation"


async def test_what_is_no_longer_asked_for_is_no_longer_said(world: World) -> None:
    """Condition, fields and metric go; asked for again, what was known is there."""
    await world.take([*HEALTHY, *WORSE])
    world.apply({"mode": "None"})
    await world.reconcile()
    assert world.condition == {}
    assert "drift" not in world.status
    assert gauges() == set()
    world.apply({})
    await world.reconcile()
    assert world.so == ("True", "Worse")


async def test_the_state_belongs_to_the_backend(world: World) -> None:
    """The garbage collector has it when the backend goes."""
    await world.take(HEALTHY[:1])
    owner = world.config_map["metadata"]["ownerReferences"]

    assert [(one["kind"], one["uid"], one["controller"]) for one in owner] == [
        ("ModelBackend", "uid-a", True)
    ]
    assert world.config_map["metadata"]["labels"]["pointsman.dev/drift"] == "a"


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(restarts=st.lists(st.booleans(), min_size=8, max_size=8), twice=st.integers(0, 7))
async def test_a_restart_between_any_two_runs_makes_no_difference(
    restarts: list[bool], twice: int
) -> None:
    """And a run that is told again neither."""
    plain, torn = World(), World()
    await plain.take([*HEALTHY, *WORSE])
    for index, run in enumerate([*HEALTHY, *WORSE]):
        await torn.take([run], restarts=restarts[index])
        if index == twice:
            await torn.take([run], restarts=not restarts[index])
    await torn.reconcile()

    assert torn.config_map["binaryData"] == plain.config_map["binaryData"]
    assert torn.status["drift"] == plain.status["drift"]
    assert torn.events() == plain.events()
    for one in (plain, torn):
        one.drifter.forget("a")


async def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    """Reconciles, ticks, and runs that were taken already."""
    await world.take([*HEALTHY, *WORSE])
    await world.reconcile()
    world.writes.clear()
    for _ in range(3):
        await world.reconcile()
        await world.tick(60)
        await world.take([*HEALTHY, *WORSE])

    assert world.writes == []


async def test_a_run_costs_two_writes(world: World) -> None:
    """The record and the status; no Event for what is as it was."""
    await world.take(HEALTHY)
    world.writes.clear()
    await world.take([model_run(5, prompts=20)])

    assert world.writes.count("replace ConfigMap") == 1
    assert set(world.writes) <= {"replace ConfigMap", "status ModelBackend"}


@pytest.mark.parametrize("error", [Waiting("500"), Stalled("403: exceeded quota")])
async def test_a_record_that_cannot_be_stored_is_stored_later(
    world: World, error: ReconcileError
) -> None:
    """Meanwhile the status says so; no run is lost, and nothing is raised."""

    def refuse(what: str, kind: Kind) -> None:
        if kind.name == "ConfigMap" and what != "get":
            raise error

    world.fault = refuse
    await world.take([*HEALTHY, *WORSE])
    assert world.so == ("True", "Worse")
    assert f"not stored: {error}" in world.condition["message"]
    assert ("ConfigMap", CONFIG_MAP) not in world.api.stored
    world.fault = lambda _what, _kind: None
    await world.tick(30)
    assert "not stored" not in world.condition["message"]
    world.begin()
    await world.reconcile()
    assert world.so == ("True", "Worse")


async def test_runs_wait_until_the_record_can_be_read(world: World) -> None:
    """An API server that is away when the first run ends after a restart."""
    await world.take(HEALTHY)
    world.begin()

    def refuse(_what: str, kind: Kind) -> None:
        if kind.name == "ConfigMap":
            raise Waiting("away")

    world.fault = refuse
    await world.take(WORSE)
    await world.reconcile()
    assert world.so == ("Unknown", "NoBaseline")
    assert "cannot be read" in world.condition["message"]
    world.fault = lambda _what, _kind: None
    await world.tick(30)

    assert world.so == ("True", "Worse")


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        "!",
        base64.b64encode(b"no gzip").decode(),
        base64.b64encode(dump(Record(uid="x"))[:-9]).decode(),
    ],
)
async def test_damage_is_said_once_and_it_begins_anew(world: World, data: str) -> None:
    """Never a crash loop: a Warning, a metric, NoBaseline with the reason, then a new baseline."""
    await world.take([*HEALTHY, *WORSE])
    world.config_map["binaryData"]["record"] = data
    lost = metrics.DRIFT_STATES_LOST._value.get()
    for _ in range(3):
        world.begin()
        await world.reconcile()
        assert world.so == ("Unknown", "NoBaseline")
        assert "what was stored cannot be read" in world.condition["message"]
    told = [one for one in world.events() if one[1] == "DriftStateLost"]
    assert [kind for kind, _, _ in told] == ["Warning"]
    assert metrics.DRIFT_STATES_LOST._value.get() == lost + 1
    await world.take([model_run(n, prompts=20) for n in range(20, 25)])

    assert world.so == ("False", "Steady")


async def test_a_config_map_of_somebody_else_is_left_alone(world: World) -> None:
    """It is named in the message."""
    about = {"name": CONFIG_MAP, "labels": {}}
    world.api.put({"kind": "ConfigMap", "metadata": about, "data": {"a": "b"}})
    await world.take(HEALTHY)
    await world.reconcile()

    assert world.so == ("Unknown", "NoBaseline")
    assert 'ConfigMap "a-drift" belongs to someone else' in world.condition["message"]
    assert world.config_map["data"] == {"a": "b"}


async def test_another_backend_of_that_name_begins_anew(world: World) -> None:
    """Runs of its predecessor are not its own, and its record becomes the new one's."""
    await world.take([*HEALTHY, *WORSE])
    world.apply({}, uid="uid-b")
    await world.reconcile()
    assert world.so == ("Unknown", "NoBaseline")
    await world.take([model_run(30, prompts=20)])
    assert world.condition["message"].startswith("0 of 5") or world.so[1] == "NoBaseline"
    own = [msgspec.structs.replace(model_run(n, prompts=20), uid="uid-b") for n in range(5)]
    await world.take(own)

    assert world.so == ("False", "Steady")
    assert world.config_map["metadata"]["ownerReferences"][0]["uid"] == "uid-b"


async def test_of_two_operators_the_one_with_the_newer_run_is_right(world: World) -> None:
    """A leader that was told late does not undo what its successor knows."""
    await world.take(HEALTHY)
    old = world.drifter
    world.begin()
    await world.take(WORSE)
    await old.take(WORSE[0])
    world.begin()
    await world.reconcile()

    assert world.so == ("True", "Worse")
    assert world.events().count(world.events()[-1]) == 1


async def test_a_process_without_its_lease_ends(world: World) -> None:
    """It writes nothing more."""

    def refuse(what: str, kind: Kind) -> None:
        if what in {"create", "replace"}:
            raise Broken("the lease is lost")

    world.fault = refuse
    with pytest.raises(Broken):
        await world.take(HEALTHY)


async def test_an_annotation_accepts_what_it_does_now(world: World) -> None:
    """Each value once, whatever comes in between; what stands there from the start is none."""
    world.apply({}, drift_rebaseline="from-git")
    await world.take([*HEALTHY, *WORSE])
    assert world.so == ("True", "Worse")
    await world.take([model_run(n, prompts=20, lost=LOST) for n in range(8, 13)])
    world.apply({}, drift_rebaseline="2026-11-26")
    await world.reconcile()
    assert world.so == ("False", "Steady")
    assert world.events()[-1][:2] == ("Normal", "DriftRebaselined")
    told = len(world.events())
    world.begin()
    await world.reconcile()
    await world.take([model_run(n, prompts=20, lost=LOST) for n in range(13, 18)], restarts=True)

    assert world.so == ("False", "Steady")
    assert len(world.events()) == told
    assert gauges() == set()


async def test_a_suspicion_is_known_to_who_runs_suites(world: World) -> None:
    """So that it can ask again sooner."""
    assert not world.drifter.suspected("a")
    runs = [model_run(n) for n in range(5)]
    await world.take([*runs, model_run(5, lost={"Coding": 0.2})])

    assert world.so == ("False", "Suspected")
    assert world.drifter.suspected("a")
    assert world.status["drift"][0]["suspected"] is True


async def test_runs_are_heard_without_waiting_for_anybody(world: World) -> None:
    """Whoever tells them goes on; the loop takes them at once, in their order."""
    folding = asyncio.create_task(world.drifter.run())
    try:
        for run in [*HEALTHY, *WORSE]:
            world.drifter.hear(run)
        async with asyncio.timeout(10):
            while not any(reason == "Drifted" for _, reason, _ in world.events()):  # noqa: ASYNC110
                await asyncio.sleep(0)  # it is folded in a thread
        await world.settle()
    finally:
        folding.cancel()

    assert world.so == ("True", "Worse")


async def test_a_backend_that_is_gone_is_forgotten(world: World) -> None:
    """Its metric goes, and late runs of it are nobody's."""
    await world.take([*HEALTHY, *WORSE])
    del world.api.stored["ModelBackend", "a"]
    await world.reconcile()
    assert gauges() == set()
    await world.drifter.take(model_run(9, prompts=20))
    assert not world.drifter.suspected("a")


class Ledger:
    """Windows in their order; away while `away`."""

    def __init__(self, windows: list[Window]) -> None:
        self.asked: list[tuple[int, int]] = []
        self.away = False
        self.tries = 0
        self._windows = windows

    async def ask(self, from_ms: int, until_ms: int) -> Mapping[str, Window]:
        self.tries += 1
        if self.away:
            raise Waiting("away")
        self.asked.append((from_ms, until_ms))
        place = (from_ms - (BEGIN_MS - LATE_MS) // WINDOW_MS * WINDOW_MS) // WINDOW_MS
        return {"a": self._windows[place]} if place < len(self._windows) else {}


async def test_traffic_makes_suspected_and_no_window_counts_twice() -> None:
    """Through restarts: what was not stored is asked for again, from where the record ends."""
    ledger = Ledger(USUAL + SLOW)
    world = World(ask=ledger.ask, suite=False)
    await world.reconcile()
    for tick in range(len(USUAL)):
        await world.tick(WINDOW_MS / 1000)
        if tick % 40 == 39:
            world.begin()
            await world.reconcile()
    assert world.so == ("False", "Steady")
    assert len(set(ledger.asked)) >= len(USUAL)
    for _ in range(len(SLOW)):
        await world.tick(WINDOW_MS / 1000)

    assert world.so == ("False", "Suspected")
    assert world.drifter.suspected("a")
    assert [reason for _, reason, _ in world.events()] == ["DriftSuspected"]
    torn = msgspec.json.encode(world.status["conditions"])
    world.begin()
    await world.reconcile()
    assert msgspec.json.encode(world.status["conditions"]) == torn


async def test_traffic_alone_is_written_once_an_hour() -> None:
    """However many windows, as long as they are as usual; the status not at all."""
    world = World(ask=Ledger(USUAL).ask)
    await world.reconcile()
    await world.tick(2 * WINDOW_MS / 1000)
    world.writes.clear()
    for _ in range(48):
        await world.tick(WINDOW_MS / 1000)

    assert world.writes.count("replace ConfigMap") == 4
    assert len(world.writes) == 4


async def test_a_ledger_that_was_away_is_caught_up_with() -> None:
    """Some windows at each look, none left out within a day."""
    ledger = Ledger(USUAL)
    ledger.away = True
    world = World(ask=ledger.ask)
    await world.reconcile()
    await world.tick(3 * HOUR_MS / 1000)
    assert ledger.asked == []
    assert ledger.tries == 1, "a ledger that hangs is asked once a look, not once a window"
    ledger.away = False
    for _ in range(4):
        await world.tick(0)

    assert len(ledger.asked) == 36
    assert ledger.asked == sorted(set(ledger.asked))


async def test_two_leaders_conflict_is_no_failure(world: World) -> None:
    """The write is tried again with what is there."""
    await world.take(HEALTHY)
    refused = iter([True])

    def conflict(what: str, kind: Kind) -> None:
        if kind.name == "ConfigMap" and what == "replace" and next(refused, False):
            raise Conflict("409")

    world.fault = conflict
    await world.take(WORSE)

    assert world.so == ("True", "Worse")
    assert "not stored" not in world.condition["message"]


async def test_traffic_tells_what_a_backend_without_a_suite_calls_itself() -> None:
    """Another model in its answers."""
    names = [Window(named=(Named(model="m-1", answers=60),))] * 3
    names += [Window(named=(Named(model="m-2", answers=60),))] * 3
    world = World(ask=Ledger(names).ask, suite=False)
    await world.reconcile()
    for _ in range(8):
        await world.tick(WINDOW_MS / 1000)

    assert world.so == ("True", "IdentityChanged")
    assert gauges() == {("all", "IdentityChanged")}
    world.drifter.forget("a")
