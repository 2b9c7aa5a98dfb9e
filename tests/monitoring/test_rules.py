"""Alerts and dashboard: Prometheus understands them, and they ask for what there is."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry

from pointsman.events.segments import Loss
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
_SOURCES = [
    path.read_text()
    for part in ("operator", "router")
    for path in (ROOT / part / "src").rglob("*.py")
]
_NAME = re.compile(r"\bpointsman_[a-z_]+")


def _alerts() -> list[dict[str, Any]]:
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


def _written(name: str) -> bool:
    """Whether the sources spell a metric that is made only where there is something to tell."""
    whole = re.sub("_total$", "", name)
    words = whole.split("_")[2:]
    endings = {whole} | {"_".join(words[first:]) for first in range(max(1, len(words) - 1))}
    return any(f'"{ending}"' in text for ending in endings for text in _SOURCES)


def test_pages_name_metrics_that_there_are() -> None:
    """A metric that was renamed would live on in the documentation."""
    known = _known()
    known |= {re.sub("_(total|bucket|sum|count)$", "", name) for name in known}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "router" / "README.md"]
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(
            r"\bpointsman_(?:router|operator|ledger)_[a-z_]*[a-z]", page.read_text()
        )
    }

    assert len(named) > 40
    assert not _written("pointsman_router_no_such_thing_total")
    assert [one for one in sorted(named) if one[1] not in known and not _written(one[1])] == []


def test_what_is_asked_for_is_there() -> None:
    """No alert and no panel waits for a metric that nobody has."""
    asked = {name for expression in _expressions() for name in _NAME.findall(expression)}
    assert len(asked) > 20
    assert asked - _known() == set()


def test_figures_of_namespaces_stay_apart() -> None:
    """A backend of one name in two namespaces is two: neither the larger alone, nor their sum."""
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    apart = 0
    for target in targets:
        groups = [one.split(", ") for one in re.findall(r"(?:by|on) \(([^)]*)\)", target["expr"])]
        named = [group for group in groups if {"policy", "backend", "pod"} & {*group}]
        assert all("namespace" in group for group in named), target["expr"]
        if named and len(named) == len(groups) and target["legendFormat"]:
            assert target["legendFormat"].startswith("{{namespace}} "), target["expr"]
            apart += 1
    assert apart > 10


def test_each_alert_has_its_runbook() -> None:
    """And each section its alert."""
    text = (ROOT / "docs" / "runbooks.md").read_text()
    sections = re.findall(r"^## (\w+)$", text, flags=re.MULTILINE)
    assert sections == [alert["alert"] for alert in _alerts()]


def test_runbooks_know_the_logs_lines_and_why_events_are_lost() -> None:
    """Words in quotes are logged as they stand there; no reason of a label is left out."""
    text = (ROOT / "docs" / "runbooks.md").read_text()
    logged = re.findall(r'"([a-z -]+)"', text)
    assert len(logged) > 8
    assert [one for one in logged if not any(f'{one}"' in source for source in _SOURCES)] == []
    lost = text.partition("## PointsmanEventsDropped")[2].partition("\n## ")[0]
    assert [one for one in get_args(Loss) if f"`{one}`" not in lost] == []


def test_what_increased_is_said_in_round_numbers() -> None:
    """Prometheus reckons 3 events of a window as 3.103448275862069."""
    told = {
        alert["alert"]: alert["annotations"]["summary"]
        for alert in _alerts()
        if "increase(" in alert["expr"]
    }
    assert len(told) > 5
    assert [name for name, text in told.items() if "$value }}" in text] == []


def test_the_panel_of_failures_leaves_out_what_the_alert_does() -> None:
    """Callers that left, and what the router refused, are no failures of a model."""
    (alert,) = (a["expr"] for a in _alerts() if a["alert"] == "PointsmanBackendFails")
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    (panel,) = (p for p in dashboard["panels"] if p["title"] == "Attempts that fail")
    asked = [
        re.findall('outcome![=~]+"[^"]+"', one) for one in (alert, panel["targets"][0]["expr"])
    ]
    assert asked[0] == asked[1] != []


@pytest.fixture(scope="module")
def tool() -> Path:
    try:
        return promtool()
    except NoPromtool as error:
        if required():
            raise
        pytest.skip(f"not run: {error}")


@pytest.mark.local
def test_prometheus_takes_what_the_dashboard_asks(tool: Path, tmp_path: Path) -> None:
    """Each expression, with what Grafana puts in; and a queue in each of two namespaces is two."""
    asked = [
        one.replace("$namespace", ".*").replace("$__rate_interval", "5m") for one in _expressions()
    ]
    rules = [{"record": f"r{number}", "expr": one} for number, one in enumerate(asked)]
    group = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump(group))
    queue = "pointsman_operator_queue_depth"
    depths = {'{namespace="ai", backend="a"}': 5, '{namespace="lab", backend="a"}': 7}
    wanted = [{"labels": labels, "value": value} for labels, value in depths.items()]
    of_queues = [one for one in asked if queue in one]
    assert of_queues
    test = {
        "interval": "1m",
        "input_series": [
            {"series": queue + labels, "values": f"{value}x5"} for labels, value in depths.items()
        ],
        "promql_expr_test": [
            {"expr": one, "eval_time": "3m", "exp_samples": wanted} for one in of_queues
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": [test]}))
    for command in (["check", "rules", "asked.yaml"], ["test", "rules", "test.yaml"]):
        said = subprocess.run(
            [tool, *command], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert said.returncode == 0, said.stdout + said.stderr


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
