"""The charts on a real API server: rendered, admitted, and allowed to do what the code does."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.api.callers import digest_of
from pointsman.ledger.settings import parse
from pointsman.router.control.callers import read_secret
from tests.bench import Bench, CommandFailed
from tests.charts.helm import objects
from tests.charts.rbac import rights_of_code

pytestmark = pytest.mark.bench
CHARTS = Path(__file__).parent.parent.parent / "charts"


def render(
    bench: Bench,
    *options: str,
    chart: str | Path = "pointsman",
    release: str = "desk",
    namespace: str = "ai",
) -> list[dict[str, Any]]:
    path = str(CHARTS / chart)
    text = bench.helm("template", release, path, "--namespace", namespace, *options)
    return objects(text)


def one(items: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(i for i in items if i["kind"] == kind and i["metadata"]["name"] == name)


@pytest.fixture(scope="module")
def rendered(bench: Bench) -> list[dict[str, Any]]:
    return render(bench)


@pytest.mark.parametrize("chart", ["pointsman", "pointsman-crds"])
def test_helm_finds_nothing_wrong(bench: Bench, chart: str) -> None:
    """`helm lint`, warnings included."""
    assert "0 chart(s) failed" in bench.helm("lint", "--strict", str(CHARTS / chart))


@pytest.mark.parametrize("chart", ["pointsman", "pointsman-crds"])
def test_the_api_server_takes_every_object(bench: Bench, chart: str) -> None:
    """Server-side dry run, unknown fields refused."""
    bench.kubectl("create", "namespace", "ai", check=False)
    text = yaml.safe_dump_all(render(bench, chart=chart))
    said = bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text
    )

    assert said.count("(server dry run)") == len(render(bench, chart=chart))


def test_keda_reaches_the_leader_and_nobody_else(bench: Bench) -> None:
    """A port, an argument and a Service, only where they are asked for, and with one operator."""
    asked = ("--set", "operator.keda.enabled=true,operator.replicas=1")
    items = render(bench, *asked)
    (container,) = one(items, "Deployment", "desk-operator")["spec"]["template"]["spec"][
        "containers"
    ]
    service = one(items, "Service", "desk-keda")["spec"]
    bench.kubectl("create", "namespace", "ai", check=False)
    bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(items),
    )  # fmt: skip

    assert "--keda-port=9903" in container["args"]
    assert {"name": "keda", "containerPort": 9903} in container["ports"]
    assert service["ports"][0]["targetPort"] == "keda"
    labels = one(items, "Deployment", "desk-operator")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert not any(i["metadata"]["name"] == "desk-keda" for i in render(bench))
    with pytest.raises(CommandFailed, match="only the leader knows the load"):
        render(bench, *asked, "--set", "operator.replicas=2")


def test_a_proxy_is_named_by_a_secret(bench: Bench, rendered: list[dict[str, Any]]) -> None:
    """Its URL may hold a password, so it stands in no manifest; without a Secret there is none."""
    exempt = r"router.proxy.noProxy=.corp\,10.0.0.0/8"
    way = "networkPolicy.routerTo[0].to[0].ipBlock.cidr=10.0.0.5/32"
    asked = ("--set", f"router.proxy.secret=p,{way}", "--set-string", exempt)
    pod = one(render(bench, *asked), "Deployment", "desk-router")["spec"]["template"]["spec"]
    told = {entry["name"]: entry for entry in pod["containers"][0]["env"]}
    secret = {"secretKeyRef": {"name": "p", "key": "url"}}
    assert told["HTTPS_PROXY"]["valueFrom"] == secret
    assert told["NO_PROXY"]["value"] == ".corp,10.0.0.0/8"
    assert "PROXY" not in json.dumps(one(rendered, "Deployment", "desk-router"))
    with pytest.raises(CommandFailed, match=r"router.proxy"):
        render(bench, "--set", "router.proxy.secret=A B")


def test_routers_send_traces_where_they_are_asked_to(
    bench: Bench, rendered: list[dict[str, Any]]
) -> None:
    """Flags, variables, and both Secrets as files; nothing of it without an endpoint."""
    asked = (
        "--set", "router.otlp.endpoint=http://collector:4318,router.otlp.sample=0.25",
        "--set", "router.otlp.serviceName=desk,router.otlp.headersSecret=h,router.otlp.caSecret=c",
        "--set-string", "router.otlp.env.OTEL_BSP_MAX_QUEUE_SIZE=100",
    )  # fmt: skip
    items = render(bench, *asked)
    bench.kubectl("create", "namespace", "ai", check=False)
    bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(items),
    )  # fmt: skip
    pod = one(items, "Deployment", "desk-router")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    kept = {
        f"{places[volume['name']]}/{item['path']}": (volume["secret"]["secretName"], item["key"])
        for volume in pod["volumes"]
        if "secret" in volume
        for item in volume["secret"]["items"]
    }
    flags = dict(a.split("=", 1) for a in container["args"] if a.startswith("--otlp"))

    assert kept[flags.pop("--otlp-headers-file")] == ("h", "headers")
    assert kept[flags.pop("--otlp-ca-file")] == ("c", "ca.crt")
    assert flags == {
        "--otlp-endpoint": "http://collector:4318",
        "--otlp-sample": "0.25",
        "--otlp-service-name": "desk",
    }
    assert {"name": "OTEL_BSP_MAX_QUEUE_SIZE", "value": "100"} in container["env"]
    assert "otlp" not in json.dumps(one(rendered, "Deployment", "desk-router"))
    for wrong in ("headersSecret=h", "endpoint=collector:4318", "sample=1.5", "env.PATH=x"):
        with pytest.raises(CommandFailed, match=r"router.otlp"):
            render(bench, "--set", f"router.otlp.{wrong}")


def test_pods_pass_the_restricted_standard(bench: Bench, rendered: list[dict[str, Any]]) -> None:
    """The API server's own admission says so."""
    namespace = "charts-restricted"
    label = "pod-security.kubernetes.io/enforce=restricted"
    bench.kubectl("create", "namespace", namespace)
    bench.kubectl("label", "namespace", namespace, label)
    try:
        for part in ("operator", "router"):
            template = one(rendered, "Deployment", f"desk-{part}")["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"]["name"] = part
            account: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount"}
            account |= {"metadata": {"name": template["spec"]["serviceAccountName"]}}
            bench.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(account))
            bench.kubectl(
                "-n", namespace, "create", "--dry-run=server", "-f", "-", input=json.dumps(pod)
            )
    finally:
        bench.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_role_is_exactly_what_the_code_uses(rendered: list[dict[str, Any]]) -> None:
    """Not a verb more, and none on Secrets."""
    role = one(rendered, "Role", "desk-operator")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert granted == rights_of_code()
    assert not [right for right in granted if right[1] == "secrets"]


def test_only_the_router_may_review_tokens(rendered: list[dict[str, Any]]) -> None:
    """The one right beyond the namespace."""
    role = one(rendered, "ClusterRole", "ai:desk:router")

    assert role["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    assert len([i for i in rendered if i["kind"] == "ClusterRole"]) == 1


def test_the_admin_port_is_the_operators(rendered: list[dict[str, Any]]) -> None:
    """By default; callers reach the data port only."""
    policy = one(rendered, "NetworkPolicy", "desk-router")
    ports = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}

    assert ports["http"] is None
    assert [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in ports["admin"]
    ] == ["operator"]


def _arguments(items: list[dict[str, Any]]) -> list[str]:
    pod = one(items, "Deployment", "desk-router")["spec"]["template"]["spec"]
    arguments: list[str] = pod["containers"][0]["args"]
    return [argument for argument in arguments if argument.startswith("--caller")]


def test_a_chart_is_open_only_by_choice(bench: Bench, rendered: list[dict[str, Any]]) -> None:
    """By default callers need keys of the release's own Secret."""
    named = render(bench, "--set", "callers.secrets={one,two}")

    assert _arguments(rendered) == ["--callers=Keys", "--caller-secrets=desk-callers"]
    assert _arguments(named) == ["--callers=Keys", "--caller-secrets=one,two"]
    assert _arguments(render(bench, "--set", "callers.mode=Open")) == ["--callers=Open"]


@pytest.mark.parametrize(
    "values",
    ["callers.mode=", "callers.mode=open", "callers.mode=null", "callers.mode=false",
     "callers=null", "callers.mode=Open,callers.secrets={a}", "callers.secrets={A_b}",
     "callers.secrets=a"],
)  # fmt: skip
def test_no_value_of_the_chart_opens_by_accident(bench: Bench, values: str) -> None:
    """Nothing is rendered."""
    with pytest.raises(CommandFailed):
        render(bench, "--set", values)


def test_the_notes_tell_how_to_make_the_first_key(bench: Bench) -> None:
    """Their commands without ours, as they stand: the Secret knows the key that the shell has."""
    bench.kubectl("create", "namespace", "notes")
    options = ("--namespace", "notes", "--dry-run=client")
    said = bench.helm("install", "desk", str(CHARTS / "pointsman"), *options).partition("NOTES:")[2]
    by_hand = said.partition("without it")[2]
    commands = [line for line in by_hand.splitlines() if re.match("  (export|kubectl)", line)][:3]
    script = "\n".join(["set -eu", *commands, 'printf %s "$OPENAI_API_KEY"'])
    try:
        key = bench.run("sh", "-c", script).splitlines()[-1].encode()
        said = bench.kubectl("-n", "notes", "get", "secret", "desk-callers", "-o", "json")
        secret = json.loads(said)
        data = {name: base64.b64decode(value) for name, value in secret["data"].items()}
        found = read_secret("desk-callers", secret["metadata"]["labels"], data)
    finally:
        bench.kubectl("delete", "namespace", "notes", "--wait=false")

    assert found.problems == ()
    assert [caller.digests for caller in found.callers] == [frozenset({digest_of(key)})]
    assert len(key) == 68


def test_open_notes_say_that_it_is_open(bench: Bench) -> None:
    """And ask for no key."""
    options = ("--namespace", "ai", "--dry-run=client", "--set", "callers.mode=Open")
    said = bench.helm("install", "desk", str(CHARTS / "pointsman"), *options).partition("NOTES:")[2]

    assert "everybody who reaches the routers" in said
    assert "OPENAI_API_KEY" not in said


def test_the_notes_say_that_the_kinds_are_missing(bench: Bench) -> None:
    """Before the first apply fails by it; and not where they are there."""
    kinds = str(CHARTS.parent / "crds" / "manifests")
    bench.kubectl("apply", "--server-side", "--force-conflicts", "-f", kinds)
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
    for asked, missing in (("client", True), ("server", False)):
        how = ("--namespace", "default", f"--dry-run={asked}")
        said = bench.helm("install", "desk", str(CHARTS / "pointsman"), *how).partition("NOTES:")[2]
        assert ("install the chart pointsman-crds" in said) is missing


def test_a_single_router_has_no_disruption_budget(bench: Bench) -> None:
    """It could never be drained."""
    alone = render(bench, "--set", "router.replicas=1")

    budgets = [item for item in alone if item["kind"] == "PodDisruptionBudget"]
    assert [item["metadata"]["name"] for item in budgets] == ["desk-operator"]


def leaves(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value)
    else:
        yield node


@pytest.mark.parametrize(
    ("release", "namespace"),
    [("null", "null"), ("true", "true"), ("r", "1"), ("r", "1e3"), ("r", "0x1f")],
)
def test_names_that_yaml_would_read_as_something_else(
    bench: Bench, release: str, namespace: str
) -> None:
    """Kubernetes allows them; Services, and so releases, begin with a letter."""
    plain = [*leaves(render(bench, release="r", namespace="n"))]
    odd = [*leaves(render(bench, release=release, namespace=namespace))]

    assert [type(value) for value in odd] == [type(value) for value in plain]


def test_two_releases_never_share_an_object_of_the_cluster(bench: Bench) -> None:
    """Whatever hyphens their names hold."""
    one, two = (
        {
            (item["kind"], item["metadata"]["name"])
            for item in render(bench, release=release, namespace=namespace)
            if "namespace" not in item["metadata"]
        }
        for release, namespace in (("b-c", "a"), ("c", "a-b"))
    )

    assert one
    assert not one & two


def test_a_version_with_build_metadata_makes_labels(bench: Bench, tmp_path: Path) -> None:
    """A + is allowed in a version and not in a label."""
    chart = shutil.copytree(CHARTS / "pointsman", tmp_path / "pointsman")
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    about |= {"version": "1.0.0+abc", "appVersion": "1.0.0+abc"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    labels = one(render(bench, chart=chart), "Deployment", "desk-router")["metadata"]["labels"]

    assert not [value for value in labels.values() if "+" in value]


def test_a_drain_longer_than_the_grace_period_is_refused(bench: Bench) -> None:
    """The kubelet would kill the router in the middle of it."""
    with pytest.raises(CommandFailed, match=r"61 s, more than router.terminationGracePeriodSec"):
        render(bench, "--set", "router.drainSeconds=46")


def test_a_misspelled_value_is_refused(bench: Bench) -> None:
    """By the schema, before anything is installed."""
    with pytest.raises(CommandFailed, match="additional properties 'replica' not allowed"):
        render(bench, "--set", "router.replica=3")


def test_each_part_has_its_image_and_simulators_the_routers(
    rendered: list[dict[str, Any]],
) -> None:
    """All of one version; the router's is the smallest that has the simulator's command."""
    image = {
        part: one(rendered, "Deployment", f"desk-{part}")["spec"]["template"]["spec"]
        for part in ("operator", "router")
    }
    image = {part: spec["containers"][0] for part, spec in image.items()}
    version = image["operator"]["image"].rpartition(":")[2]

    assert image["operator"]["image"] == f"pointsman/operator:{version}"
    assert image["router"]["image"] == f"pointsman/router:{version}"
    assert f"--image=pointsman/router:{version}" in image["operator"]["args"]


KNOWN = (
    "ledger.enabled=true,ledger.tokenSecret=t,ledger.console.enabled=true,"
    "ledger.console.trustedProxies={10.0.7.0/24},ledger.console.roles={viewer=*},"
    "networkPolicy.ledgerFrom[0].podSelector.matchLabels.app=proxy"
)
LEDGER = ("--set", "ledger.enabled=true,ledger.tokenSecret=ledger-token")


def test_the_ledger_is_there_only_where_it_is_asked_for(bench: Bench) -> None:
    """Admitted with either store; routers and operator get its address and token."""
    assert not any("ledger" in item["metadata"]["name"] for item in render(bench))
    postgres = ("--set", "ledger.postgres.secret=db,ledger.replicas=3")
    bench.kubectl("create", "namespace", "ai", check=False)
    for more in ((), postgres):
        items = render(bench, *LEDGER, *more)
        bench.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
            input=yaml.safe_dump_all(items),
        )  # fmt: skip
        spec = one(items, "StatefulSet", "desk-ledger")["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        assert bool(spec.get("volumeClaimTemplates")) is (not more)
        assert ("--db=/var/lib/pointsman/ledger.db" in container["args"]) is (not more)
        labels = spec["template"]["metadata"]["labels"]
        assert one(items, "Service", "desk-ledger")["spec"]["selector"].items() <= labels.items()
        peers = one(items, "NetworkPolicy", "desk-ledger")["spec"]["ingress"][0]["from"]
        for peer, name in zip(peers, ("desk-router", "desk-operator"), strict=True):
            sender = one(items, "Deployment", name)["spec"]["template"]
            labels = sender["metadata"]["labels"]
            assert peer["podSelector"]["matchLabels"].items() <= labels.items()
            (container,) = sender["spec"]["containers"]
            assert "--ledger=http://desk-ledger:9903" in container["args"]
            assert "/run/pointsman/ledger" in [m["mountPath"] for m in container["volumeMounts"]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("ledger.enabled=true", "tokenSecret"),
        ("ledger.url=http://other:9903", "tokenSecret"),
        ("ledger.url=other:9903,ledger.tokenSecret=t", "url"),
        ("ledger.enabled=true,ledger.tokenSecret=t,ledger.replicas=2", "one writer"),
        ("ledger.enabled=true,ledger.tokenSecret=t,ledger.sqlite.size=20GB", "size"),
        ("ledger.tokensecret=t", "tokensecret"),
        ("ledger.enabled=true,ledger.tokenSecret=t,ledger.console.enabled=true", "who somebody is"),
        ("ledger.enabled=true,ledger.tokenSecret=t,ledger.console.roles={admin=x}", "roles"),
        (f"{KNOWN},ledger.webhookKeys[0].secret=hooks", "key"),
        (f"{KNOWN},ledger.console.roles=null", "roles"),
        (f"{KNOWN},ledger.console.oidc.issuer=https://a.b", "url"),
        (f"{KNOWN},ledger.replicas=2,ledger.postgres.secret=db", "sessionSecret"),
    ],
)
def test_a_ledger_that_cannot_work_is_refused(bench: Bench, values: str, message: str) -> None:
    """With what is missing."""
    with pytest.raises(CommandFailed, match=message):
        render(bench, "--set", values)


def test_the_console_is_there_only_where_people_are_known(bench: Bench, tmp_path: Path) -> None:
    """Its flags are ones that the ledger takes, and its files are where the flags say."""
    plain = one(render(bench, *LEDGER), "StatefulSet", "desk-ledger")["spec"]["template"]["spec"]
    assert not any("--role" in flag for flag in plain["containers"][0]["args"])
    values = {
        "enabled": True,
        "url": "https://pointsman.example.com",
        "roles": ["operator=cn=platform,ou=teams", "viewer=*"],
        "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
        "oidc": {"issuer": "https://login.example.com", "clientId": "p", "secret": "oidc"},
        "sessionSecret": "session",
        "peopleSecret": "people",
    }
    file = tmp_path / "values.yaml"
    near = {"ledgerFrom": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}
    file.write_text(yaml.safe_dump({"ledger": {"console": values}, "networkPolicy": near}))
    spec = one(render(bench, *LEDGER, "-f", str(file)), "StatefulSet", "desk-ledger")["spec"]
    (container,) = spec["template"]["spec"]["containers"]

    found = parse(container["args"], {}).people
    assert {(grant.role, grant.group) for grant in found.roles} == {
        ("operator", "cn=platform,ou=teams"),
        ("viewer", "*"),
    }
    assert len(found.trusted_proxies) == 2
    assert found.oidc is not None
    folders = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    files = (found.people_file, found.session_key_file, found.oidc.client_secret_file)
    assert all(file is not None and file.parent in folders for file in files)


CONSOLE = (
    "--set",
    (
        "ledger.console.enabled=true,ledger.console.trustedProxies={10.0.7.0/24},"
        "ledger.console.roles={operator=platform},"
        "networkPolicy.ledgerFrom[0].podSelector.matchLabels.app=proxy"
    ),
)


@pytest.mark.parametrize("write", [False, True])
def test_the_console_may_read_and_only_if_asked_patch_policies(bench: Bench, write: bool) -> None:
    """A ledger without a console has no right at all, and no token."""
    plain = render(bench, *LEDGER)
    pod = one(plain, "StatefulSet", "desk-ledger")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert not [i for i in plain if i["kind"] == "Role" and i["metadata"]["name"] == "desk-ledger"]

    asked = ("--set", f"ledger.console.write={str(write).lower()}")
    items = render(bench, *LEDGER, *CONSOLE, *asked)
    bench.kubectl("create", "namespace", "ai", check=False)
    bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(items),
    )  # fmt: skip
    rights = {
        (group, resource, verb)
        for rule in one(items, "Role", "desk-ledger")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    ours = "pointsman.dev"
    reads = {
        (ours, "modelbackends", "list"),
        (ours, "routingpolicies", "list"),
        ("apps", "controllerrevisions", "list"),
    }
    writes = {(ours, "routingpolicies", verb) for verb in ("get", "patch")}
    assert rights == reads | (writes if write else set())
    pod = one(items, "StatefulSet", "desk-ledger")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "desk-ledger"
    (container,) = pod["containers"]
    wanted = {
        "--console-fleet=cluster", "--console-namespace=$(POD_NAMESPACE)",
        "--role=operator=platform",
        "--trusted-proxy=10.0.7.0/24", f"--console-write={'yes' if write else 'no'}",
    }  # fmt: skip
    assert wanted <= set(container["args"])


def test_keys_of_webhooks_are_where_the_ledger_looks(bench: Bench) -> None:
    """Each under its Secret's name, a dot, and its key; one that is missing stops no pod."""
    keys = "ledger.webhookKeys[0].secret=hooks,ledger.webhookKeys[0].key=desk"
    items = render(bench, *LEDGER, "--set", keys)
    bench.kubectl("create", "namespace", "ai", check=False)
    bench.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(items),
    )  # fmt: skip
    spec = one(items, "StatefulSet", "desk-ledger")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    folder = parse(container["args"], {}).webhook_keys
    (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == str(folder)]
    (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
    assert volume["projected"]["sources"] == [
        {
            "secret": {
                "name": "hooks", "items": [{"key": "desk", "path": "hooks.desk"}], "optional": True,
            }
        }
    ]  # fmt: skip
    plain = one(render(bench, *LEDGER), "StatefulSet", "desk-ledger")["spec"]["template"]["spec"]
    assert parse(plain["containers"][0]["args"], {}).webhook_keys is None


def test_the_ledgers_pod_passes_the_restricted_standard(bench: Bench) -> None:
    """The API server's own admission says so."""
    namespace = "charts-ledger-restricted"
    bench.kubectl("create", "namespace", namespace)
    label = "pod-security.kubernetes.io/enforce=restricted"
    bench.kubectl("label", "namespace", namespace, label)
    try:
        off = ("--set", "ledger.sqlite.persistent=false")
        template = one(render(bench, *LEDGER, *off), "StatefulSet", "desk-ledger")["spec"][
            "template"
        ]
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        pod["metadata"]["name"] = "ledger"
        bench.kubectl(
            "-n", namespace, "create", "--dry-run=server", "-f", "-", input=json.dumps(pod)
        )
    finally:
        bench.kubectl("delete", "namespace", namespace, "--wait=false")


def test_monitoring_is_there_only_where_it_is_asked_for(bench: Bench) -> None:
    """Rules and dashboard as they lie in files/, and a PodMonitor for each part with its port."""
    kinds = {"PodMonitor", "PrometheusRule"}
    assert not any(item["kind"] in kinds for item in render(bench))
    asked = ",".join(
        f"monitoring.{part}.enabled=true" for part in ("podMonitors", "rules", "dashboards")
    )
    items = render(bench, *LEDGER, "--set", f"{asked},networkPolicy.enabled=false")
    rules = one(items, "PrometheusRule", "desk-pointsman")["spec"]
    assert rules == yaml.safe_load((CHARTS / "pointsman/files/alerts.yaml").read_text())
    shown = one(items, "ConfigMap", "desk-dashboards")
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(shown["data"]["pointsman.json"])["title"] == "Pointsman"
    pods = {
        item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: item
        for item in items
        if item["kind"] in ("Deployment", "StatefulSet")
    }
    for part, workload in pods.items():
        monitor = one(items, "PodMonitor", f"desk-{part}")["spec"]
        template = workload["spec"]["template"]
        wanted = monitor["selector"]["matchLabels"]
        assert wanted.items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert monitor["podMetricsEndpoints"][0]["port"] in ports
