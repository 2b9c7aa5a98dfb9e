"""Alerts and dashboard: Prometheus understands them, and they ask for what there is."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from pointsman.events.ship import Target
from pointsman.ledger.hour import Hour
from pointsman.ledger.metrics import Metrics as LedgerMetrics
from pointsman.ledger.reviewing.figures import Figures
from pointsman.operator import metrics as operator_metrics
from pointsman.operator.cluster.outbox import Outbox as OperatorOutbox
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.metrics import Metrics
from pointsman.router.otlp.sender import Sender
from pointsman.router.outbox import Outbox
from pointsman.router.settings_otlp import Otlp
from tests.bench.fixtures import required
from tests.monitoring.promtool import NoPromtool, promtool

ROOT = Path(__file__).parent.parent.parent
FILES = ROOT / "charts" / "pointsman" / "files"
ALERTS = FILES / "alerts.yaml"
_NAME = re.compile(r"\bpointsman_[a-z_]+")


def _alerts() -> list[dict[str, str]]:
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


def _expressions() -> list[str]:
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    asked = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    return [*(alert["expr"] for alert in _alerts()), *asked]


def _known() -> set[str]:
    """Every name that a scrape can show."""
    registry = CollectorRegistry()
    Metrics(registry)
    ControlMetrics(registry)
    LedgerMetrics(registry)
    registry.register(Hour())
    Figures(registry)
    outbox = Outbox(registry, later=lambda *_: None)
    sender = Sender(registry, Otlp(endpoint="http://127.0.0.1:1"))
    operators = asyncio.run(_outbox_of_an_operator())
    found: set[str] = set()
    try:
        for part in (registry, operator_metrics.REGISTRY):
            for metric in part.collect():
                endings = {
                    "counter": ("_total",),
                    "histogram": ("_bucket", "_sum", "_count"),
                }.get(metric.type, ("",))
                found |= {metric.name + ending for ending in endings}
    finally:
        outbox.close(5.0)
        sender.close(5.0)
        operators.close(5.0)
    return found


async def _outbox_of_an_operator() -> OperatorOutbox:
    """It sends nothing, for there is nothing."""
    return OperatorOutbox(Target(url="http://127.0.0.1:1"))


def test_what_is_asked_for_is_there() -> None:
    """No alert and no panel waits for a metric that nobody has."""
    asked = {name for expression in _expressions() for name in _NAME.findall(expression)}
    assert len(asked) > 20
    assert asked - _known() == set()


def test_each_alert_has_its_runbook() -> None:
    """And each section its alert."""
    text = (ROOT / "docs" / "runbooks.md").read_text()
    sections = re.findall(r"^## (\w+)$", text, flags=re.MULTILINE)
    assert sections == [alert["alert"] for alert in _alerts()]


@pytest.fixture(scope="module")
def tool() -> Path:
    try:
        return promtool()
    except NoPromtool as error:
        if required():
            raise
        pytest.skip(f"not run: {error}")


@pytest.mark.local
def test_prometheus_takes_the_rules(tool: Path, tmp_path: Path) -> None:
    """`promtool check rules`, and what fires when."""
    said = subprocess.run(
        [tool, "check", "rules", ALERTS], check=False, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stdout + said.stderr
    shutil.copy(ALERTS, tmp_path / "alerts.yaml")
    shutil.copy(Path(__file__).parent / "rules_test.yaml", tmp_path)
    said = subprocess.run(
        [tool, "test", "rules", "rules_test.yaml"], check=False, capture_output=True, text=True,
        timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
