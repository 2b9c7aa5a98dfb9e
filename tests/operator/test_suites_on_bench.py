"""A suite on a real control plane: the chart's rights, kopf's watch, the API server's schema."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import Bench
from tests.cli.test_evaluate_drawn import fill
from tests.e2e.fleet import Fleet, rights_only
from tests.ledger.process import ledger_process
from tests.operator.evaluating.test_drawing import JUDGE, LEDGER, policy
from tests.operator.process import OperatorProcess
from tests.operator.test_suites import PROMPT, REF, config_map, suite
from tests.support.conditions import assert_well_formed

pytestmark = [pytest.mark.bench, pytest.mark.timeout(180)]
NAMESPACE = "suites-bench"


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Kinds and rights of both charts, no pod; the operator is a child process."""
    with rights_only(bench, NAMESPACE) as fleet:
        yield fleet


def apply(fleet: Fleet, item: dict[str, Any]) -> None:
    about = {key: item["metadata"][key] for key in ("name",)}
    fleet.kubectl("apply", "-f", "-", stdin=json.dumps({**item, "metadata": about}))


def becoming(fleet: Fleet) -> Callable[[str, str, float], dict[str, Any]]:
    """Waits for a status and reason of Ready; the whole status."""

    def becomes(status: str, reason: str, seconds: float) -> dict[str, Any]:
        def so() -> bool:
            found = fleet.condition("es", "golden", "Ready")
            return (found.get("status"), found.get("reason")) == (status, reason)

        fleet.bench.wait_for(so, seconds, f"{status}/{reason}")
        item = fleet.get("es", "golden")
        assert_well_formed(item["status"], generation=item["metadata"]["generation"])
        found: dict[str, Any] = item["status"]
        return found

    return becomes


def test_a_suite_converges_by_itself(fleet: Fleet) -> None:
    """Before its ConfigMap, and with it; an edit is seen at once."""
    becomes = becoming(fleet)
    with OperatorProcess(fleet):
        apply(fleet, suite(prompts=[PROMPT], **REF))
        becomes("False", "ConfigMapNotFound", 60)
        apply(fleet, config_map(PROMPT | {"name": "b"}))
        ready = becomes("True", "Ready", 30)
        assert ready["prompts"] == 2
        row = fleet.kubectl("get", "es", "golden", "--no-headers").split()
        assert row[:4] == ["golden", "True", "2", ready["contentHash"]]
        apply(fleet, suite(prompts=[PROMPT]))
        becomes("True", "Ready", 10)


def test_a_draw_is_stored_by_ids_and_drawn_anew_by_order(fleet: Fleet, tmp_path: Path) -> None:
    """With the chart's rights; the API server never sees a text."""
    becomes = becoming(fleet)
    with ledger_process(f"--db={tmp_path / 'ledger.db'}") as running:
        url = f"http://127.0.0.1:{running.port}"
        fill(url, 3)
        apply(fleet, policy())
        operator = OperatorProcess(fleet, flags=("--ledger", url))
        begun_at = len(operator.log.read_bytes()) if operator.log.exists() else 0
        with operator:
            apply(fleet, suite(ledger=LEDGER, judge=JUDGE))
            fleet.bench.wait_for(
                lambda: "draw" in fleet.get("es", "golden").get("status", {}), 60, "draw"
            )
            before = becomes("True", "Ready", 10)
            assert (before["draw"]["drawn"], before["draw"]["left"]) == (3, 3)
            fill(url, 1, first=4)
            fleet.kubectl("annotate", "es", "golden", "pointsman.dev/redraw=1")

            def drawn() -> bool:
                found: dict[str, Any] = fleet.get("es", "golden")["status"]
                other = found["contentHash"] != before["contentHash"]
                return bool(other and found["draw"]["drawn"] == 4)

            fleet.bench.wait_for(drawn, 30, "another draw")
            stored = fleet.kubectl("get", "es,configmap", "-o", "json")
            assert "golden-draw" in stored
            assert "Secret" not in stored
        assert b'"Bug"' not in operator.log.read_bytes()[begun_at:]  # a policy, and no router yet
