"""A whole fleet whose way to the API server leads through the fault proxy.

Both charts, two operators (one leads) and three routers as pods; only their KUBERNETES_SERVICE_HOST
and _PORT and, if SHORT, three clocks differ from what users install. All others go directly.

| clock                          | PRODUCTION    | SHORT         |
|--------------------------------|---------------|---------------|
| a silent watch is dead         | 70 s          | 5 s           |
| bookmarks of the API server    | 60 s          | 1.5 s         |
| one request                    | 30 s, 20 s    | 3 s           |
| full resync (operator, router) | 80 s, 300 s   | 3600 s: what converges, converges by watches |
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from pointsman.operator.cluster import kinds
from pointsman.operator.controllers.keys import WATCHED
from pointsman.operator.plan.lease import RENEW_DEADLINE_S
from tests.bench import Bench, CommandFailed
from tests.bench.control_plane import API_PORT
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import RELEASE, ROOT, ROUTERS, Fleet, callers
from tests.faults.edits import Editor, bare
from tests.faults.proxy import FaultProxy, Upstream
from tests.operator.objects import backend, policy, route

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Of operators, routers and the API server."""

    renewal_s: float
    """So long may one try to renew the Lease take."""
    bookmark_s: float | None = None
    """None: the API server's own."""
    environment: Mapping[str, str] = field(default_factory=dict)


PRODUCTION: Final = Clocks(renewal_s=RENEW_DEADLINE_S / 2)
SHORT: Final = Clocks(
    renewal_s=3.0,
    bookmark_s=1.5,
    environment={
        "POINTSMAN_API_TIMEOUT_SECONDS": "3",
        "POINTSMAN_WATCH_INACTIVITY_SECONDS": "5",
        "POINTSMAN_RESYNC_SECONDS": "3600",
    },
)
QUICK: Final = {"engine": "Simulator", "args": ["--ttft=10ms", "--tokens-per-second=0"]}
"""The drill asks for what is so a dozen times at each look."""
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
    clocks: Clocks
    servers: dict[str, Json] = field(default_factory=dict)
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

    async def edit(self, by: Editor) -> None:
        """The next turn's edits, past the proxy: policy, backend, endpoints, a deletion."""
        self.turn += 1
        await by.apply(*self.wanted())
        await by.delete(kinds.ROUTING_POLICY, f"gone-{self.turn}")

    async def prepare(self, by: Editor) -> str:
        """What the next turn deletes; its model name."""
        name = f"gone-{self.turn + 1}"
        await by.apply(policy(name, model_names=(name,)))
        return name

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
        text = yaml.safe_dump_all(map(bare, objects))
        self.fleet.kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager=tests", "-f", "-",
            stdin=text,
        )  # fmt: skip


def _through(proxy: FaultProxy, rendered: str, clocks: Clocks, api_host: str) -> str:
    """The charts' Deployments, led through the proxy."""
    environment = {
        "KUBERNETES_SERVICE_HOST": api_host,
        "KUBERNETES_SERVICE_PORT": str(proxy.port),
        **clocks.environment,
    }
    documents = [one for one in yaml.safe_load_all(rendered) if one]
    for document in documents:
        if document["kind"] == "Deployment":
            container = document["spec"]["template"]["spec"]["containers"][0]
            container["env"] += [{"name": k, "value": v} for k, v in environment.items()]
    text: str = yaml.safe_dump_all(documents)
    return text


@contextmanager
def faulty_fleet(
    bench: Bench, namespace: str, clocks: Clocks = SHORT, *, api_host: str = HOST_IP
) -> Iterator[FaultyFleet]:
    """Installed, with models and policies Ready; deleted afterwards. `api_host`: what pods dial."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(bench.dir / "pki" / "server.crt", bench.dir / "pki" / "server.key")
    trust = ssl.create_default_context(cafile=str(bench.ca_file))
    upstream = Upstream(HOST_IP, API_PORT, trust)
    with FaultProxy(upstream, host=HOST_IP, tls=tls, bookmark_s=clocks.bookmark_s) as proxy:
        fleet = _install(bench, namespace, proxy, clocks, api_host)
        try:
            yield _with_models(fleet, proxy, clocks)
        finally:
            proxy.heal()
            bench.kubectl("delete", "namespace", namespace, "--wait=false")


def _install(
    bench: Bench, namespace: str, proxy: FaultProxy, clocks: Clocks, api_host: str
) -> Fleet:
    charts = ROOT / "charts"
    bench.restricted_namespace(namespace)
    bench.kubectl("apply", "-n", namespace, "-f", "-", input=callers())
    crds = bench.helm("template", "pointsman-crds", str(charts / "pointsman-crds"))
    bench.kubectl("apply", "--server-side", "-f", "-", input=crds)
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    rendered = bench.helm(
        "template", RELEASE, str(charts / "pointsman"), "--namespace", namespace,
        "--set", f"router.replicas={ROUTERS},operator.replicas={OPERATORS}",
        "--set", "router.minReadySeconds=0",
    )  # fmt: skip
    through = _through(proxy, rendered, clocks, api_host)
    bench.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=through)
    fleet = Fleet(bench, namespace)
    try:
        fleet.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
    except CommandFailed as error:
        raise CommandFailed(f"{error}\n{fleet.story()}") from error
    return fleet


def _with_models(fleet: Fleet, proxy: FaultProxy, clocks: Clocks) -> FaultyFleet:
    def addresses(component: str) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in fleet.pods(component)}

    world = FaultyFleet(fleet, proxy, addresses("operator"), addresses("router"), clocks)
    world.apply(*(backend(name, deployment=QUICK) for name in "ab"))
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
