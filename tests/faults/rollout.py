"""A rollout whose operator dies after its k-th write: `python -m tests.faults.rollout`.

From the edit over candidate, approval and steps to the promotion, on a real API server, under load.
The operator is killed (SIGKILL) when its k-th write is done there, before it hears of it, and
another one begins at once. For each k from 1 to the last write of a cycle (`--every N --offset K`
for some of them): the end is the one of a cycle in which nobody died, each weight was in force
once, every status obeyed the rules of conditions, and no request failed. 1 if one of it is not so.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pointsman.operator.cluster import kinds
from tests.bench import Bench
from tests.bench.control_plane import API_PORT
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import Fleet, install
from tests.e2e.traffic import Sessions, traffic, until
from tests.e2e.trail import Trail, trail
from tests.faults.edits import Editor, editor
from tests.faults.killing import KillingProxy
from tests.faults.proxy import Upstream
from tests.operator.objects import backend, policy, route
from tests.operator.process import OperatorProcess

Json = dict[str, Any]
STEPS: Final = [
    {"weightPercent": 20, "minRequests": 15, "minDuration": "1s", "approval": True},
    {"weightPercent": 60, "minRequests": 60, "minDuration": "1s"},
]
ROLLOUT: Final[Mapping[str, Any]] = {
    "steps": STEPS,
    "guardrails": {"maxErrorPoints": 20, "maxLatencyPercent": 1000},
}
"""Few requests are enough to be sure: what is tried is the operator, not the statistics."""
SERVER: Final = {"engine": "Simulator", "args": ["--ttft=20ms", "--tokens-per-second=0"]}
CYCLE_S: Final = 90.0
CLIENTS: Final = 6
PAUSE_S: Final = 0.08
CALM: Final = 0
"""Nobody dies."""
RESTARTED: Final = -1
"""The API server dies."""


@dataclass(slots=True)
class Outcome:
    """One cycle; `problems` is empty for a good one."""

    k: int
    writes: list[str]
    killed: bool
    took_s: float
    requests: int
    end: Json
    problems: list[str] = field(default_factory=list)

    @property
    def died_after(self) -> str:
        """The last write of the life that was killed, or who was."""
        if self.k == RESTARTED:
            return "the API server, in mid-canary"
        return self.writes[self.k - 1] if self.killed else "nobody"


@dataclass(slots=True)
class World:
    """A fleet without an operator's pod, and the operator in its place, behind the proxy."""

    fleet: Fleet
    proxy: KillingProxy
    operator: OperatorProcess
    calm: Json = field(default_factory=dict)
    """How a cycle ends in which nobody dies."""


@contextmanager
def world(bench: Bench, namespace: str) -> Iterator[World]:
    """Two routers, backends `a` and `b`; ended and deleted afterwards."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(bench.dir / "pki" / "server.crt", bench.dir / "pki" / "server.key")
    trust = ssl.create_default_context(cafile=str(bench.ca_file))
    file = bench.dir / f"{namespace}.pid"

    def kill() -> None:
        os.kill(int(file.read_text()), signal.SIGKILL)

    made: list[World] = []
    upstream = Upstream(HOST_IP, API_PORT, trust)
    with KillingProxy(upstream, kill, host=HOST_IP, tls=tls) as proxy:

        def begin(fleet: Fleet) -> None:
            server = f"https://{HOST_IP}:{proxy.port}"
            operator = OperatorProcess(fleet, "tests.faults.lives", server=server)
            operator.start(PID_FILE=str(file))
            made.append(World(fleet, proxy, operator))

        try:
            install(bench, namespace, values="router.replicas=2,operator.replicas=0", after=begin)
            yield made[0]
        finally:
            for one in made:
                one.operator.kill()
            bench.kubectl("delete", "namespace", namespace, "--wait=false")


@asynccontextmanager
async def eyes(
    world: World, server: Mapping[str, Any] = SERVER
) -> AsyncIterator[tuple[Editor, Trail]]:
    """A user, and whoever writes down everything; past the proxy. `a` and `b` are such servers."""
    kubeconfig, namespace = world.fleet.bench.kubeconfig, world.fleet.namespace
    async with editor(kubeconfig, namespace) as user, trail(kubeconfig, namespace) as seen:
        await user.apply(*(backend(name, deployment=server) for name in "ab"))
        await asyncio.to_thread(world.fleet.wait_ready, "mb")
        yield user, seen


async def cycle(world: World, user: Editor, seen: Trail, k: int) -> Outcome:
    """One rollout; the operator dies after write `k` of it, if there are so many."""
    name, model, began_s = f"desk-{k}", f"auto-{k}", time.monotonic()
    await user.apply(policy(name, model_names=(model,), default=route("a")))
    await until_so(world, lambda: is_ready(seen, name), "the first revision")
    stable = seen.latest(name)["status"]["activeRevision"]
    async with traffic(
        world.fleet.routers(), clients=CLIENTS, pause_s=PAUSE_S, model=model, headers=Sessions()
    ) as clients:
        await until(clients, 10)
        world.proxy.arm(k or None)
        await user.apply(policy(name, model_names=(model,), default=route("b"), rollout=ROLLOUT))
        await until_so(
            world, lambda: phase_of(seen, name) == "AwaitingApproval", "an approval asked for"
        )
        candidate = seen.latest(name)["status"]["candidateRevision"]
        said = {"revision": candidate, "step": 0, "approver": "ada", "at": "2026-11-26T10:00:00Z"}
        await user.annotate(kinds.ROUTING_POLICY, name, rollout_approve=json.dumps(said))
        await until_so(world, lambda: is_promoted(seen, name), "the promotion")
        writes = world.proxy.writes()
        world.proxy.arm(None)
        await until(clients, 10)
        last = clients.answered["a"]
        await until(clients, 10)
    outcome = Outcome(
        k=k, writes=writes, killed=0 < k <= len(writes), took_s=time.monotonic() - began_s,
        requests=clients.total, end=end_of(seen, name, stable, candidate),
    )  # fmt: skip
    world.calm = world.calm or outcome.end
    outcome.problems = [*clients.failures, *seen.problems()]
    if outcome.end != world.calm:
        outcome.problems.append(f"another end: {outcome.end}, not {world.calm}")
    weights = [(stable, 0), (stable, 20), (stable, 60), (candidate, 0)]
    if seen.weights(name) != weights:
        outcome.problems.append(f"weights were {seen.weights(name)}")
    if seen.steps(name) != [0, 1]:
        outcome.problems.append(f"steps were {seen.steps(name)}")
    if clients.answered["a"] != last:
        outcome.problems.append("the old revision answers after the promotion")
    outcome.problems += await asyncio.to_thread(doubled, world, name)
    seen.items.clear()
    await user.delete(kinds.ROUTING_POLICY, name)
    await until_so(world, lambda: seen.tables[-1].weight(name) is None, "its end in the table")
    return outcome


async def play(world: World, *, every: int = 1, offset: int = 1) -> AsyncIterator[Outcome]:
    """A calm cycle, then one for each k, until there is no write of that number any more."""
    async with eyes(world) as (user, seen):
        yield await cycle(world, user, seen, CALM)
        k = offset
        while True:
            outcome = await cycle(world, user, seen, k)
            yield outcome
            if not outcome.killed:
                return
            k += every


def end_of(seen: Trail, name: str, stable: str, candidate: str) -> Json:
    """What has to be the same whoever died: the table, its record, and what status says."""
    status, stored = seen.latest(name)["status"], seen.tables[-1]
    entry = next(one for one in stored.manifest.policies if one.name == name)
    rollout = stored.rollouts[name].rollout
    roles = {stable: "stable", candidate: "candidate"}
    told = status["rollout"]
    return {
        "in force": roles[entry.revision],
        "candidate": entry.candidate,
        "active": roles[status["activeRevision"]],
        "record": [roles[rollout.stable], roles[rollout.candidate], rollout.phase, rollout.reason,
                   rollout.step, list(rollout.approved_by)],
        "told": [told["phase"], told["reason"], told["step"], told.get("approvedBy"),
                 roles[told["revision"]], roles[told["stable"]]],
        "conditions": {c["type"]: [c["status"], c["reason"]] for c in status["conditions"]},
        "routers": status["routers"]["summary"],
    }  # fmt: skip


def doubled(world: World, name: str) -> list[str]:
    """Events that were told twice, and revisions that are not two."""
    selector = f"pointsman.dev/policy={name}"
    items = world.fleet.every("events,controllerrevisions")
    reasons = [
        one["reason"]
        for one in items
        if one["kind"] == "Event" and one["involvedObject"]["name"] == name
    ]
    numbers = [
        one["revision"]
        for one in items
        if one["kind"] == "ControllerRevision"
        and one["metadata"].get("labels", {}).get("pointsman.dev/policy") == name
    ]
    found = [f"event {one} twice" for one in sorted(set(reasons)) if reasons.count(one) > 1]
    if sorted(numbers) != [1, 2]:
        found.append(f"revisions of {selector}: {numbers}")
    return found


def phase_of(seen: Trail, name: str) -> str:
    item = seen.latest(name)
    status = item.get("status", {})
    if status.get("observedGeneration") != item["metadata"]["generation"]:
        return ""
    return str(status.get("rollout", {}).get("phase", ""))


def is_ready(seen: Trail, name: str) -> bool:
    item = seen.latest(name)
    status = item.get("status", {})
    ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
    return ready == ["True"] and status["observedGeneration"] == item["metadata"]["generation"]


def is_promoted(seen: Trail, name: str) -> bool:
    return phase_of(seen, name) == "Promoted" and is_ready(seen, name)


async def until_so(world: World, holds: Any, what: str) -> None:
    try:
        async with asyncio.timeout(CYCLE_S):
            while not holds():  # noqa: ASYNC110 - polling with a deadline is the point
                await asyncio.sleep(0.05)
    except TimeoutError:
        lines = world.operator.log.read_text().splitlines()[-20:]
        raise AssertionError("\n".join([f"{what} did not come", *lines])) from None


async def table(world: World, *, every: int, offset: int) -> list[Outcome]:
    """Each cycle printed when it is over."""
    return await told(play(world, every=every, offset=offset))


async def told(cycles: AsyncIterator[Outcome]) -> list[Outcome]:
    """Each printed when it is over."""
    outcomes = []
    print(f"{'k':>4}  {'killed after':<52}{'writes':>7}{'took':>8}{'requests':>10}")
    async for one in cycles:
        outcomes.append(one)
        print(
            f"{one.k:>4}  {one.died_after:<52}{len(one.writes):>7}{one.took_s:>6.1f} s"
            f"{one.requests:>10}",
            flush=True,
        )
        for problem in one.problems:
            print(f"      {problem[:2000]}", flush=True)
    return outcomes


def main() -> int:
    """Start a bench, install the fleet, play all of it, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with Bench() as bench, world(bench, "rollout-faults") as one:
        outcomes = asyncio.run(table(one, every=options.every, offset=options.offset))
    return summary(outcomes, options.json)


def summary(outcomes: list[Outcome], file: Path | None) -> int:
    """The last line, and the same as JSON; 1 if any is broken."""
    broken = [one for one in outcomes if one.problems]
    killed = sum(one.killed for one in outcomes)
    requests = sum(one.requests for one in outcomes)
    print(f"{len(outcomes)} cycles, {killed} kills, {len(broken)} broken; {requests} requests")
    if file:
        rows = [
            {"k": one.k, "killed": one.died_after, "took_s": round(one.took_s, 1)}
            | {"writes": len(one.writes), "problems": one.problems}
            for one in outcomes
        ]
        file.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
