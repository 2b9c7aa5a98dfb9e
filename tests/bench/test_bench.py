"""The control plane, its network, identities and faults: what later tests rely on."""

import json
import socket
from pathlib import Path

import pytest
import yaml

from tests.bench import Bench, CommandFailed
from tests.bench.pods import (
    HTTP_READY,
    SERVE,
    SLEEP,
    Json,
    create,
    http_get,
    main_container,
    pod,
    ready_addresses,
    status,
    wait_ready,
    web,
)

pytestmark = pytest.mark.bench


def test_api_is_up_and_node_ready(bench: Bench) -> None:
    """The API server is the version we say, and the node takes pods."""
    version = json.loads(bench.kubectl("version", "-o", "json"))["serverVersion"]
    assert version["gitVersion"] == "v1.37.2"
    assert bench.kubectl("get", "--raw", "/readyz") == "ok"
    assert [node["metadata"]["name"] for node in bench.list("nodes")] == bench.nodes
    assert bench.start_seconds < 60


@pytest.mark.parametrize(
    ("kinds", "selector"),
    [
        ("nodes,Namespace,po", ""),
        ("pods", "app=two"),
        ("cm,secrets,events.events.k8s.io,leases.coordination.k8s.io", ""),
        ("clusterrole,apiservices,serviceaccount", ""),
    ],
)
def test_what_is_read_is_what_kubectl_shows(
    bench: Bench, namespace: str, kinds: str, selector: str
) -> None:
    """Objects of all kinds of a cluster and of a namespace, by every name of theirs."""
    for name in ("one", "two"):
        create(bench, namespace, pod(name, SLEEP))
        wait_ready(bench, namespace, name)
    words = ("get", kinds, "-n", namespace, "-l", selector, "-o", "json")

    def same() -> bool:
        shown = json.loads(bench.kubectl(*words))["items"]
        return bool(shown) and bench.list(kinds, namespace, selector) == shown

    bench.wait_for(same, 30, "the same of both, while leases and events change")
    assert bench.get("po", "two", namespace) == bench.list("pods", namespace, "app=two")[0]


def test_what_cannot_be_read_is_said_as_kubectl_says_it(bench: Bench, namespace: str) -> None:
    """A name that nobody has is None; a kind that nobody has, and an odd selector, are errors."""
    assert bench.get("pod", "nobody", namespace) is None
    assert bench.get("pod", "nobody", "nowhere") is None
    for kinds, selector in (("things", ""), ("pods", "a=b=c")):
        with pytest.raises(CommandFailed) as theirs:
            bench.kubectl("get", kinds, "-n", namespace, "-l", selector, "-o", "json")
        with pytest.raises(CommandFailed) as ours:
            bench.list(kinds, namespace, selector)
        assert str(ours.value).removeprefix("Error from server (BadRequest): ") in str(theirs.value)


def test_a_kind_that_comes_later_is_read_too(bench: Bench) -> None:
    """What the API server serves is asked again for a name that is not known."""
    about = {"group": "later.example.com", "scope": "Cluster"}
    names = {"plural": "laters", "singular": "later", "kind": "Later", "shortNames": ["lt"]}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    kind = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "laters.later.example.com"},
        "spec": about | {"names": names, "versions": [version]},
    }
    with pytest.raises(CommandFailed):
        bench.list("lt")
    bench.apply(json.dumps(kind))
    one = {"apiVersion": "later.example.com/v1", "kind": "Later", "metadata": {"name": "one"}}
    try:
        bench.kubectl("wait", "--for=condition=Established", "crd", "laters.later.example.com")
        bench.wait_for(lambda: bench.apply(json.dumps(one)), 30, "the kind to be served")
        assert [item["metadata"]["name"] for item in bench.list("lt")] == ["one"]
    finally:
        bench.kubectl("delete", "crd", "laters.later.example.com")


def test_deployment_becomes_available_and_answers(bench: Bench, namespace: str) -> None:
    """Two pods bind the same port, each at its own address, and stand in the EndpointSlice."""
    create(bench, namespace, *web(HTTP_READY))
    bench.kubectl(
        *("wait", "-n", namespace, "deployment/web", "--for=condition=Available", "--timeout=120s")
    )
    addresses = bench.wait_for(
        lambda: len(found := ready_addresses(bench, namespace)) == 2 and found, 20, "two endpoints"
    )
    assert addresses
    assert len(set(addresses)) == 2
    assert [http_get(address) for address in addresses] == [200, 200]


def test_unready_pod_stays_out_of_the_slice(bench: Bench, namespace: str) -> None:
    """A failing readiness probe: running, not ready, known to the slice as not ready."""
    broken = {"httpGet": {"path": "/missing", "port": 8000}, "periodSeconds": 1}
    create(bench, namespace, *web(broken))

    def listed_as_unready() -> bool:
        slices = bench.list("endpointslices", namespace)
        endpoints = [e for piece in slices for e in piece.get("endpoints") or ()]
        return len(endpoints) == 2 and not any(e["conditions"]["ready"] for e in endpoints)

    bench.wait_for(listed_as_unready, 30, "two endpoints that are not ready")
    (first, _) = bench.list("pods", namespace)
    name = first["metadata"]["name"]
    bench.wait_for(lambda: "404" in bench.log(namespace, name), 20, "a probe to be refused")
    assert status(bench, namespace, name)["phase"] == "Running"
    assert ready_addresses(bench, namespace) == []


def test_restart_and_data_outlive_the_api_server(bench: Bench, namespace: str) -> None:
    """With the API server away a killed container restarts; later its status says so."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
    create(bench, namespace, settings | {"data": {"key": "value"}}, pod("one", SLEEP))
    wait_ready(bench, namespace, "one")
    before = bench.pid(namespace, "one")
    bench.stop_api()
    try:
        with pytest.raises(CommandFailed):
            bench.kubectl("get", "nodes", "--request-timeout=2s")
        bench.kill(namespace, "one")
        bench.wait_for(
            lambda: bench.pid(namespace, "one") not in {before, None}, 20, "a restart without API"
        )
    finally:
        bench.start_api()
    bench.wait_for(
        lambda: main_container(bench, namespace, "one").get("restartCount") == 1,
        30,
        "the restart in the status",
    )
    kept = bench.get("configmap", "kept", namespace)
    assert kept
    assert kept["data"] == {"key": "value"}
    wait_ready(bench, namespace, "one")


def test_projected_token_is_for_its_audience(bench: Bench, namespace: str) -> None:
    """TokenReview accepts the mounted token for its audience, bound to the pod; no other."""
    token_source = {
        "serviceAccountToken": {"path": "t", "audience": "routers", "expirationSeconds": 600}
    }
    mount = {"name": "token", "mountPath": "/var/run/secrets/pointsman", "readOnly": True}
    body = pod("one", SLEEP, volumeMounts=[mount])
    body["spec"]["volumes"] = [
        {"name": "token", "projected": {"sources": [token_source], "defaultMode": 0o400}}
    ]
    create(bench, namespace, body)
    wait_ready(bench, namespace, "one")
    token = bench.exec(namespace, "one", "cat", "/var/run/secrets/pointsman/t")

    def review(audience: str) -> Json:
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        answer = bench.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(asked))
        result: Json = json.loads(answer)["status"]
        return result

    accepted = review("routers")
    assert accepted["authenticated"]
    assert accepted["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert accepted["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["one"]
    assert not review("others").get("authenticated")
    mode = bench.exec(namespace, "one", "stat", "-L", "-c", "%a", "/var/run/secrets/pointsman/t")
    assert mode.strip() == "400"


def test_pod_reaches_the_api_server_as_itself(bench: Bench, namespace: str) -> None:
    """In-cluster config works: the automounted token and CA, and RBAC decides."""
    program = (
        "import os, ssl, urllib.request, urllib.error\n"
        "d = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "host = '{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}'.format(**os.environ)\n"
        "space = open(d + 'namespace').read()\n"
        "url = f'https://{host}/api/v1/namespaces/{space}/configmaps'\n"
        "headers = {'Authorization': 'Bearer ' + open(d + 'token').read()}\n"
        "r = urllib.request.Request(url, headers=headers)\n"
        "try:\n"
        "    urllib.request.urlopen(r, context=ssl.create_default_context(cafile=d + 'ca.crt'))\n"
        "except urllib.error.HTTPError as e:\n"
        "    print(e.code, e.read().decode())\n"
    )
    body = pod("one", ["python3", "-c", program])
    body["spec"]["restartPolicy"] = "Never"
    create(bench, namespace, body)
    bench.wait_for(
        lambda: status(bench, namespace, "one").get("phase") == "Succeeded", 90, "the pod to end"
    )
    assert f'"system:serviceaccount:{namespace}:default\\" cannot list' in bench.log(
        namespace, "one"
    ).replace('User \\"', '"')


def test_network_can_be_taken_away_and_given_back(bench: Bench, namespace: str) -> None:
    """With the cable pulled nobody reaches the pod; with it back everybody does."""
    create(bench, namespace, pod("one", SERVE, readinessProbe=HTTP_READY))
    wait_ready(bench, namespace, "one")
    address = bench.pod_ip(namespace, "one")
    bench.set_network(namespace, "one", up=False)
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        socket.create_connection((address, 8000), timeout=1).close()
    bench.wait_for(
        lambda: not main_container(bench, namespace, "one")["ready"], 20, "the pod not to be ready"
    )
    bench.set_network(namespace, "one", up=True)
    wait_ready(bench, namespace, "one")
    assert http_get(address) == 200


def test_service_account_kubeconfig_has_its_rights_only(bench: Bench, namespace: str) -> None:
    """A ServiceAccount's kubeconfig acts under RBAC."""
    bench.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    bench.kubectl(
        *("create", "rolebinding", "reader", "-n", namespace),
        *("--clusterrole=view", f"--serviceaccount={namespace}:reader"),
    )
    path = bench.service_account_kubeconfig(namespace, "reader")
    as_reader = ("--kubeconfig", str(path), "-n", namespace)
    bench.kubectl(*as_reader, "get", "configmaps")
    with pytest.raises(CommandFailed, match="cannot create"):
        bench.kubectl(*as_reader, "create", "configmap", "mine")


def test_helm_renders_and_installs(bench: Bench, namespace: str, tmp_path: Path) -> None:
    """helm is there: template renders, install makes a release."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    (tmp_path / "templates" / "settings.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tiny}\n"
        "data: {size: {{ .Values.n | quote }}}\n"
    )
    chart = str(tmp_path)
    rendered = yaml.safe_load(bench.helm("template", "tiny", chart, "--set", "n=7"))
    assert rendered["data"] == {"size": "7"}
    bench.helm("install", "tiny", chart, "-n", namespace, "--set", "n=8", "--wait")
    found = bench.get("configmap", "tiny", namespace)
    assert found
    assert found["data"] == {"size": "8"}


def test_kubectl_logs_reads_the_container(bench: Bench, namespace: str) -> None:
    """kubectl logs goes through the API server to the kubelet's port."""
    create(bench, namespace, pod("one", ["sh", "-c", "echo first; echo last; exec sleep inf"]))
    bench.wait_for(lambda: "last" in bench.log(namespace, "one"), 20, "its output")
    assert bench.kubectl("logs", "one", "-n", namespace) == "first\nlast\n"
    assert bench.kubectl("logs", "one", "-n", namespace, "--tail=1") == "last\n"
