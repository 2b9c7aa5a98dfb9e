"""The table of flows in docs/install.md is what the NetworkPolicies allow, and all of it."""

import itertools
import re
from typing import Any

import pytest

from tests.charts.flows import Place, may_dial
from tests.charts.helm import CHARTS, NoHelm, objects, template

PAGE = (CHARTS.parent / "docs" / "install.md").read_text()
LEDGER = "ledger.enabled=true,ledger.tokenSecret=t"
CONSOLE = (
    "ledger.console.enabled=true,ledger.console.trustedProxies={10.0.7.0/24},"
    "ledger.console.roles={viewer=*},networkPolicy.ledgerFrom[0].podSelector.matchLabels.app=proxy"
)
SETTINGS = {
    "": "router.logLevel=info",
    "ledger.enabled": LEDGER,
    "ledger.postgres.secret": f"{LEDGER},ledger.postgres.secret=db",
    "ledger.console.enabled": f"{LEDGER},{CONSOLE}",
    "ledger.webhookKeys": f"{LEDGER},ledger.webhookKeys[0].secret=h,ledger.webhookKeys[0].key=k",
    "networkPolicy.operatorFrom": (
        r"networkPolicy.operatorFrom[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name"
        "=other"
    ),
    "operator.keda.enabled": "operator.keda.enabled=true,operator.replicas=1",
    "ledger.url": "ledger.url=http://ledger.observability:9903,ledger.tokenSecret=t",
    "router.otlp.endpoint": "router.otlp.endpoint=http://collector.observability:4318",
}
"""What the column `with` may name, and values that make it so."""
IMPLIED = {
    "ledger.postgres.secret": ["ledger.enabled"],
    "ledger.console.enabled": ["ledger.enabled"],
    "ledger.webhookKeys": ["ledger.enabled"],
}
PORTS = (22, 53, 80, 443, 4318, 5432, 6443, 8000, 8080, 9901, 9902, 9903)


def places(rendered: list[dict[str, Any]]) -> list[Place]:
    """The chart's pods, a model server, pods that are none of ours, and somebody outside."""
    found = []
    for item in rendered:
        if item["kind"] in ("Deployment", "StatefulSet"):
            pod = item["spec"]["template"]
            ports = {
                port["name"]: port["containerPort"]
                for container in pod["spec"]["containers"]
                for port in container["ports"]
            }
            labels = pod["metadata"]["labels"]
            name = labels["app.kubernetes.io/component"]
            found.append(Place(name=name, namespace="ai", labels=labels, ports=ports))
    model = {"app.kubernetes.io/name": "model-server", "app.kubernetes.io/part-of": "pointsman"}
    return [
        *found,
        Place(name="model", namespace="ai", labels=model),
        Place(name="beside", namespace="ai", labels={"app": "x"}),
        Place(name="elsewhere", namespace="other", labels={"app": "x"}),
        Place(name="keda", namespace="keda", labels={"app": "keda-operator"}),
        Place(name="outside"),
    ]


WORDS = {
    "routers": ["router"],
    "operator": ["operator"],
    "ledger": ["ledger"],
    "model servers": ["model"],
    "the namespace's other pods": ["beside"],
    "KEDA": ["keda"],
    "who is named": ["elsewhere"],
}
OPEN = ["beside", "elsewhere", "keda", "outside"]
"""`anybody` as a target: whom no policy of the chart closes."""
FREE = ["router", "model", *OPEN]
"""`anybody` as a source: whom no policy of the chart binds to other targets."""


def table() -> list[tuple[list[str], list[str], list[int], str]]:
    """Rows of the page: from, to, ports, with."""
    body = PAGE.partition("| from | to | port | with |")[2].split("\n\n")[0]
    rows = []
    for line in body.splitlines()[2:]:
        source, target, ports, setting = (cell.strip() for cell in line.split("|")[1:5])
        numbers = PORTS if ports == "any" else [int(one) for one in re.findall(r"\d+", ports)]
        rows.append(
            (
                [at for word in source.split(", ") for at in WORDS.get(word, FREE)],
                [at for word in target.split(", ") for at in WORDS.get(word, OPEN)],
                list(numbers),
                setting.strip("`"),
            )
        )
    assert len(rows) > 6
    return rows


@pytest.mark.parametrize("setting", SETTINGS)
def test_exactly_the_flows_of_the_table_are_open(setting: str) -> None:
    """Every pair of places, every port: one that no row names is closed."""
    try:
        text = template(["--set", SETTINGS[setting]], release="desk", namespace="ai")
    except NoHelm as error:
        pytest.skip(f"not run: {error}")
    rendered = objects(text)
    policies = [item for item in rendered if item["kind"] == "NetworkPolicy"]
    known = places(rendered)
    ours = {"router", "operator", "ledger", "model"}
    in_force = {"", setting, *IMPLIED.get(setting, ())}
    there = {place.name for place in known}
    wanted = {
        (source, target, port)
        for sources, targets, ports, needs in table()
        if needs in in_force
        for source, target, port in itertools.product(sources, targets, ports)
        if source in there and target in there
    }
    bound = {"router", "operator", "ledger"}
    found = {
        (source.name, target.name, port)
        for source, target, port in itertools.product(known, known, PORTS)
        if source.name in bound or target.name in ours
        if may_dial(policies, source, target, port)
    }
    assert found - wanted == set(), "open, and in no row"
    assert wanted - found == set(), "in a row, and closed"


def test_names_are_asked_for_by_udp() -> None:
    """And nothing else is sent that way."""
    try:
        text = template(["--set", LEDGER], release="desk", namespace="ai")
    except NoHelm as error:
        pytest.skip(f"not run: {error}")
    rendered = objects(text)
    policies = [item for item in rendered if item["kind"] == "NetworkPolicy"]
    by_name = {place.name: place for place in places(rendered)}
    for name in ("router", "operator"):
        open_ = [
            port
            for port in PORTS
            if may_dial(policies, by_name[name], by_name["outside"], port, "UDP")
        ]
        assert open_ == [53]


def test_a_pod_that_nobody_named_reaches_no_model_and_no_admin_port() -> None:
    """The evaluator itself can say no, and can say yes where the policies are off."""
    for enabled in (True, False):
        options = ["--set", f"{LEDGER},networkPolicy.enabled={str(enabled).lower()}"]
        try:
            text = template(options, release="desk", namespace="ai")
        except NoHelm as error:
            pytest.skip(f"not run: {error}")
        rendered = objects(text)
        policies = [item for item in rendered if item["kind"] == "NetworkPolicy"]
        by_name = {place.name: place for place in places(rendered)}
        for target, port in (
            ("model", 8000),
            ("router", 9901),
            ("operator", 9902),
            ("ledger", 9903),
        ):
            for source in ("beside", "elsewhere", "outside"):
                assert may_dial(policies, by_name[source], by_name[target], port) is not enabled
