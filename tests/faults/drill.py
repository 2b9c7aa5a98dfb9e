"""One drill: a fault under load, edits meanwhile, the heal, and what has to be true afterwards.

Guarantees that every promise is asked of the real thing: routers by requests, the status as it is
stored, the Lease, the proxy for watches that are open. Refuses to call anything converged that only
says so.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from pointsman.operator.plan.lease import RENEW_DEADLINE_S, RETRY_S
from pointsman.router.control.kube import ApiError, KubeClient, Unreachable
from pointsman.router.control.kube_config import from_kubeconfig
from tests.e2e.fleet import CALLER_KEY, RELEASE
from tests.e2e.traffic import traffic, until
from tests.faults.edits import Editor, editor
from tests.faults.fault import Fault
from tests.faults.fleet import OPERATOR_WATCHES, OPERATORS, ROUTER_WATCHES, FaultyFleet
from tests.support.conditions import broken_rules

Json = dict[str, Any]
PROMISE_S: Final = 90.0
"""Everything converges within this time after the heal."""
POLL_S: Final = 0.1
MET_S: Final = 20.0

CALLER = {"authorization": f"Bearer {CALLER_KEY}"}


@dataclass(slots=True)
class Outcome:
    """What a drill saw."""

    fault: str
    target: str
    held_s: float
    """How long the fault lasted: until every client had met it, and never less than asked for."""
    lease_s: float = 0.0
    """A longer fault may take the Lease: it may begin just before a renewal, and the next renewal
    but one may begin just before the heal, on a connection that stays dead."""
    converged_s: float | None = None
    waiting_for: str = ""
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    samples: int = 0
    spared: str = ""
    """Who has not met the fault in all that time: then nothing was played."""
    operator_restarts: int = 0
    router_restarts: int = 0

    @property
    def restarts_due(self) -> int:
        """Restarts of operators that are no breach: one of each, if the fault took the Lease."""
        return OPERATORS if self.held_s > self.lease_s and self.target != "routers" else 0

    def problems(self) -> list[str]:
        """Broken promises."""
        found = [*self.failures[:3], *self.lies[:3]]
        if self.waiting_for:
            found.append(f"after {PROMISE_S:g} s: {self.waiting_for}")
        if self.router_restarts:
            found.append(f"routers restarted {self.router_restarts} times")
        if self.operator_restarts > self.restarts_due:
            found.append(f"operators restarted {self.operator_restarts} times")
        if not self.samples:
            found.append("the status was never looked at")
        if self.spared:
            found.append(f"the fault was not played: {self.spared} never met it")
        return found


class Witness:
    """Looks at routers, status, Lease and processes, past the proxy."""

    def __init__(
        self, namespace: str, urls: Sequence[str], api: KubeClient, http: aiohttp.ClientSession
    ) -> None:
        self._root = f"namespaces/{namespace}"
        self._urls = urls
        self._api = api
        self._http = http

    async def _get(self, path: str) -> Json:
        value: Json = msgspec.json.decode(await self._api.get(path))
        return value

    async def policies(self) -> dict[str, Json]:
        """Every policy as it is stored."""
        found = await self._get(f"/apis/pointsman.dev/v1alpha1/{self._root}/routingpolicies")
        return {item["metadata"]["name"]: item for item in found["items"]}

    async def answer(self, url: str, model: str) -> tuple[int, str, str]:
        """(status, backend's own model name, revision) of one request."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        async with self._http.post(f"{url}/chat/completions", json=body) as answer:
            data: Json = await answer.json()
            said = data["choices"][0]["message"]["content"] if answer.status == 200 else ""
            return answer.status, said, answer.headers.get("x-pointsman-revision", "")

    async def restarts(self) -> Counter[str]:
        """Restarts of every pod's container."""
        found = await self._get(f"/api/v1/{self._root}/pods")
        return Counter(
            {
                pod["metadata"]["name"]: status["restartCount"]
                for pod in found["items"]
                for status in pod["status"].get("containerStatuses", ())
            }
        )

    async def lies(self) -> list[str]:
        """Status first, routers then: what says Programmed has to be true by now."""
        found = []
        for name, item in (await self.policies()).items():
            status, generation = item.get("status", {}), item["metadata"]["generation"]
            if name.startswith("gone") or status.get("observedGeneration") != generation:
                continue
            found += [f"{name}: {rule}" for rule in broken_rules(status, generation=generation)]
            if _true(status, "Programmed"):
                for url in self._urls:
                    _, _, revision = await self.answer(url, item["spec"]["modelNames"][-1])
                    if revision != status["activeRevision"]:
                        found.append(f"{name} is Programmed, {url} runs {revision or 'nothing'}")
        return found

    async def missing(self, world: FaultyFleet) -> str:
        """The first thing that is not yet as the edits want it; empty when all is."""
        expected = f"model-{world.answerer()}"
        for url in self._urls:
            for model in (f"turn-{world.turn}", "moved", "slid"):
                status, said, _ = await self.answer(url, model)
                if not said.startswith(expected):
                    return f"{model} at {url}: {status} {said}"
            status, _, _ = await self.answer(url, f"gone-{world.turn}")
            if status != 404:
                return f"a deleted policy at {url}: {status}"
        for name, item in (await self.policies()).items():
            status = item.get("status", {})
            if status.get("observedGeneration") != item["metadata"]["generation"]:
                return f"{name}: old status"
            for kind in ("Programmed", "Ready"):
                if not _true(status, kind):
                    return f"{name}: not {kind}"
        leader = await self._leader()
        return await self._leadership(world, leader) or _watches(world, leader)

    async def _leader(self) -> str:
        path = f"/apis/coordination.k8s.io/v1/{self._root}/leases/{RELEASE}-operator"
        return str((await self._get(path))["spec"]["holderIdentity"])

    async def _leadership(self, world: FaultyFleet, holder: str) -> str:
        leading = []
        for name, address in world.operators.items():
            try:
                async with self._http.get(f"http://{address}:9902/metrics") as answer:
                    if "\npointsman_operator_leading 1.0" in await answer.text():
                        leading.append(name)
            except aiohttp.ClientError as error:
                return f"{name}: {error}"
        return "" if leading == [holder] else f"{leading} lead, {holder} holds the Lease"


def _watches(world: FaultyFleet, leader: str) -> str:
    open_now = world.proxy.watches()
    wanted = {(world.operators[leader], plural) for plural in OPERATOR_WATCHES}
    for address in world.routers.values():
        wanted |= {(address, plural) for plural in ROUTER_WATCHES}
    closed = sorted(wanted - open_now.keys())
    return f"no watch of {closed[0]}" if closed else ""


def _true(status: Json, kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in status.get("conditions", ()))


@asynccontextmanager
async def past_the_proxy(world: FaultyFleet) -> AsyncIterator[tuple[Witness, Editor]]:
    """Who looks and who edits, with connections of their own."""
    timeout, namespace = aiohttp.ClientTimeout(total=30), world.fleet.namespace
    kubeconfig = world.fleet.bench.kubeconfig
    async with (
        KubeClient(from_kubeconfig(kubeconfig)) as api,
        aiohttp.ClientSession(timeout=timeout, headers=CALLER) as http,
        editor(kubeconfig, namespace) as editing,
    ):
        yield Witness(namespace, world.urls, api, http), editing


async def converge(world: FaultyFleet, looking: Witness, outcome: Outcome) -> None:
    """Wait until nothing is missing; the outcome says how long it took, or what was missing."""
    began = time.monotonic()
    while time.monotonic() - began < PROMISE_S:
        try:
            outcome.waiting_for = await looking.missing(world)
        except (ApiError, Unreachable, aiohttp.ClientError, KeyError) as error:
            outcome.waiting_for = repr(error)
        if not outcome.waiting_for:
            outcome.converged_s = time.monotonic() - began
            return
        await asyncio.sleep(POLL_S)


async def _hold(
    world: FaultyFleet, looking: Witness, outcome: Outcome, clients: frozenset[str], fault: Fault
) -> None:
    """The fault lasts its time, and until every client has met it; the status is read meanwhile."""
    began, least_s = time.monotonic(), outcome.held_s
    while True:
        outcome.lies += await looking.lies()
        outcome.samples += 1
        lasted_s = time.monotonic() - began
        outcome.spared = spared(fault, clients, {one.client for one in world.proxy.met()})
        if lasted_s >= least_s and (not outcome.spared or lasted_s > MET_S):
            return
        await asyncio.sleep(POLL_S)


def spared(fault: Fault, clients: Set[str], met: Set[str]) -> str:
    """
    Who ought to have met the fault and has not; empty if nobody.

    A watch that stays open meets nothing that is for requests: of these one has to have met it. A
    fault of streams alone acts as it begins.
    """
    if fault.request == "pass":
        return ""
    if fault.request in {"lose", "drip"}:
        return "" if met else "everybody"
    return ", ".join(sorted(clients - met))


async def drill(world: FaultyFleet, fault: Fault, target: str, *, hold_s: float) -> Outcome:
    """The whole drill; the fleet is converged before it, or this raises AssertionError."""
    outcome, clients = Outcome(fault.name, target, hold_s), world.clients(target)
    outcome.lease_s = RENEW_DEADLINE_S - RETRY_S - world.clocks.renewal_s
    async with past_the_proxy(world) as (looking, editing):
        before = await looking.restarts()
        async with traffic(world.urls, clients=6, pause_s=0.1) as seen:
            await until(seen, 12)
            # A standby operator has no watch that a fault of watches could meet.
            watching = clients & {client for client, _ in world.proxy.watches()}
            world.proxy.inject(fault, clients)
            began_s = time.monotonic()
            try:
                await world.edit(editing)
                await _hold(world, looking, outcome, watching, fault)
            finally:
                world.proxy.heal()
                outcome.held_s = time.monotonic() - began_s
            await converge(world, looking, outcome)
            outcome.lies += await looking.lies()
            await until(seen, 12)
        after = await looking.restarts()
        if outcome.converged_s is not None:
            outcome.waiting_for = await settle(world, looking, editing)
    outcome.requests, outcome.failures = seen.total, seen.failures
    outcome.operator_restarts = sum(after[name] - before[name] for name in world.operators)
    outcome.router_restarts = sum(after[name] - before[name] for name in world.routers)
    return outcome


async def settle(world: FaultyFleet, looking: Witness, editing: Editor) -> str:
    """Make what the next drill deletes; what is missing then: a watch that is dead shows here."""
    name, began = await world.prepare(editing), time.monotonic()
    while time.monotonic() - began < PROMISE_S:
        found = [await looking.answer(url, name) for url in world.urls]
        if all(status == 200 for status, _, _ in found):
            return ""
        await asyncio.sleep(POLL_S)
    return f"an edit after the heal: {found}"
