"""Rollouts with a replay on a real control plane, with the chart's own ledger and real traffic."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.bench import Bench, CommandFailed
from tests.e2e.fleet import Fleet, install, rendered
from tests.e2e.traffic import Sessions, traffic, until
from tests.operator.objects import backend, policy, route
from tests.operator.test_rollout_on_bench import kill, look, seen_until
from tests.operator.test_scaling_on_bench import apply

NAMESPACE = "replay-bench"
TOKEN = "bench-ledger-token-0123456789abcdef"
pytestmark = [pytest.mark.bench, pytest.mark.timeout(420)]
PRICES = {"a": "1", "b": "2", "c": "1"}
CLIENTS = 10
REPLAYED: Mapping[str, Any] = {
    "replay": {"window": "1h", "minRequests": 200},
    "steps": [{"weightPercent": 50, "minRequests": 100, "minDuration": "2s"}],
    "guardrails": {"maxErrorPoints": 10, "maxLatencyPercent": 1000, "maxCostPercent": 100},
}
"""Twice the cost passes the guardrail; what is replayed may cost as much more only."""
REPLAYED_TIGHTLY = {**REPLAYED, "replay": {**REPLAYED["replay"], "maxCostPercent": 25}}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release with its ledger, by its address, for there is no DNS here."""
    fleet = install(bench, NAMESPACE)
    fleet.kubectl("create", "secret", "generic", "ledger", f"--from-literal=token={TOKEN}")
    values = "ledger.enabled=true,ledger.tokenSecret=ledger,ledger.sqlite.persistent=false"
    upgrade(fleet, values)
    bench.wait_for(lambda: fleet.are_ready("ledger", 1), 120, "the ledger")
    (pod,) = fleet.pods("ledger")
    upgrade(fleet, f"{values},ledger.url=http://{pod['status']['podIP']}:9903")
    for component in ("router", "operator"):
        deployment = f"deployment/{fleet.release}-{component}"
        fleet.kubectl("rollout", "status", deployment, "--timeout=120s")
    bench.wait_for(lambda: fleet.are_ready("router", 3), 120, "the new routers")
    bench.wait_for(lambda: fleet.are_ready("operator", 1), 120, "the new operator")
    costs = {
        name: {"inputPerMillion": one, "outputPerMillion": one} for name, one in PRICES.items()
    }
    apply(fleet, *(backend(name, cost=cost) for name, cost in costs.items()))
    apply(fleet, policy(default=route("a")))
    fleet.wait_ready("modelbackends", "routingpolicies")
    yield fleet
    said = "".join(bench.log(NAMESPACE, pod["metadata"]["name"]) for pod in fleet.pods("operator"))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    led = said.rpartition("lease taken")[2]
    assert "forbidden" not in led, "the Role does not allow what the operator does"


def upgrade(fleet: Fleet, values: str) -> None:
    """What `helm upgrade` would apply."""
    text = rendered(fleet.bench, NAMESPACE, fleet.release, values=values)
    fleet.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def edit(fleet: Fleet, to: str) -> None:
    """All to this backend, once the operator has seen it."""
    apply(fleet, policy(default=route(to), rollout=REPLAYED_TIGHTLY))

    def is_seen() -> bool:
        item = fleet.get("routingpolicy", "desk")
        return bool(item["status"]["observedGeneration"] == item["metadata"]["generation"])

    fleet.bench.wait_for(is_seen, 60, "the operator's answer to the edit")


def by_backend(fleet: Fleet) -> dict[str, int]:
    """Requests that the ledger has, by backend."""
    (pod,) = fleet.pods("ledger")
    url = f"http://{pod['status']['podIP']}:9903/v1/summary?since=1h&by=backend"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        lines = json.load(answer)["lines"]
    return {one["by"]["backend"]: one["requests"] for one in lines}


async def test_a_replay_decides_before_any_request_does(fleet: Fleet) -> None:
    """Twice the cost: rolled back with no request exposed. As cheap: goes on, and is promoted."""
    stable = look(fleet)["activeRevision"]
    async with traffic(fleet.routers(), clients=CLIENTS, headers=Sessions()) as seen:
        await until(seen, 400)
        fleet.bench.wait_for(lambda: by_backend(fleet).get("a", 0) >= 300, 60, "the ledger's rows")
        edit(fleet, "b")
        trail = await seen_until(fleet, "Aborted")
        await until(seen, 100)
        assert seen.answered["b"] == 0

        edit(fleet, "c")
        kill(fleet)
        good = await seen_until(fleet, "Promoted", 180)
    told = trail[-1]["rollout"]
    print(told["message"])
    assert trail[-1]["activeRevision"] == stable
    assert (told["reason"], told["replay"]["verdict"]) == ("ReplayFailed", "Fail")
    assert told["replay"]["costPercent"] == "100.0"
    assert all(one.get("rollout", {}).get("weights", {}).get("desired", 0) == 0 for one in trail)
    revision = fleet.get("controllerrevision", told["revision"])
    noted = json.loads(revision["metadata"]["annotations"]["pointsman.dev/replay"])
    assert noted == told["replay"]

    assert good[-1]["rollout"]["replay"]["verdict"] == "Pass"
    print(good[-1]["rollout"]["replay"]["message"])
    assert seen.failures == []
    assert seen.answered["c"] > 0
    assert by_backend(fleet).get("b", 0) == 0
    with_command(fleet)


def with_command(fleet: Fleet) -> None:
    """`pointsman rollout status` tells it."""
    edit(fleet, "b")
    command = [sys.executable, "-m", "pointsman.cli", "rollout", "status", "desk"]
    with pytest.raises(CommandFailed, match="Replay: Fail"):
        fleet.bench.run(*command, "-n", fleet.namespace, "--timeout=120s")
