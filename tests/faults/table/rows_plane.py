"""Rows about the control plane: it restarts, others write to it, its leader freezes.

One fleet of two operators and three routers behind the fault proxy; its clocks are the short ones.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
import pytest
import trustme

from pointsman.operator.cluster import kinds
from pointsman.router.control.kube_config import from_kubeconfig
from tests.bench import Bench, CommandFailed
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import RELEASE
from tests.e2e.traffic import until
from tests.faults.drill import Outcome, converge, past_the_proxy, settle
from tests.faults.fleet import FaultyFleet, faulty_fleet
from tests.faults.proxy import Met
from tests.faults.table.load import comes, edits_come_into_force, load, restarts

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
Json = dict[str, Any]
AWAY_S: Final = 5.0
FREEZE, THAW = 19, 18
ROUNDS: Final = 20
MOST_EACH: Final = 4
"""Of our writes to one of his: pods that come and go with his replicas are told of, too."""
QUIET_S: Final = 5.0


@pytest.fixture(scope="module")
def world(bench: Bench) -> Iterator[FaultyFleet]:
    """One for all rows of this file."""
    with faulty_fleet(bench, "planes") as running:
        yield running


async def outlasts(world: FaultyFleet, outage: Callable[[], object]) -> None:
    """Under load, with edits before and after it; no router is restarted."""
    await edits_come_into_force(world)
    routers = set(world.routers)
    async with past_the_proxy(world) as (looking, _):
        before = await looking.restarts()
    async with load(world) as seen:
        working = asyncio.create_task(asyncio.to_thread(outage))
        await until(seen, 60)
        await working
        outcome = await edits_come_into_force(world)
    async with past_the_proxy(world) as (looking, _):
        after = await looking.restarts()
    print(f"converged {outcome.converged_s:.1f} s after it was back; {seen.total} requests")
    assert [name for name in routers if after[name] != before[name]] == []


async def test_the_api_server_restarts(world: FaultyFleet) -> None:
    """SIGKILL, refused connections for some seconds, and back."""

    def outage() -> None:
        world.fleet.bench.stop_api()
        time.sleep(AWAY_S)
        world.fleet.bench.start_api()

    await outlasts(world, outage)


async def test_etcd_restarts(world: FaultyFleet) -> None:
    """Alone: the API server is there and can say nothing true."""
    await outlasts(world, lambda: world.fleet.bench.restart_etcd(away_s=AWAY_S))


class Meddler:
    """Another field manager, who forces his own values on what is ours."""

    def __init__(self, http: aiohttp.ClientSession, url: str, namespace: str) -> None:
        self._http, self._url, self._namespace = http, url, namespace

    async def force(self, kind: kinds.Kind, name: str, body: Json, below: str = "") -> None:
        """Server-side apply; the API server takes it."""
        whole = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}}
        whole |= {key: value for key, value in body.items() if key != "metadata"}
        whole["metadata"] |= body.get("metadata", {})
        async with self._http.patch(
            self._url + kind.path(self._namespace, name) + below,
            json=whole,
            params={"fieldManager": "meddler", "force": "true"},
            headers={"content-type": "application/apply-patch+yaml"},
        ) as answer:
            assert answer.status < 300, await answer.text()


@asynccontextmanager
async def meddler(world: FaultyFleet) -> AsyncIterator[Meddler]:
    server = from_kubeconfig(world.fleet.bench.kubeconfig)
    connector = aiohttp.TCPConnector(ssl=server.tls or True)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Meddler(http, server.url, world.fleet.namespace)


def owned(world: FaultyFleet) -> Json:
    """What is ours of the objects that are fought about, without what tells the time."""
    deployment = world.fleet.get("deployment", "a-model")
    service = world.fleet.get("service", "a-model")
    said: Json = {
        "replicas": deployment["spec"]["replicas"],
        "labels": deployment["metadata"]["labels"],
        "service": service["spec"]["selector"],
    }
    for kind, name in (("routingpolicy", "desk"), ("modelbackend", "a")):
        status = world.fleet.get(kind, name)["status"]
        said[kind] = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
        said[f"{kind} revision"] = status.get("activeRevision", "")
    return said


async def test_somebody_else_writes_the_same_fields(world: FaultyFleet) -> None:
    """Replicas, a label and two statuses, forced 20 times; then peace."""
    await edits_come_into_force(world)
    before = await asyncio.to_thread(owned, world)
    world.proxy.written()
    now = "2026-01-01T00:00:00Z"
    lie: Json = {"type": "Ready", "status": "False", "reason": "Meddled", "message": "not so"}
    lie |= {"observedGeneration": 1, "lastTransitionTime": now}
    async with load(world), meddler(world) as other:
        for turn in range(ROUNDS):
            labels = {"pointsman.dev/backend": f"stolen-{turn}"}
            await other.force(
                kinds.DEPLOYMENT, "a-model",
                {"metadata": {"labels": labels}, "spec": {"replicas": 2 + turn % 2}},
            )  # fmt: skip
            status = {"status": {"activeRevision": f"desk-{turn}", "conditions": [lie]}}
            await other.force(kinds.ROUTING_POLICY, "desk", status, "/status")
            await other.force(
                kinds.MODEL_BACKEND, "a", {"status": {"conditions": [lie]}}, "/status"
            )
            await asyncio.sleep(0.2)
        try:
            await comes(lambda: owned(world) == before, "what was there before")
        except AssertionError:
            assert await asyncio.to_thread(owned, world) == before  # says what differs
        during = await asyncio.to_thread(ours, world)
        await comes(lambda: is_quiet(world), "peace")
    print(f"{3 * ROUNDS} writes of his, {len(during)} of ours")

    assert len(during) <= MOST_EACH * 3 * ROUNDS
    assert await asyncio.to_thread(owned, world) == before


def ours(world: FaultyFleet) -> list[Met]:
    """What operators wrote since this was asked last, but for the Lease."""
    operators = world.clients("operator")
    found = world.proxy.written()
    return [one for one in found if one.client in operators and "/leases" not in one.target]


def is_quiet(world: FaultyFleet) -> bool:
    """Nothing is written in QUIET_S: what a fight would not allow."""
    ours(world)
    time.sleep(QUIET_S)
    return not ours(world)


def leader(world: FaultyFleet) -> str:
    """Who holds the Lease."""
    return str(world.fleet.get("lease", f"{RELEASE}-operator")["spec"]["holderIdentity"])


async def test_a_frozen_leader_writes_nothing_when_it_thaws(world: FaultyFleet) -> None:
    """SIGSTOP with an edit in its hands; the proxy sees what comes from its address afterwards."""
    fleet = world.fleet
    async with load(world), past_the_proxy(world) as (looking, editing):
        await settle(world, looking, editing)
        old = leader(world)
        address, frozen = world.operators[old], fleet.bench.pid(fleet.namespace, old)
        await world.edit(editing)
        await asyncio.to_thread(fleet.bench.kill, fleet.namespace, old, sig=FREEZE)
        try:
            await comes(lambda: leader(world) != old, "another leader")
            # A kubelet would soon end what does not answer: it has to be there when it thaws.
            assert fleet.bench.pid(fleet.namespace, old) == frozen
            world.proxy.written()
        finally:
            await asyncio.to_thread(fleet.bench.kill, fleet.namespace, old, sig=THAW)
        await comes(lambda: fleet.bench.pid(fleet.namespace, old) != frozen, "the old one's end")
        late = [one for one in world.proxy.written() if one.client == address]
        outcome = Outcome("", "both", 0.0)
        await converge(world, looking, outcome)
        assert leader(world) != old

    assert [one for one in late if one.method != "GET" and "/leases" not in one.target] == []
    assert outcome.converged_s is not None, outcome.waiting_for


async def test_the_api_servers_authority_is_rotated(world: FaultyFleet) -> None:
    """
    The bundle of the ServiceAccounts has both; then the certificate is the new one's.

    No container is restarted: what was loaded at the start is read anew.
    """
    bench = world.fleet.bench
    new, old = trustme.CA(), bench.ca_file.read_bytes()
    count = await restarts(world)
    async with load(world):
        await asyncio.to_thread(_tell, world, old + new.cert_pem.bytes())
        _serve(world, new)
        world.proxy.drop()
        outcome = await edits_come_into_force(world)
    print(f"converged after {outcome.converged_s:.1f} s")

    assert await restarts(world) == count


def _serve(world: FaultyFleet, authority: trustme.CA) -> None:
    """What comes next shakes hands with the new certificate."""
    context = world.proxy.tls
    assert isinstance(context, ssl.SSLContext)
    authority.issue_cert(HOST_IP, "kubernetes.default").configure_cert(context)


def _tell(world: FaultyFleet, bundle: bytes) -> None:
    """As an administrator does, and the controller manager then; until each pod has the file."""
    bench = world.fleet.bench
    bench.publish_authorities(bundle)
    text = bundle.decode()

    def told() -> bool:
        found = bench.get("configmap", "kube-root-ca.crt", world.fleet.namespace)
        if not found or found["data"]["ca.crt"] != text:
            return False
        path = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
        for pod in (*world.operators, *world.routers):
            with suppress(CommandFailed):
                if bench.exec(world.fleet.namespace, pod, "cat", path) != text:
                    return False
        return True

    bench.wait_for(told, 90, "the new bundle in all pods")
