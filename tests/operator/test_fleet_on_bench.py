"""A fleet on a real control plane: what it may write, and that an edit's cost is the edit's own.

Sixty backends, eighteen policies, five routers, three of them real. Nothing here is about time:
`python -m tests.perf.scale` is.
"""

import asyncio
import re
import ssl
from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.bench.control_plane import API_PORT
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import Fleet
from tests.faults.killing import KillingProxy
from tests.faults.proxy import Upstream
from tests.operator.process import OperatorProcess
from tests.perf.scale import objects
from tests.perf.scale.cluster import connected, counted, programmed
from tests.perf.scale.measure import prepare
from tests.perf.scale.release import released

pytestmark = pytest.mark.bench
BACKENDS, ROUTERS = 60, 5
POLICIES = objects.policies_for(BACKENDS)
RESYNC_S = "4"
MOST_WRITES = 7
"""For one edit of a policy: its revision, a blob, the manifest, two statuses while routers follow,
and what a step on the way may add; never the other policies."""


@pytest.fixture(scope="module")
def proxy(bench: Bench) -> Iterator[KillingProxy]:
    """Between the operator and the API server, and kills nobody: it writes down what is written."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(bench.dir / "pki" / "server.crt", bench.dir / "pki" / "server.key")
    trust = ssl.create_default_context(cafile=str(bench.ca_file))
    upstream = Upstream(HOST_IP, API_PORT, trust)
    with KillingProxy(upstream, lambda: None, host=HOST_IP, tls=tls) as one:
        one.arm(None)
        yield one


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Applied as a whole, with no operator yet."""
    with released(bench, "fleet-of-many", routers=ROUTERS) as one:
        prepare(one, BACKENDS, deployed=False)
        yield one


def resyncs() -> int:
    """Reconciles of backends so far."""
    found = counted("pointsman_operator_reconciles_total")
    return sum(count for labels, count in found.items() if 'controller="backend"' in labels)


async def ready(fleet: Fleet) -> None:
    async with connected(fleet.bench, fleet.namespace) as cluster, asyncio.TaskGroup() as group:
        group.create_task(cluster.ready_at("modelbackends", BACKENDS, 240))
        group.create_task(cluster.ready_at("routingpolicies", POLICIES, 240))


def rests(fleet: Fleet, proxy: KillingProxy) -> None:
    """Two full resyncs from now on write nothing at all; waits until that is so."""

    def quiet() -> bool:
        proxy.arm(None)
        begun = resyncs()
        fleet.bench.wait_for(lambda: resyncs() >= begun + 2 * BACKENDS, 120, "two resyncs")
        return proxy.writes() == []

    fleet.bench.wait_for(quiet, 240, f"rest; last writes: {proxy.writes()[-5:]}")


async def edit(fleet: Fleet, name: str, spec: dict[str, object]) -> None:
    """Until every router acknowledged a blob that is another one than before."""
    before = programmed()[name]["blob"]
    async with connected(fleet.bench, fleet.namespace) as cluster:
        await cluster.patch("routingpolicies", name, spec)
    async with asyncio.timeout(90):
        while True:
            now = (await asyncio.to_thread(programmed))[name]
            if now["blob"] != before and sum(at is not None for at in now["routers"].values()) == (
                ROUTERS
            ):
                return
            await asyncio.sleep(0.2)


@pytest.mark.timeout(900)
def test_a_fleet_settles_and_an_edit_writes_only_its_own(fleet: Fleet, proxy: KillingProxy) -> None:
    """All Ready, then silence; an edit writes a handful of objects; a restart hardly any."""
    operator = OperatorProcess(fleet, server=f"https://{HOST_IP}:{proxy.port}")
    try:
        operator.start(POINTSMAN_RESYNC_SECONDS=RESYNC_S)
        fleet.bench.wait_for(_speaks, 120, "a leader")
        asyncio.run(ready(fleet))
        rests(fleet, proxy)

        asyncio.run(edit(fleet, "p0003", {"default": {"timeouts": {"request": "301s"}}}))
        asyncio.run(ready(fleet))
        written = _written(proxy, fleet)
        assert len(written) <= MOST_WRITES, written
        others = re.compile(r"routingpolicies/p(?!0003)|modelbackends/")
        assert not [one for one in written if others.search(one)], written

        operator.kill()
        proxy.arm(None)
        operator.start(POINTSMAN_RESYNC_SECONDS=RESYNC_S)
        fleet.bench.wait_for(lambda: _speaks() and resyncs() >= 2 * BACKENDS, 120, "a new leader")
        written = proxy.writes()
        assert len(written) <= 2, written
        assert all("configmaps" in one for one in written), written
    finally:
        operator.kill()


def _written(proxy: KillingProxy, fleet: Fleet) -> list[str]:
    """What was written since the rest, after two more resyncs."""
    begun = resyncs()
    fleet.bench.wait_for(lambda: resyncs() >= begun + 2 * BACKENDS, 120, "two resyncs")
    return proxy.writes()


def _speaks() -> bool:
    try:
        return bool(programmed())
    except OSError:
        return False
