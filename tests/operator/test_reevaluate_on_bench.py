"""A model gets worse on a real control plane: weights follow, are committed, and quarantine."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.e2e.traffic import Seen, Sessions, traffic, until
from tests.operator.objects import backend, policy, target
from tests.operator.reevaluating.known import status_of
from tests.operator.test_rollout_on_bench import CLIENTS, ROLLOUT, kill, look, seen_until
from tests.operator.test_scaling_on_bench import apply, settles

pytestmark = pytest.mark.bench
NAMESPACE = "reevaluate-bench"
MANAGER = "stand-in-evaluation"
"""Whose fields of a status these are: the operator's own writes must leave them."""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with three routers and two backends that were measured."""
    fleet = install(bench, NAMESPACE)
    apply(fleet, backend("a"), backend("b"))
    fleet.wait_ready("modelbackends")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    assert "forbidden" not in said.rpartition("lease taken")[2]


def find(fleet: Fleet, name: str, **found: Any) -> None:
    """What evaluation and detector would write, by server-side apply of another manager."""
    item, status = backend(name), dict(status_of(**found))
    status["evaluation"] = {"qualityContent": status["evaluation"]["qualityContent"]}
    body = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": {"name": name},
        "status": status,
    }
    fleet.kubectl(
        "apply", "--server-side", "--subresource=status", f"--field-manager={MANAGER}",
        "--force-conflicts", "-f", "-", stdin=json.dumps(body),
    )  # fmt: skip


def desk(on_detected: str) -> dict[str, Any]:
    route = {"targets": [target("a")], "fallback": {"chain": [{"name": "b"}]}}
    item = policy(default=route, rollout=ROLLOUT)
    return {**item, "spec": {**item["spec"], "drift": {"onDetected": on_detected}}}


def begin(fleet: Fleet, on_detected: str) -> str:
    """Both are as they were, and the spec is in force; its revision."""
    fleet.kubectl("delete", "routingpolicies", "--all", "--wait=true")
    find(fleet, "a", score=0.86)
    find(fleet, "b", score=0.84)
    apply(fleet, desk(on_detected))
    fleet.wait_ready("routingpolicies")
    revision: str = look(fleet)["activeRevision"]
    return revision


def says(fleet: Fleet, status: str, reason: str) -> bool:
    found = fleet.condition("routingpolicy", "desk", "DriftDetected")
    return (found.get("status"), found.get("reason")) == (status, reason)


def adopted(fleet: Fleet, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman.cli", "adopt", "desk", "-n", fleet.namespace]
    return subprocess.run(
        [*command, *more], env=fleet.bench.environment(), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.timeout(400)
async def test_a_model_that_got_worse_loses_its_traffic_step_by_step(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Detected, rolled out under load with the operator killed, committed, and back again."""
    declared = await asyncio.to_thread(begin, fleet, "Reevaluate")
    assert (await asyncio.to_thread(adopted, fleet)).returncode == 3
    seen: Seen
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        await until(seen, 100)
        assert seen.answered["b"] == 0
        find(fleet, "a", score=0.62, state="Worse")
        begun = await seen_until(fleet, "Progressing")
        assert begun[-1]["activeRevision"] == declared
        await asyncio.to_thread(kill, fleet)
        trail = await seen_until(fleet, "Promoted", 180)
        learned = trail[-1]["learned"]
        before = seen.answered["a"]
        await until(seen, 100)
        assert seen.answered["a"] - before <= CLIENTS, "all goes to the other one"
        assert learned["revision"] == trail[-1]["activeRevision"] != declared
        assert says(fleet, "True", "Worse")
        assert fleet.get("modelbackend", "a")["status"]["quality"], "nobody took it away"

        file = tmp_path / "policy.yaml"
        ours = {**desk("Reevaluate"), "metadata": {"name": "desk"}}
        file.write_text(f"# ours\n{yaml.safe_dump(ours, sort_keys=False)}")
        printed = await asyncio.to_thread(adopted, fleet, "-f", str(file))
        assert printed.returncode == 0, printed.stderr
        assert printed.stdout.startswith("# ours\n# Learned: ")
        await asyncio.to_thread(fleet.kubectl, "apply", "-f", "-", stdin=printed.stdout)
        await asyncio.to_thread(
            settles, fleet, "the commit is what runs",
            lambda: look(fleet)["activeRevision"] == learned["revision"]
            and "learned" not in look(fleet),
        )  # fmt: skip
        assert "candidateRevision" not in look(fleet)
    assert seen.failures == []


@pytest.mark.timeout(400)
async def test_what_recovered_leads_back_to_the_spec(fleet: Fleet) -> None:
    """A candidate as well; its revision is that of the spec."""
    declared = await asyncio.to_thread(begin, fleet, "Reevaluate")
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        find(fleet, "a", score=0.62, state="Worse")
        await seen_until(fleet, "Promoted", 180)
        find(fleet, "a", score=0.86)
        await seen_until(fleet, "Progressing")
        trail = await seen_until(fleet, "Promoted", 180)
    assert trail[-1]["activeRevision"] == declared
    assert trail[-1]["learned"]["cause"] == "Recovered"
    assert seen.failures == []


@pytest.mark.timeout(300)
async def test_quarantine_is_at_once_and_ends_by_itself(fleet: Fleet) -> None:
    """No rollout, no failed request; the operator is killed in between."""
    declared = await asyncio.to_thread(begin, fleet, "Quarantine")
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        await until(seen, 50)
        began_s = time.monotonic()
        find(fleet, "a", score=0.62, state="Worse")
        while seen.answered["b"] == 0:
            assert time.monotonic() - began_s < 60
            await asyncio.sleep(0.05)
        took_s = time.monotonic() - began_s
        await until(seen, 2 * CLIENTS)
        before = seen.answered["a"]
        await asyncio.to_thread(kill, fleet)
        await until(seen, 200)
        assert seen.answered["a"] == before
        print(f"in quarantine {took_s:.2f} s after it was found")
        await asyncio.to_thread(settles, fleet, "it is told", lambda: says(fleet, "True", "Worse"))
        assert look(fleet)["activeRevision"] == declared
        find(fleet, "a", score=0.86)
        while seen.answered["a"] == before:
            assert time.monotonic() - began_s < 180
            await asyncio.sleep(0.1)
    assert seen.failures == []
