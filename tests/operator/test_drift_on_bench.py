"""Drift on a real control plane: the chart's rights, the API server's schema and its collector."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.drift_state import MAX_BYTES, read_record, write_record
from pointsman.operator.cluster.engines import EngineMetrics
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.controllers.drifting import Drifter
from pointsman.operator.controllers.scaling import Scaler
from pointsman.operator.plan.drifting.record import dump
from pointsman.operator.plan.drifting.wish import Wish
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from pointsman.operator.settings import Settings
from tests.bench import Bench
from tests.e2e.fleet import RELEASE, Fleet, rights_only
from tests.operator.drifting.runs import answer, folded, model_run, run_of
from tests.operator.drifting.watched import SUITE, URL, World
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = [pytest.mark.bench, pytest.mark.timeout(180)]
NAMESPACE = "drift-bench"
LOST = {"Coding": 0.8}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Kinds and rights of both charts, no pod; the controllers run in this process."""
    with rights_only(bench, NAMESPACE) as fleet:
        yield fleet


@pytest.fixture
async def api(fleet: Fleet) -> AsyncIterator[Api]:
    """With the operator's own rights."""
    account = fleet.bench.service_account_kubeconfig(NAMESPACE, f"{RELEASE}-operator")
    opened = await Api.open(Settings(namespace=NAMESPACE, kubeconfig=account))
    yield opened
    await opened.close()


def apply(fleet: Fleet, name: str, **drift: Any) -> None:
    item = {
        "apiVersion": "pointsman.dev/v1alpha1",
        "kind": "ModelBackend",
        "metadata": {"name": name},
        "spec": {"model": "m", "external": URL, "drift": drift, **SUITE},
    }
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps(item))


class Watching:
    """One life of the operator's part, on the real API."""

    def __init__(self, fleet: Fleet, api: Api, name: str) -> None:
        world, due = World(), list[str]()
        self.fleet, self.name = fleet, name
        self.drifter = Drifter(api, due.append)
        orders = Orders(lambda _: False, world._put, due.append)
        self.controller = BackendController(
            api,
            Settings(namespace=NAMESPACE),
            lambda *_: None,
            lambda _: "",
            Scaler(world, EngineMetrics(lambda _: 0), orders, due.append),
            orders=orders,
            drifter=self.drifter,
        )

    async def take(self, runs: Sequence[SuiteRun]) -> None:
        uid = self.item()["metadata"]["uid"]
        for run in runs:
            await self.drifter.take(msgspec.structs.replace(run, backend=self.name, uid=uid))
        await self.reconcile()

    async def reconcile(self) -> None:
        await self.controller.reconcile(self.name)
        item = self.item()
        assert_well_formed(item["status"], generation=item["metadata"]["generation"])
        assert unexplained("ModelBackend", item["status"]) == []

    def item(self) -> dict[str, Any]:
        return self.fleet.get("mb", self.name)

    def so(self) -> tuple[str, str]:
        found = self.fleet.condition("mb", self.name, "Drifted")
        return found["status"], found["reason"]


def runs_of(first: int, count: int, *, worse: bool = False) -> list[SuiteRun]:
    lost = LOST if worse else None
    return [model_run(n, prompts=20, lost=lost) for n in range(first, first + count)]


async def test_a_drift_from_the_baseline_to_its_acceptance(fleet: Fleet, api: Api) -> None:
    """By kubectl: condition, figures, Events; a new process in between; an annotation ends it."""
    apply(fleet, "coder", falseAlarmPercent=1, baselineRuns=5)
    first = Watching(fleet, api, "coder")
    await first.take(runs_of(0, 5))
    assert first.so() == ("False", "Steady")
    await first.take(runs_of(5, 2, worse=True))

    second = Watching(fleet, api, "coder")
    await second.take(runs_of(5, 8, worse=True))
    assert second.so() == ("True", "Worse")
    coding = next(one for one in second.item()["status"]["drift"] if one["task"] == "Coding")
    assert float(coding["low"]) <= float(coding["points"]) <= float(coding["high"]) < 0
    assert coding["direction"] == "Worse"
    events = fleet.every("events")
    told = [one for one in events if one["reason"] == "Drifted"]
    assert told
    assert {one["type"] for one in told} == {"Warning"}
    fleet.kubectl("wait", "--for=condition=Drifted", "mb/coder", "--timeout=5s")

    fleet.kubectl("annotate", "mb", "coder", "pointsman.dev/drift-rebaseline=1")
    third = Watching(fleet, api, "coder")
    await third.reconcile()
    assert third.so() == ("False", "Steady")
    assert "drift" not in third.item()["status"]


async def test_what_is_stored_goes_with_the_backend(fleet: Fleet, api: Api) -> None:
    """The API server's own collector takes it; another backend of that name begins anew."""
    apply(fleet, "short")
    await Watching(fleet, api, "short").take(runs_of(0, 5))
    fleet.kubectl("get", "configmap", "short-drift")
    fleet.kubectl("delete", "mb", "short")
    apply(fleet, "short")
    again = Watching(fleet, api, "short")
    await again.reconcile()
    assert again.so() == ("Unknown", "NoBaseline")
    await again.take(runs_of(0, 2))
    assert again.so() == ("Unknown", "NoBaseline")
    assert "2 of 5" in fleet.condition("mb", "short", "Drifted")["message"]
    fleet.kubectl("delete", "mb", "short")

    def gone() -> bool:
        return not fleet.kubectl("get", "configmap", "short-drift", "--ignore-not-found").strip()

    await asyncio.to_thread(fleet.bench.wait_for, gone, 60, "the ConfigMap to be collected")


async def test_the_largest_record_is_stored(fleet: Fleet, api: Api) -> None:
    """2,000 prompts whose names and 20 scores nothing compresses, twice: once since an alarm."""
    apply(fleet, "large")
    dice = Random(1)
    names = [f"{dice.getrandbits(250):063x}"[:63] for _ in range(2000)]
    runs = [run_of([answer(one, "Chat", dice.random()) for one in names], n) for n in range(20)]
    record, _ = folded(runs, wish=Wish(model="m", golden=True, runs=20))
    assert record.golden
    twice = msgspec.structs.replace(record.golden, later=record.golden.prompts, later_runs=20)
    record = msgspec.structs.replace(record, golden=twice)
    item = await api.get(kinds.MODEL_BACKEND, "large")
    assert item
    stored = await write_record(api, item, None, record)
    assert 400 * 1024 < len(dump(record)) < MAX_BYTES
    await write_record(api, item, stored, record)

    assert (await read_record(api, "large")).record == record
