"""Many backends that scale at once, on a real control plane with a router that plays load.

Their pods fit no node, so nothing runs: what is tested is the operator, its decisions and writes.
Fifty in the suite, to be quick; `MANY=200 python -m pytest tests/operator/test_many_on_bench.py`.
"""

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench import Bench
from tests.bench.pods import CONFINED_CONTAINER, CONFINED_POD, create, pod
from tests.e2e.fleet import RELEASE, Fleet, install
from tests.operator.objects import backend
from tests.operator.process import HEALTH_PORT, OperatorProcess
from tests.support.conditions import assert_well_formed, unexplained

pytestmark = pytest.mark.bench
NAMESPACE = "scaling-many"
COUNT = int(os.environ.get("MANY", "50"))
ROUTER = """\
import http.server, json, sys, time, urllib.parse
load, names = 0, [f"b{n:03}" for n in range(int(sys.argv[1]))]
class Admin(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        global load
        if self.path.startswith("/?"):  # and else an order of the operator's
            load = int(urllib.parse.urlsplit(self.path).query)
        self.send_response(204); self.end_headers()
    def do_GET(self):
        self.send_response(200); self.end_headers()
        kind, ended = "Hello", 0
        while True:
            ended += load // 4
            said = {"type": kind, "in_flight": dict.fromkeys(names, load) if load else {},
                    "finished": dict.fromkeys(names, ended)}
            self.wfile.write(json.dumps(said).encode() + b"\\n")
            kind = "Load"
            time.sleep(0.5)
http.server.ThreadingHTTPServer(("0.0.0.0", 9901), Admin).serve_forever()
"""


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release without its operator and routers, and a router that plays load."""
    fleet = install(bench, NAMESPACE)
    try:
        fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=0")
        fleet.kubectl("scale", "deployment", f"{RELEASE}-router", "--replicas=0")
        command = ["python3", "-c", ROUTER, str(COUNT)]
        playing = pod("player", command, securityContext=CONFINED_CONTAINER)
        playing["spec"]["securityContext"] = CONFINED_POD
        playing["metadata"]["labels"]["app.kubernetes.io/part-of"] = "pointsman"
        create(bench, NAMESPACE, playing)
        bench.wait_for(lambda: not fleet.pods("operator"), 60, "the operator's end")
        bench.wait_for(lambda: has_address(fleet, "player"), 60, "the player's address")
        yield fleet
    finally:
        bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def has_address(fleet: Fleet, name: str) -> bool:
    """Whether the pod has one yet."""
    return "podIP" in fleet.get("pod", name).get("status", {})


def play(fleet: Fleet, load: int) -> None:
    """So many requests in flight at each backend."""
    address = fleet.bench.pod_ip(NAMESPACE, "player")
    request = urllib.request.Request(f"http://{address}:9901/?{load}", method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 204


def many() -> str:
    """The backends, as a user would apply them."""
    deployment = {
        "engine": "Custom",
        "image": "x:1",
        "command": ["sleep", "inf"],
        "podTemplate": {"spec": {"nodeSelector": {"no": "such"}}},
    }
    scaling = {"maxReplicas": 3, "targetRequests": 4, "scaleDownDelaySeconds": 0}
    items = [backend(f"b{n:03}", deployment=deployment, scaling=scaling) for n in range(COUNT)]
    for item in items:
        item["metadata"] = {"name": item["metadata"]["name"]}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def found(fleet: Fleet, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(
        fleet.kubectl(
            "get", kind, "-o", "json", "-l", "" if kind == "mb" else "pointsman.dev/backend"
        )
    )["items"]
    return items


def all_have(fleet: Fleet, replicas: int) -> bool:
    """Every Deployment has so many, and every status says that and why."""
    deployments = found(fleet, "deployments")
    if [one["spec"]["replicas"] for one in deployments] != [replicas] * COUNT:
        return False
    last = [one.get("status", {}).get("lastScale", {}) for one in found(fleet, "mb")]
    return [one.get("desired") for one in last] == [replicas] * COUNT


def reconciles() -> float:
    head = 'pointsman_operator_reconciles_total{controller="backend",outcome="Done"} '
    with urllib.request.urlopen(f"http://127.0.0.1:{HEALTH_PORT}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(one.removeprefix(head)) for one in lines if one.startswith(head)), 0.0)


@pytest.mark.timeout(900)
def test_all_scale_up_and_down_at_once_and_then_rest(fleet: Fleet) -> None:
    """Every change explained, every status sound, and no write when all is done."""
    with OperatorProcess(fleet) as operator:
        operator.kill()
        operator.start(POINTSMAN_ROUTER_SELECTOR="app=player", POINTSMAN_RESYNC_SECONDS="10")
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=many())
        wait = fleet.bench.wait_for
        wait(lambda: len(found(fleet, "deployments")) == COUNT, 120, "all Deployments")
        play(fleet, 12)
        wait(lambda: all_have(fleet, 3), 180, "three each")
        play(fleet, 0)
        wait(lambda: all_have(fleet, 1), 300, "one each")
        wait(lambda: rests(fleet), 400, "two full resyncs without a write")
    for item in found(fleet, "mb"):
        status = item["status"]
        assert_well_formed(status, generation=item["metadata"]["generation"])
        assert unexplained("ModelBackend", status) == []
        history = status["scalingHistory"]
        assert all(one["message"] and one["reason"] for one in history)
        assert [one["previous"] for one in history[:-1]] == [one["desired"] for one in history[1:]]


def rests(fleet: Fleet) -> bool:
    """Nothing waits, by every status, and two full resyncs from now on write nothing at all."""
    before, versions = reconciles(), versions_of(fleet)
    fleet.bench.wait_for(lambda: reconciles() >= before + 2 * COUNT, 180, "two full resyncs")
    said = [one["status"].get("queueDepth") for one in found(fleet, "mb")]
    return said == [0] * COUNT and versions_of(fleet) == versions


def versions_of(fleet: Fleet) -> dict[str, str]:
    items = found(fleet, "mb") + found(fleet, "deployments")
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for one in items
    }
