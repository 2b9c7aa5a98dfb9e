"""A whole fleet whose way to the API server leads through the fault proxy.

Both charts, two operators (one leads) and three routers as pods; only their KUBERNETES_SERVICE_HOST
and _PORT and three clocks differ from what users install. kubectl and the kubelet go directly.

| clock                          | default       | here          |
|--------------------------------|---------------|---------------|
| a silent watch is dead         | 70 s          | 5 s           |
| bookmarks of the API server    | 60 s          | 1.5 s         |
| one request                    | 30 s, 20 s    | 3 s           |
| full resync (operator, router) | 80 s, 300 s   | 3600 s: what converges, converges by watches |
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import yaml

from pointsman.operator.controllers.triggers import WATCHED
from tests.bench import Bench, CommandFailed
from tests.bench.control_plane import API_PORT
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import RELEASE, ROOT, ROUTERS, Fleet, callers
from tests.faults.proxy import FaultProxy, Upstream
from tests.operator.objects import backend, policy, route

Json = dict[str, Any]
BOOKMARK_S: Final = 1.5
REQUEST_S: Final = 3
CLOCKS: Final = {
    "POINTSMAN_API_TIMEOUT_SECONDS": f"{REQUEST_S}",
    "POINTSMAN_WATCH_INACTIVITY_SECONDS": "5",
    "POINTSMAN_RESYNC_SECONDS": "3600",
}
OPERATORS: Final = 2
OPERATOR_WATCHES: Final = frozenset(plural for _, plural, _ in WATCHED)
ROUTER_WATCHES: Final = frozenset({"services", "endpointslices", "configmaps"})


@dataclass(slots=True)
class FaultyFleet:
    """The fleet, its proxy, and the edits that each drill makes."""

    fleet: Fleet
    proxy: FaultProxy
    operators: dict[str, str]
    """Pod name -> address."""
    routers: dict[str, str]
    servers: dict[str, Json]
    """Backend `a` or `b` -> its EndpointSlice."""
    turn: int = 0

    @property
    def urls(self) -> list[str]:
        """Base URLs of the routers."""
        return [f"http://{address}:8080/v1" for address in self.routers.values()]

    def clients(self, target: str) -> frozenset[str]:
        """Addresses of `operator`, `routers` or `both`."""
        operators, routers = set(self.operators.values()), set(self.routers.values())
        return frozenset(
            {"operator": operators, "routers": routers, "both": operators | routers}[target]
        )

    def edit(self) -> None:
        """The next turn's edits, past the proxy: policy, backend, endpoints, a deletion."""
        self.turn += 1
        self.apply(*self.wanted())
        self.fleet.kubectl("delete", "rp", f"gone-{self.turn}", "--wait=false")

    def prepare(self) -> None:
        """What the next turn deletes."""
        name = f"gone-{self.turn + 1}"
        self.apply(policy(name, model_names=(name,)))

    def answerer(self) -> str:
        """The backend that answers in this turn, behind all model names."""
        return "ab"[self.turn % 2]

    def wanted(self) -> list[Json]:
        """Policy, backend and slice of this turn."""
        now = self.answerer()
        return [
            policy(model_names=("auto", f"turn-{self.turn}"), default=route(now)),
            backend("moved", service={"name": f"to-{now}", "port": 8000}),
            self.slice_of("slid", now),
        ]

    def slice_of(self, service: str, server: str) -> Json:
        """A slice by hand, for a Service without a selector."""
        source = self.servers[server]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": one["addresses"], "conditions": {"ready": True}}
                for one in source["endpoints"]
            ],
            "ports": [{"name": "", "port": source["ports"][0]["port"], "protocol": "TCP"}],
        }

    def apply(self, *objects: Json) -> None:
        """As a user would."""
        bare = [{**item, "metadata": _bare(item["metadata"])} for item in objects]
        text = yaml.safe_dump_all(bare)
        self.fleet.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def _bare(about: Json) -> Json:
    return {key: about[key] for key in ("name", "labels") if key in about}


def _through(proxy: FaultProxy, rendered: str) -> str:
    """The charts' Deployments, led through the proxy."""
    environment = {
        "KUBERNETES_SERVICE_HOST": HOST_IP,
        "KUBERNETES_SERVICE_PORT": str(proxy.port),
        **CLOCKS,
    }
    documents = [one for one in yaml.safe_load_all(rendered) if one]
    for document in documents:
        if document["kind"] == "Deployment":
            container = document["spec"]["template"]["spec"]["containers"][0]
            container["env"] += [{"name": k, "value": v} for k, v in environment.items()]
    text: str = yaml.safe_dump_all(documents)
    return text


@contextmanager
def faulty_fleet(bench: Bench, namespace: str) -> Iterator[FaultyFleet]:
    """Installed, with models and policies Ready; deleted afterwards."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(bench.dir / "pki" / "server.crt", bench.dir / "pki" / "server.key")
    trust = ssl.create_default_context(cafile=str(bench.ca_file))
    upstream = Upstream(HOST_IP, API_PORT, trust)
    with FaultProxy(upstream, host=HOST_IP, tls=tls, bookmark_s=BOOKMARK_S) as proxy:
        fleet = _install(bench, namespace, proxy)
        try:
            yield _with_models(fleet, proxy)
        finally:
            proxy.heal()
            bench.kubectl("delete", "namespace", namespace, "--wait=false")


def _install(bench: Bench, namespace: str, proxy: FaultProxy) -> Fleet:
    charts = ROOT / "charts"
    bench.kubectl("create", "namespace", namespace)
    bench.kubectl("apply", "-n", namespace, "-f", "-", input=callers())
    crds = bench.helm("template", "pointsman-crds", str(charts / "pointsman-crds"))
    bench.kubectl("apply", "--server-side", "-f", "-", input=crds)
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    rendered = bench.helm(
        "template", RELEASE, str(charts / "pointsman"), "--namespace", namespace,
        "--set", f"router.replicas={ROUTERS},operator.replicas={OPERATORS}",
    )  # fmt: skip
    through = _through(proxy, rendered)
    bench.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=through)
    fleet = Fleet(bench, namespace)
    try:
        fleet.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    except CommandFailed as error:
        raise CommandFailed(f"{error}\n{fleet.story()}") from error
    return fleet


def _with_models(fleet: Fleet, proxy: FaultProxy) -> FaultyFleet:
    def addresses(component: str) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in fleet.pods(component)}

    world = FaultyFleet(fleet, proxy, addresses("operator"), addresses("router"), {})
    world.apply(backend("a"), backend("b"))
    fleet.wait_ready("mb")
    for name in "ab":
        found = json.loads(
            fleet.kubectl(
                "get", "endpointslices", "-o", "json", "-l",
                f"kubernetes.io/service-name={name}-model",
            )
        )  # fmt: skip
        world.servers[name] = found["items"][0]
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
         "spec": {"ports": [{"port": 8000, "protocol": "TCP"}]}}
        for name in ("to-a", "to-b", "slid")
    ]  # fmt: skip
    world.apply(
        *services,
        world.slice_of("to-a", "a"),
        world.slice_of("to-b", "b"),
        backend("slid", service={"name": "slid", "port": 8000}),
        policy("moved", model_names=("moved",), default=route("moved")),
        policy("slid", model_names=("slid",), default=route("slid")),
        *world.wanted(),
    )
    fleet.wait_ready("mb", "rp")
    return world
