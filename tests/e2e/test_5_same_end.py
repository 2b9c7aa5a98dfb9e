"""The operator was killed at random during all of the above; the end is the same."""

from typing import Any

import pytest

from tests.e2e.conftest import Killer
from tests.e2e.fleet import Fleet

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def end_state(fleet: Fleet) -> dict[str, Any]:
    """What the fleet has come to, without names and times that differ between two runs."""
    state: dict[str, Any] = {}
    for kind in ("mb", "rp"):
        for item in fleet.every(kind):
            conditions = {
                c["type"]: (c["status"], c["reason"], c["message"])
                for c in item["status"]["conditions"]
            }
            current = all(
                c["observedGeneration"] == item["metadata"]["generation"]
                for c in item["status"]["conditions"]
            )
            state[f"{kind}/{item['metadata']['name']}"] = (conditions, current, item["spec"])
    for kind in ("deployments", "services"):
        for item in fleet.every(kind, "pointsman.dev/backend"):
            spec = {k: v for k, v in item["spec"].items() if k not in ("clusterIP", "clusterIPs")}
            state[f"{kind}/{item['metadata']['name']}"] = spec
    return state


def test_the_same_end_state_as_without_a_kill(fleet: Fleet, calm: Fleet, killer: Killer) -> None:
    """A namespace where the operator was never killed comes to the same."""
    killer.stop()
    print(f"the operator was killed {len(killer.killed)} times")
    assert len(killer.killed) >= 3
    fleet.kubectl("delete", "mb/deepseek-reasoner", "--ignore-not-found")
    fleet.apply_example("02-support-desk")
    fleet.wait_ready("mb", "rp")

    def same() -> bool:
        return end_state(fleet) == end_state(calm)

    fleet.cluster.wait_for(same, 60, "the same end state in both namespaces")
