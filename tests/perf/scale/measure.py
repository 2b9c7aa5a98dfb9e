"""One fleet of one size: cold start, edits, rest, a restart, and the table."""

import asyncio
import base64
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pointsman.api import names, table
from pointsman.operator.cluster.tables import manifest_name
from tests.bench import Bench
from tests.e2e.fleet import RELEASE, Fleet
from tests.operator.process import OperatorProcess
from tests.perf.processes import cpu_s, memory_kib
from tests.perf.scale import objects
from tests.perf.scale.cluster import Cluster, connected, counted, programmed, written
from tests.perf.scale.swapping import Swap, swap


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each size, and for how long."""

    edits: int
    backend_edits: int
    idle_s: float
    cold_within_s: float = 240.0
    deployed: bool = False
    """All backends are `deployment`."""


@dataclass(slots=True, kw_only=True)
class Figures:
    """Of one size; seconds, milliseconds, MiB as the names say."""

    backends: int
    policies: int
    routers: int
    cold_start_s: float = 0.0
    cold_cpu_s: float = 0.0
    cold_writes: dict[str, int] = field(default_factory=dict)
    edits: int = 0
    edit_p50_ms: float = 0.0
    edit_p99_ms: float = 0.0
    edit_max_ms: float = 0.0
    edit_cpu_ms: float = 0.0
    """The operator's own CPU for one edit, all of its reconciles and acks included."""
    edit_reconciles: float = 0.0
    """Of the table."""
    edit_writes: float = 0.0
    """Objects that the operator wrote for one edit."""
    backend_edit_p50_ms: float = 0.0
    backend_edit_p99_ms: float = 0.0
    idle_s: float = 0.0
    idle_cpu_percent: float = 0.0
    idle_writes: dict[str, int] = field(default_factory=dict)
    rss_mib: float = 0.0
    pss_mib: float = 0.0
    router_rss_mib: float = 0.0
    restart_s: float = 0.0
    """From the start of another operator to its first writing of the table."""
    restart_writes: dict[str, int] = field(default_factory=dict)
    manifest_bytes: int = 0
    blob_bytes: int = 0
    """Of all blobs, packed."""
    blobs: int = 0
    swap_first_ms: float = 0.0
    swap_one_ms: float = 0.0
    ack_bytes: int = 0
    ack_read_ms: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)


def rank(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0.0


def prepare(fleet: Fleet, backends: int, *, deployed: bool) -> None:
    """Everything is applied before the operator starts."""
    found = [objects.backend(number, deployed=deployed) for number in range(backends)]
    found += [objects.policy(n, backends) for n in range(objects.policies_for(backends))]
    for begin in range(0, len(found), 400):
        fleet.kubectl(
            "apply", "--server-side", "-f", "-", stdin=objects.listed(found[begin : begin + 400])
        )


async def _acked(policies: Sequence[str], generation: dict[str, int], routers: int) -> float:
    """Unix time of the last first ack of what these policies became; TimeoutError after 60 s."""
    async with asyncio.timeout(60):
        while True:
            state = await asyncio.to_thread(programmed)
            found = [state.get(name) for name in policies]
            times = [at for one in found if one for at in one["routers"].values() if at]
            current = all(
                one and one["generation"] >= generation.get(name, 0)
                for name, one in zip(policies, found, strict=True)
            )
            if current and len(times) == routers * len(policies):
                return float(max(times))
            await asyncio.sleep(0.25)


async def edit_policies(cluster: Cluster, figures: Figures, count: int) -> list[float]:
    """Seconds from each edit's answer to the last ack."""
    found: list[float] = []
    for number in range(count):
        name = objects.policy_name(number * 7 % figures.policies)
        spec = {"default": {"timeouts": {"request": f"{300 + number}s"}}}
        generation, answered_s = await cluster.patch("routingpolicies", name, spec)
        await asyncio.sleep(0.3)
        found.append(await _acked([name], {name: generation}, figures.routers) - answered_s)
    return found


async def edit_backends(cluster: Cluster, figures: Figures, count: int) -> list[float]:
    """The same for a backend's edit, until every policy that names it runs everywhere."""
    found: list[float] = []
    for number in range(count):
        name = objects.backend_name((7 + 10 * number) % figures.backends)
        using = [
            objects.policy_name(n)
            for n in range(figures.policies)
            if name in str(objects.policy(n, figures.backends))
        ]
        if not using:
            continue
        before = await asyncio.to_thread(programmed)
        _, answered_s = await cluster.patch(
            "modelbackends", name, {"contextWindow": 16384 + number}
        )
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.3)
                now = await asyncio.to_thread(programmed)
                if all(now[one]["blob"] != before[one]["blob"] for one in using):
                    break
        found.append(await _acked(using, {}, figures.routers) - answered_s)
    return found


def _table_reconciles() -> int:
    found = counted("pointsman_operator_reconciles_total")
    return sum(count for labels, count in found.items() if 'controller="table"' in labels)


def _pid(operator: OperatorProcess) -> int:
    assert operator.process is not None, "start first"
    return operator.process.pid


async def settled(within_s: float = 60.0) -> None:
    """Until the operator has written nothing for five seconds; its Lease is by the clock."""
    end_s, before = time.monotonic() + within_s, written()
    since_s = time.monotonic()
    while time.monotonic() - since_s < 5 and time.monotonic() < end_s:
        await asyncio.sleep(0.5)
        if (now := await asyncio.to_thread(written)) != before:
            before, since_s = now, time.monotonic()


async def _cold(cluster: Cluster, operator: OperatorProcess, figures: Figures, plan: Plan) -> None:
    before, begun_s = await cluster.writes(), time.monotonic()
    operator.start()
    async with asyncio.TaskGroup() as group:
        waits = [
            group.create_task(cluster.ready_at(plural, count, plan.cold_within_s))
            for plural, count in (
                ("modelbackends", figures.backends), ("routingpolicies", figures.policies),
            )
        ]  # fmt: skip
    figures.cold_start_s = max(one.result() for one in waits) - begun_s
    await settled()
    figures.cold_cpu_s = cpu_s([_pid(operator)])
    figures.cold_writes = dict(await cluster.writes() - before)


async def _edits(cluster: Cluster, operator: OperatorProcess, figures: Figures, plan: Plan) -> None:
    await edit_policies(cluster, figures, 2)  # warm
    await settled()
    before_s, before, ran = cpu_s([_pid(operator)]), written(), _table_reconciles()
    took_s = await edit_policies(cluster, figures, plan.edits)
    figures.edits = len(took_s)
    figures.edit_cpu_ms = 1000 * (cpu_s([_pid(operator)]) - before_s) / max(1, len(took_s))
    figures.edit_reconciles = (_table_reconciles() - ran) / max(1, len(took_s))
    figures.edit_writes = (written() - before).total() / max(1, len(took_s))
    figures.edit_p50_ms = 1000 * rank(took_s, 0.5)
    figures.edit_p99_ms = 1000 * rank(took_s, 0.99)
    figures.edit_max_ms = 1000 * max(took_s, default=0.0)
    took_s = await edit_backends(cluster, figures, plan.backend_edits)
    figures.backend_edit_p50_ms = 1000 * rank(took_s, 0.5)
    figures.backend_edit_p99_ms = 1000 * rank(took_s, 0.99)


async def _rest(cluster: Cluster, operator: OperatorProcess, figures: Figures, plan: Plan) -> None:
    await settled()
    before, before_s, begun_s = await cluster.writes(), cpu_s([_pid(operator)]), time.monotonic()
    await asyncio.sleep(plan.idle_s)
    figures.idle_s = time.monotonic() - begun_s
    figures.idle_cpu_percent = 100 * (cpu_s([_pid(operator)]) - before_s) / figures.idle_s
    figures.idle_writes = dict(await cluster.writes() - before)
    rss_kib, pss_kib = memory_kib(_pid(operator))
    figures.rss_mib, figures.pss_mib = rss_kib / 1024, pss_kib / 1024


async def _restart(cluster: Cluster, operator: OperatorProcess, figures: Figures) -> None:
    """Nothing is to be done but to write the table with the new epoch."""
    operator.kill()
    before, begun_s = await cluster.writes(), time.monotonic()
    operator.start()
    async with asyncio.timeout(120):
        while True:
            await asyncio.sleep(0.2)
            now = await cluster.writes()
            if now["configmaps"] > before["configmaps"]:
                break
    figures.restart_s = time.monotonic() - begun_s
    await settled()
    figures.restart_writes = dict(await cluster.writes() - before)


async def _table(cluster: Cluster, figures: Figures) -> None:
    """What is stored, and how long the router's own code takes to switch to it."""
    items = await cluster.config_maps(f"{names.LABEL_TABLE}={RELEASE}")
    stored = {
        one["metadata"]["name"]: {
            key: base64.b64decode(value) for key, value in one.get("binaryData", {}).items()
        }
        for one in items
    }
    packed = stored.pop(manifest_name(RELEASE))["manifest"]
    manifest = table.decode_manifest(packed)
    wanted = {entry.blob[:12]: entry.blob for entry in manifest.policies}
    blobs = {
        wanted[name.rpartition("-")[2]]: data["blob"]
        for name, data in stored.items()
        if name.rpartition("-")[2] in wanted
    }
    figures.manifest_bytes, figures.blobs = len(packed), len(blobs)
    figures.blob_bytes = sum(map(len, blobs.values()))
    took: Swap = swap(manifest, blobs)
    figures.swap_first_ms, figures.swap_one_ms = took.first_ms, took.one_ms
    figures.ack_bytes, figures.ack_read_ms = took.ack_bytes, took.ack_read_ms


def _routers_rss(bench: Bench, fleet: Fleet) -> float:
    pids = [bench.pid(fleet.namespace, one["metadata"]["name"]) for one in fleet.pods("router")
            if one["spec"].get("nodeName")]  # fmt: skip
    found = [memory_kib(pid)[0] / 1024 for pid in pids if pid]
    return max(found, default=0.0)


async def measure(
    bench: Bench, fleet: Fleet, operator: OperatorProcess, figures: Figures, plan: Plan
) -> None:
    """All of it; what was measured stands in `figures`, also if a later part fails."""
    async with connected(bench, fleet.namespace) as cluster:
        await _cold(cluster, operator, figures, plan)
        say(f"all Ready after {figures.cold_start_s:.1f} s")
        await _table(cluster, figures)
        await _edits(cluster, operator, figures, plan)
        say(f"edits: p50 {figures.edit_p50_ms:.0f}, p99 {figures.edit_p99_ms:.0f} ms")
        await _rest(cluster, operator, figures, plan)
        say(f"at rest {figures.idle_cpu_percent:.1f} % of a core, {figures.rss_mib:.0f} MiB")
        figures.router_rss_mib = _routers_rss(bench, fleet)
        await _restart(cluster, operator, figures)


def say(text: str) -> None:
    """How far it is."""
    print(text, file=sys.stderr, flush=True)


def told(counter: dict[str, int]) -> str:
    """Writes in one line."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
