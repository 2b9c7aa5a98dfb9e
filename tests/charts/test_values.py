"""Values that cannot be meant are refused by their path, by the real helm; the rest renders."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.ledger.__main__ import _OPENING_S
from pointsman.ledger.settings import parse as parse_ledger
from pointsman.router.settings import parse as parse_router
from tests.charts.flows import Place, may_dial
from tests.charts.helm import CHARTS, HelmFailed, NoHelm, command, helm, objects, template

CHART = CHARTS / "pointsman"
OUTSIDE = Place(name="outside")


@pytest.fixture(scope="module", autouse=True)
def _has_helm() -> None:
    try:
        command()
    except NoHelm as error:
        pytest.skip(f"not run: {error}")


def render(tmp_path: Path, values: object, release: str = "desk") -> list[dict[str, Any]]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    text = template(["-f", str(file)], release=release, namespace="ai")
    return objects(text)


def closed(node: dict[str, Any], defs: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of objects with keys of their own in a schema."""
    node = defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    if "properties" not in node:
        return
    yield path
    for key, below in node["properties"].items():
        yield from closed(below, defs, f"{path}.{key}".lstrip("."))


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_every_object_of_the_schema_is_closed() -> None:
    """Also those in lists and in $defs; only maps of strings, and Helm's `global`, are open."""
    open_: list[str] = []

    def walk(node: object, path: str) -> None:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                open_.append(path)
            for key, below in node.items():
                walk(below, f"{path}/{key}")
        elif isinstance(node, list):
            for at, below in enumerate(node):
                walk(below, f"{path}/{at}")

    walk(SCHEMA, "")
    assert open_ == []


def test_an_unknown_key_is_refused_wherever_it_is(tmp_path: Path) -> None:
    """Each object that the values have, in one rendering: the message holds every path."""
    paths = [path for path in closed(SCHEMA, SCHEMA["$defs"]) if path]
    assert len(paths) > 30
    values: dict[str, Any] = {}
    for path in paths:
        here = values
        for key in path.split("."):
            here = here.setdefault(key, {})
        here["unheardOf"] = 1
    with pytest.raises(HelmFailed) as refused:
        render(tmp_path, values)
    said = str(refused.value)
    missing = [path for path in paths if f"/{path.replace('.', '/')}'" not in said]
    assert missing == []
    assert "unheardOf" in said


def test_the_chart_of_the_kinds_has_no_values() -> None:
    """Whoever sets one meant the other chart; what a parent chart gives to all is let through."""
    where: dict[str, Any] = {"chart": "pointsman-crds", "release": "crds", "namespace": "ai"}
    with pytest.raises(HelmFailed, match="additional properties 'router' not allowed"):
        template(["--set", "router.replicas=3"], **where)
    kinds = {one["kind"] for one in objects(template(["--set", "global.a=b"], **where))}
    assert kinds == {"CustomResourceDefinition", "ClusterRole"}


def test_the_schema_knows_every_value_and_no_other() -> None:
    """values.yaml has each key of the schema, so that a reader finds all of them in one place."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def keys(node: object, path: str = "") -> Iterator[str]:
        if isinstance(node, dict):
            for key, below in node.items():
                yield f"{path}.{key}".lstrip(".")
                yield from keys(below, f"{path}.{key}".lstrip("."))

    def known(node: dict[str, Any], path: str = "") -> Iterator[str]:
        for key, below in node.get("properties", {}).items():
            yield f"{path}.{key}".lstrip(".")
            yield from known(below, f"{path}.{key}".lstrip("."))

    assert set(known(SCHEMA)) - set(keys(values)) == {"global"}


WRONG: list[tuple[str, object]] = [
    ("router.replicas", -1),
    ("router.resources.requests.cpu", "a lot"),
    ("router.autoscaling.minReplicas", 0),
    ("router.autoscaling.targetCPUUtilizationPercentage", 0),
    ("router.podDisruptionBudget.maxUnavailable", "0%"),
    ("router.httpRoute.timeouts.request", "five minutes"),
    ("router.ingress.hosts", ["https://models.example.com"]),
    ("router.tolerations", [{"efect": "NoSchedule"}]),
    ("router.topologySpreadConstraints", [{"maxSkew": 1}]),
    ("operator.replicas", 9),
    ("operator.podDisruptionBudget.maxUnavailable", 0),
    ("operator.keda.port", 80),
    ("namespaces", ["Team_A", "a", "a"]),
    ("networkPolicy.adminFrom", [{"podSelectors": {}}]),
    ("networkPolicy.ledgerFrom", [{"ipBlock": {"cidr": "10.0.0.1"}}]),
    ("networkPolicy.routerTo", [{}]),
    ("networkPolicy.apiServer.ports", []),
    ("router.otlp.endpoint", "http://collector:port"),
    ("ledger.url", "http://[::1"),
    ("ledger.console.oidc.issuer", "https://login.example.com/%zz"),
    ("ledger.sqlite.size", "20GB"),
    ("ledger.replicas", "three"),
    ("image.pullSecrets", ["name"]),
    ("image.repository", "https://registry.example.com/pointsman"),
    ("image.tag", "0.1.0@sha256:1f"),
    ("networkPolicy.callersFrom", [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]),
    ("networkPolicy.operatorTo", [{"ports": [{"endPort": 9}]}]),
    ("callers.mode", "open"),
]


def test_every_wrong_value_is_named_by_its_path(tmp_path: Path) -> None:
    """By the schema, before anything is rendered, and all of them at once."""
    values: dict[str, Any] = {}
    for path, value in WRONG:
        *folders, key = path.split(".")
        here = values
        for folder in folders:
            here = here.setdefault(folder, {})
        here[key] = value
    with pytest.raises(HelmFailed) as refused:
        render(tmp_path, values)
    said = str(refused.value)
    assert [path for path, _ in WRONG if f"'/{path.replace('.', '/')}" not in said] == []


LEDGER = {"enabled": True, "tokenSecret": "t"}
NEAR: dict[str, Any] = {"ledgerFrom": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}
SCALED = {"enabled": True, "minReplicas": 5, "maxReplicas": 2}
TOGETHER: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "router": {
                "autoscaling": SCALED,
                "resources": {"requests": {"cpu": None}},
                "httpRoute": {"enabled": True},
                "ingress": {"enabled": True, "tls": [{"hosts": ["c.d"]}]},
                "drainSeconds": 46,
                "proxy": {"secret": "p"},
                "otlp": {"caSecret": "c"},
            },
            "operator": {"keda": {"enabled": True}},
            "callers": {"mode": "Open", "secrets": ["a"]},
            "ledger": {"enabled": True, "replicas": 2, "console": {"enabled": True}},
        },
        [
            "router.autoscaling.minReplicas is 5, more than router.autoscaling.maxReplicas",
            "router.autoscaling.targetCPUUtilizationPercentage is a share of",
            "router.httpRoute.parentRefs must name",
            "router.ingress.hosts names no host",
            "router.ingress.tls: c.d is not in router.ingress.hosts",
            "router.shutdownDelaySeconds + router.drainSeconds + 10 s to end is 61 s",
            "router.proxy.secret needs networkPolicy.routerTo",
            "router.otlp.headersSecret and router.otlp.caSecret need router.otlp.endpoint",
            "operator.keda needs operator.replicas 1",
            "callers.secrets has no meaning with callers.mode Open",
            "ledger.tokenSecret must name",
            "ledger.replicas above 1 needs ledger.postgres.secret",
            "ledger.console needs a way to know",
            "ledger.console.roles gives nobody",
            "ledger.console of several replicas needs ledger.console.sessionSecret",
        ],
    ),
    (
        {
            "router": {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}},
            "ledger": {
                "url": "http://other:9903",
                "console": {
                    "enabled": True,
                    "roles": ["viewer=*"],
                    "url": None,
                    "oidc": {"issuer": "https://login.example.com"},
                },
            },
        },
        [
            "router.autoscaling needs a target",
            "ledger.tokenSecret must name",
            "ledger.console.enabled needs ledger.enabled",
            "ledger.console.oidc needs ledger.console.url",
        ],
    ),
    (
        {
            "ledger": {"console": {"write": True}},
            "networkPolicy": {"enabled": False, "callersFrom": [{"podSelector": {}}]},
        },
        ["ledger.console.write needs", "networkPolicy.callersFrom keeps nobody away while"],
    ),
    (
        {"router": {"autoscaling": {"enabled": True}, "resources": None}},
        ["router.autoscaling.targetCPUUtilizationPercentage is a share of"],
    ),
    (
        {
            "ledger": {
                **LEDGER,
                "keepEventsDays": 31,
                "keepRollupsDays": 30.5,
                "console": {
                    "enabled": True,
                    "url": "http://pointsman.example.com",
                    "roles": ["viewer=*"],
                    "oidc": {"issuer": "https://login.example.com", "clientId": "p"},
                    "trustedProxies": ["10.0.7.0/24", "10.0.7.5/24"],
                },
            }
        },
        [
            "ledger.keepEventsDays is more than ledger.keepRollupsDays",
            "ledger.console.url has to be https where",
            "networkPolicy.ledgerFrom must name who stands before ledger.console",
            "ledger.console.trustedProxies: 10.0.7.5/24 is no network such as",
        ],
    ),
    (
        {"monitoring": {"podMonitors": {"enabled": True}}, "ledger": LEDGER},
        [
            "networkPolicy.adminFrom must name the Prometheus",
            "networkPolicy.operatorFrom must name the Prometheus",
            "networkPolicy.ledgerFrom must name the Prometheus",
        ],
    ),
    (
        {"monitoring": {"podMonitors": {"enabled": True}}},
        [
            "networkPolicy.adminFrom must name the Prometheus",
            "networkPolicy.operatorFrom must name the Prometheus",
        ],
    ),
    (
        {
            "namespaces": ["a", "b"],
            "operator": {"replicas": 1, "keda": {"enabled": True, "port": 9902}},
            "router": {
                "ingress": {"enabled": True, "hosts": ["a.b"]},
                "httpRoute": {
                    "enabled": True,
                    "parentRefs": [{"name": "own"}, {"name": "public", "namespace": "gateways"}],
                },
            },
            "ledger": {
                **LEDGER,
                "console": {
                    "enabled": True,
                    "roles": ["viewer=*"],
                    "url": "http://localhost:9903",
                    "oidc": {"issuer": "https://login.example.com", "clientId": "p"},
                },
            },
        },
        [
            "operator.keda.port is 9902",
            "router.ingress.hosts would be claimed by each of `namespaces`",
            "router.httpRoute.parentRefs: the Gateway public in gateways would get",
            "ledger.console.url is one place",
        ],
    ),
    (
        {"networkPolicy": {"providers": {"enabled": False}}},
        ["networkPolicy.apiServer.to must name the API server"],
    ),
    (
        {
            "networkPolicy": {
                "providers": {"ports": [8443, 6443], "to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]}
            }
        },
        ["networkPolicy.apiServer.to must name the API server"],
    ),
]


@pytest.mark.parametrize(("values", "said"), TOGETHER)
def test_values_that_do_not_go_together_are_refused(
    tmp_path: Path, values: dict[str, Any], said: list[str]
) -> None:
    """Each by a line that begins with the path of what has to change, and no other line."""
    with pytest.raises(HelmFailed) as refused:
        render(tmp_path, values)
    lines = [one.strip() for one in str(refused.value).splitlines() if one.startswith("  ")]
    assert [one for one in said if not any(line.startswith(one) for line in lines)] == []
    assert len(lines) == len(said), lines


NAMES = [
    ("team.desk", "the release's name, team.desk, begins names of Services"),
    ("2desk", "the release's name, 2desk, begins names of Services"),
    ("d" * 46, "the release's name may have 45 characters with ledger.enabled, not 46"),
]


@pytest.mark.parametrize(("name", "said"), NAMES)
def test_a_name_that_cannot_work_is_refused(tmp_path: Path, name: str, said: str) -> None:
    """Helm allows it; no Service could have it, or no pod of the ledger would come."""
    with pytest.raises(HelmFailed) as refused:
        render(tmp_path, {"ledger": LEDGER}, release=name)
    lines = [one.strip() for one in str(refused.value).splitlines() if one.startswith("  ")]
    assert [line.startswith(said) for line in lines] == [True]


def test_the_longest_names_make_names_and_labels_that_are_short_enough(tmp_path: Path) -> None:
    """The controller of StatefulSets adds a hyphen and up to ten characters to a label."""
    for values, longest in (({"ledger": LEDGER}, 45), ({}, 53)):
        for item in render(tmp_path, values, release="d" * longest):
            name, labels = item["metadata"]["name"], item["metadata"].get("labels", {})
            assert all(len(value) <= 63 for value in labels.values())
            if item["kind"] == "Service":
                assert len(name) <= 63
            if item["kind"] == "StatefulSet":
                assert len(name) + 11 <= 63


def test_the_tests_know_every_refusal() -> None:
    """One that none provokes might say nothing; test_lifecycle.py has what a cluster is asked."""
    text = (CHART / "templates" / "refusals.yaml").read_text()
    said = {one for _, said in TOGETHER for one in said} | {one for _, one in NAMES[1:]}
    assert text.count("$wrong = append") == len(said) + text.count(":= lookup")


def test_an_autoscaler_has_the_replicas_alone(tmp_path: Path) -> None:
    """Else each sync or upgrade would put back what the chart says."""
    for enabled in (False, True):
        items = render(tmp_path, {"router": {"autoscaling": {"enabled": enabled}}})
        spec = next(
            i for i in items if i["kind"] == "Deployment" and i["metadata"]["name"] == "desk-router"
        )["spec"]
        assert ("replicas" in spec) is not enabled
        kinds = [i["kind"] for i in items]
        assert ("HorizontalPodAutoscaler" in kinds) is enabled


def test_each_namespace_gets_all_of_it_and_no_right_beyond(tmp_path: Path) -> None:
    """One release for two teams is two releases' objects, without a name that they share."""
    single = render(tmp_path, {})
    items = render(tmp_path, {"namespaces": ["team-a", "team-b"]})
    assert len(items) == 2 * len(single)
    assert {i["metadata"].get("namespace") for i in items} == {"team-a", "team-b", None}
    names = [(i["kind"], i["metadata"].get("namespace"), i["metadata"]["name"]) for i in items]
    assert len(set(names)) == len(names)
    for item in items:
        for subject in item.get("subjects", ()):
            own = item["metadata"].get("namespace") or item["metadata"]["name"].split(":")[0]
            assert subject["namespace"] == own
    rules = [rule for i in items if i["kind"] == "ClusterRole" for rule in i["rules"]]
    assert {resource for rule in rules for resource in rule["resources"]} == {"tokenreviews"}


def test_one_dashboard_is_enough_for_all_namespaces(tmp_path: Path) -> None:
    """In the first; Grafana takes one of several with the same uid, and the sidecar one file."""
    shown = {"monitoring": {"dashboards": {"enabled": True}}}
    for values, namespace in (({}, "ai"), ({"namespaces": ["team-b", "team-a"]}, "team-b")):
        items = render(tmp_path, shown | values)
        found = [i["metadata"] for i in items if i["metadata"]["name"] == "desk-dashboards"]
        assert [one["namespace"] for one in found] == [namespace]


def test_every_pod_template_is_spread_and_restricted(tmp_path: Path) -> None:
    """Operator, routers, ledger: over nodes, or as somebody says, by the component's labels."""
    own = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    for given, key in ((None, "kubernetes.io/hostname"), ([own], "zone")):
        parts = {"topologySpreadConstraints": given} if given else {}
        ledger = {**LEDGER, "replicas": 2, "postgres": {"secret": "db"}, **parts}
        values = {"operator": parts, "router": parts, "ledger": ledger}
        for item in render(tmp_path, values):
            if item["kind"] not in ("Deployment", "StatefulSet"):
                continue
            pod = item["spec"]["template"]
            (one,) = pod["spec"]["topologySpreadConstraints"]
            assert one["topologyKey"] == key
            selected = one["labelSelector"]["matchLabels"].items()
            assert selected <= pod["metadata"]["labels"].items()


def test_a_ledger_has_an_hour_to_bring_its_store_up_to_date(tmp_path: Path) -> None:
    """It listens after that; a probe that gave up before would kill it in the middle, for ever."""
    items = render(tmp_path, {"ledger": LEDGER})
    (ledger,) = (item for item in items if item["kind"] == "StatefulSet")
    (container,) = ledger["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 3600 + _OPENING_S


def _reached(items: list[dict[str, Any]], who: str = "router") -> set[int]:
    """Ports on which the routers, or the ledger, may dial somebody outside."""
    policies = [item for item in items if item["kind"] == "NetworkPolicy"]
    pods = (item for item in items if item["kind"] in ("Deployment", "StatefulSet"))
    found = next(item for item in pods if item["metadata"]["name"] == f"desk-{who}")
    labels = found["spec"]["template"]["metadata"]["labels"]
    source = Place(name=who, namespace="ai", labels=labels)
    return {port for port in (443, 6443, 8443) if may_dial(policies, source, OUTSIDE, port)}


def test_providers_are_closed_where_that_is_asked_for(tmp_path: Path) -> None:
    """With the API server named, which it need not be where no port is of both."""
    named = {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
    far = {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]}
    closed: list[dict[str, Any]] = [
        {"apiServer": named, "providers": {"enabled": False}},
        {"apiServer": named, "providers": far},
    ]
    for policy in closed:
        assert _reached(render(tmp_path, {"networkPolicy": policy})) == set()
    apart = {"apiServer": {"ports": [6443]}, "providers": {"enabled": False}}
    assert _reached(render(tmp_path, {"networkPolicy": apart})) == {6443}
    free = {"egress": False, "providers": {"enabled": False}}
    assert _reached(render(tmp_path, {"networkPolicy": free})) == {443, 6443, 8443}


def test_the_ledger_may_dial_the_provider_at_its_own_port(tmp_path: Path) -> None:
    """And nobody where no console signs people in."""
    console = {"enabled": True, "url": "https://c", "roles": ["viewer=*"]}
    for provider, open_ in (("", {443}), (":8443/realms/desk", {8443})):
        oidc = {"issuer": f"https://login.example.com{provider}", "clientId": "p"}
        for enabled in (True, False):
            made = {**console, "enabled": enabled, "oidc": oidc}
            values = {
                "ledger": {**LEDGER, "postgres": {"secret": "db"}, "console": made},
                "networkPolicy": {**NEAR, "apiServer": {"ports": [6443]}},
            }
            reached = _reached(render(tmp_path, values), "ledger") - {6443}
            assert reached == (open_ if enabled else set())


def containers(items: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Arguments by the container's name."""
    pods = [
        i["spec"]["template"]["spec"] for i in items if i["kind"] in ("Deployment", "StatefulSet")
    ]
    return {one["name"]: one["args"] for pod in pods for one in pod["containers"]}


NETWORKS = [
    *("10.0.0.0/8", "10.0.0.5/24", "10.0.0.1", "10.0.0.0/33", "256.0.0.0/8", "1.2.3", "0.0.0.0/0"),
    *("1.0.0.0/0", "192.168.77.128/25", "192.168.77.64/25", "::1", "::/0", "fd00::/8", "fd00::1/8"),
    *("2001:db8::/32", "2001:db8:0:1::/48", "fe80::/10", "::1/129", "1::2::3", "1:2:3:4:5:6:7:8"),
    *("1:2:3:4:5:6:7:8:9", "2001:db8:8000::/33", "2001:db8:c000::/33", "12345::"),
]


def test_the_chart_takes_the_networks_that_the_ledger_takes(tmp_path: Path) -> None:
    """All that Python's `ipaddress` refuses is refused, with each by its name, and nothing else."""
    console = {"enabled": True, "roles": ["viewer=*"], "trustedProxies": NETWORKS}
    wrong = []
    for text in NETWORKS:
        try:
            ip_network(text)
        except ValueError:
            wrong.append(text)
    with pytest.raises(HelmFailed) as refused:
        render(tmp_path, {"ledger": {**LEDGER, "console": console}})
    assert re.findall(r"trustedProxies: (\S+) is no network", str(refused.value)) == wrong
    right = [text for text in NETWORKS if text not in wrong]
    assert len(right) > 10
    assert len(wrong) > 10
    console["trustedProxies"] = right
    items = render(tmp_path, {"ledger": {**LEDGER, "console": console}, "networkPolicy": NEAR})
    assert len(parse_ledger(containers(items)["ledger"], {}).people.trusted_proxies) == len(right)


def test_a_console_on_this_machine_may_be_plain(tmp_path: Path) -> None:
    """As the ledger says: a browser on the other end of a port-forward."""
    oidc = {"issuer": "https://login.example.com", "clientId": "p"}
    for url in ("http://localhost:9903", "http://127.0.0.1", "http://[::1]:9903"):
        console = {"enabled": True, "url": url, "roles": ["viewer=*"], "oidc": oidc}
        items = render(tmp_path, {"ledger": {**LEDGER, "console": console}})
        assert parse_ledger(containers(items)["ledger"], {}).people.console_url == url


def test_large_numbers_are_written_out(tmp_path: Path) -> None:
    """From a file they come as floats, and 1.048576e+06 is no whole number to who reads it."""
    million = 1_048_576
    scaled = {"enabled": True, "maxReplicas": 9, "inFlight": {"target": million}}
    router = {
        "eventsMaxMiB": million,
        "drainSeconds": million,
        "shutdownDelaySeconds": million,
        "minReadySeconds": million,
        "terminationGracePeriodSeconds": 3 * million,
    }
    values = {"router": router, "ledger": {**LEDGER, "keepRollupsDays": 100_000}}
    items = render(tmp_path, values)
    text = yaml.safe_dump_all(items)
    assert "e+0" not in text
    assert text.count(str(million)) == 4
    read = parse_router(containers(items)["router"], {"POD_NAMESPACE": "ai"})
    assert read.events.disk_bytes == million << 20
    assert read.drain_s == read.shutdown_delay_s == million
    assert parse_ledger(containers(items)["ledger"], {}).keep_rollups_days == 100_000
    for more in ({"replicas": million}, {"autoscaling": scaled}):
        assert "e+0" not in yaml.safe_dump_all(render(tmp_path, {"router": more}))


def _worded(word: str, sentence: str) -> dict[str, Any]:
    """Values with these in every place where a text is free: where a name is, and a sentence."""
    return {
        "image": {"repository": word, "tag": word},
        "operator": {"vllmImage": word},
        "callers": {"secrets": [word]},
        "router": {
            "otlp": {
                "endpoint": "http://c:4318",
                "serviceName": sentence,
                "headersSecret": word,
                "caSecret": word,
            },
            "proxy": {"secret": word, "noProxy": sentence},
            "ingress": {"enabled": True, "className": word, "hosts": [word]},
            "httpRoute": {
                "enabled": True,
                "parentRefs": [{"name": word, "namespace": word, "group": word, "kind": word}],
            },
        },
        "ledger": {
            "enabled": True,
            "tokenSecret": word,
            "sqlite": {"storageClassName": word},
            "webhookKeys": [{"secret": word, "key": word}],
            "console": {
                "enabled": True,
                "url": "https://c",
                "roles": [f"viewer={sentence}"],
                "trustedProxies": ["10.0.0.0/8"],
                "identityHeader": sentence,
                "groupsHeader": sentence,
                "oidc": {
                    "issuer": f"https://c/{word}",
                    "clientId": sentence,
                    "secret": word,
                    "nameClaim": sentence,
                    "groupsClaim": sentence,
                },
                "sessionSecret": word,
                "peopleSecret": word,
            },
        },
        "networkPolicy": {**NEAR, "routerTo": [{"ports": [{"port": 3128}]}]},
    }


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, below in node.items():
            yield from _leaves(below, f"{path}.{key}")
    elif isinstance(node, list):
        for at, below in enumerate(node):
            yield from _leaves(below, f"{path}.{at}")
    else:
        yield path, node


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("1234", "desk #1"), ("1.5", "a: b"), ("true", "- x"), ("null", "*y"), ("0x1f", "'z")],
)
def test_what_yaml_would_read_as_something_else_stays_a_text(
    tmp_path: Path, word: str, sentence: str
) -> None:
    """Every leaf is of its type, and says what the value says."""
    for store in ({}, {"postgres": {"secret": word, "key": word}}):
        values, plain = _worded(word, sentence), _worded("wword", "ssentence")
        values["ledger"] |= store
        plain["ledger"] |= {"postgres": {"secret": "wword", "key": "wword"}} if store else {}
        odd = dict(_leaves(render(tmp_path, values)))
        for path, told in _leaves(render(tmp_path, plain)):
            wanted = told
            if isinstance(told, str):
                wanted = told.replace("wword", word).replace("ssentence", sentence)
            assert (path, odd[path]) == (path, wanted)


EMPTY: tuple[object, ...] = ("", [], {})
NULLS = ("router.autoscaling.targetCPUUtilizationPercentage",)
"""Values to which null says something: values.yaml has what."""


def _defaults() -> Iterator[tuple[str, object]]:
    """Each value that the schema names, parts included, and its default."""

    def walk(node: dict[str, Any], values: Any, path: str) -> Iterator[tuple[str, object]]:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        if path:
            yield path, values
        for key, below in node.get("properties", {}).items():
            if key in values:
                yield from walk(below, values[key], f"{path}.{key}".lstrip("."))

    yield from walk(SCHEMA, yaml.safe_load((CHART / "values.yaml").read_text()), "")


def _nulls(paths: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in paths:
        *folders, key = path.split(".")
        here = values
        for folder in folders:
            here = here.setdefault(folder, {})
        here[key] = None
    return values


def test_null_takes_no_default_away(tmp_path: Path) -> None:
    """What has one is refused by its path: never read as none, as false, or as `%!s(<nil>)`."""
    said_by_all = [
        path
        for path, default in _defaults()
        if default not in EMPTY and not isinstance(default, list) and path not in NULLS
        and not re.search(r"(resources|labels|annotations)\b", path)
    ]  # fmt: skip
    assert len(said_by_all) > 90
    for depth in range(4):
        paths = [path for path in said_by_all if path.count(".") == depth]
        with pytest.raises(HelmFailed) as refused:
            render(tmp_path, _nulls(paths))
        lines = [line for line in str(refused.value).splitlines() if "missing propert" in line]
        for path in paths:
            folder, _, key = path.rpartition(".")
            place = f"'/{folder.replace('.', '/')}'" if folder else "''"
            assert any(place in line and f"'{key}'" in line for line in lines), path


def test_null_is_empty_where_nothing_is_the_default(tmp_path: Path) -> None:
    """Also of what is optional of a ledger, a console and an autoscaler."""
    console = {"enabled": True, "roles": ["viewer=*"], "trustedProxies": ["10.0.0.0/8"]}
    full: dict[str, Any] = {
        "router": {"autoscaling": {"enabled": True}},
        "ledger": {**LEDGER, "console": console},
        "networkPolicy": NEAR,
    }
    nothing = [path for path, default in _defaults() if default in EMPTY]
    assert len(nothing) > 40
    for values in ({}, full):
        there = {path for path, _ in _leaves(values)}
        free = [p for p in nothing if not any(at.startswith(f".{p}") for at in there)]
        nulls = _nulls(free)
        file = tmp_path / "nulls.yaml"
        file.write_text(yaml.safe_dump(nulls))
        both = tmp_path / "both.yaml"
        both.write_text(yaml.safe_dump(values))
        text = template(["-f", str(file), "-f", str(both)], release="desk", namespace="ai")
        assert objects(text) == render(tmp_path, values)


@pytest.mark.parametrize("mode", ["Keys", "Open"])
def test_the_notes_go_where_the_release_serves(mode: str) -> None:
    """All of several namespaces are named, and every command is for the first of them."""
    options = ("--namespace", "rel", "--dry-run=client", "--set", f"callers.mode={mode}")

    def notes(*more: str) -> str:
        return helm("install", "desk", str(CHART), *options, *more).partition("NOTES:")[2].strip()

    several = notes("--set", "namespaces={team-a,team-b}")
    assert several.startswith("Pointsman serves the namespaces team-a, team-b,")
    assert set(re.findall(r"kubectl -n (\S+)", several)) == {"team-a"}
    alone = notes()
    assert alone.startswith("Pointsman serves the namespace rel.\n")
    assert set(re.findall(r"kubectl -n (\S+)", alone)) == {"rel"}
    assert notes("--set", "namespaces={team-a}") == alone.replace(" rel", " team-a")
