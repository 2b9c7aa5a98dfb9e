"""Stories whose operator dies after its k-th write; what all of them share.

On a real API server, in a fleet whose only operator's way to it leads through the killing proxy.
The operator is killed (SIGKILL) when its k-th write is done there, before it hears of it, and
another one begins at once. Guarantees that k goes on until a story has no write of that number.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from tests.bench import Bench
from tests.bench.control_plane import API_PORT
from tests.bench.netns import HOST_IP
from tests.e2e.fleet import Fleet, install
from tests.e2e.trail import Trail, trail
from tests.faults.edits import Editor, editor
from tests.faults.killing import KillingProxy
from tests.faults.proxy import Upstream
from tests.operator.objects import backend
from tests.operator.process import HEALTH_PORT, OperatorProcess

Json = dict[str, Any]
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
def world(bench: Bench, namespace: str, port: int = HEALTH_PORT) -> Iterator[World]:
    """Two routers, an operator with this port, as no other has it; ended and deleted afterwards."""
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
            operator = OperatorProcess(fleet, "tests.faults.lives", server=server, port=port)
            operator.start(PID_FILE=str(file))
            made.append(World(fleet, proxy, operator))

        try:
            install(bench, namespace, values="router.replicas=2,operator.replicas=0", after=begin)
            yield made[0]
        finally:
            for one in made:
                one.operator.kill()
            bench.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@contextmanager
def worlds(bench: Bench, namespace: str, number: int) -> Iterator[list[World]]:
    """So many beside each other, each in a namespace and with a port of its own."""
    with ExitStack() as fleets:
        yield [
            fleets.enter_context(world(bench, f"{namespace}-{i}", HEALTH_PORT + i))
            for i in range(number)
        ]


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


Cycle = Callable[[int], Awaitable[Outcome]]
"""One story; the operator dies after write `k` of it, if there are so many."""
Story = Callable[[World], AbstractAsyncContextManager[Cycle]]


def kills(*, every: int = 1, offset: int = 1, most: int | None = None) -> Iterator[int]:
    """The writes after which an operator dies: `most` of them, or as many as there are."""
    return islice(count(offset, every), most)


async def play(
    story: Story, world: World, ks: Iterator[int], *, before: Sequence[int] = (CALM,)
) -> AsyncIterator[Outcome]:
    """
    A calm cycle, and others `before`; then one for each of `ks`, until there is no such write.

    Several worlds may take theirs from the same `ks`.
    """
    async with story(world) as cycle:
        for k in before:
            yield await cycle(k)
        for k in ks:
            outcome = await cycle(k)
            yield outcome
            if not outcome.killed:
                return


def is_ready(seen: Trail, name: str, kind: str = "RoutingPolicy") -> bool:
    """And said so of what it is now."""
    item = seen.newest.get((kind, name), {})
    status = item.get("status", {})
    ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
    return ready == ["True"] and status["observedGeneration"] == item["metadata"]["generation"]


async def until_so(world: World, holds: Any, what: str, within_s: float = CYCLE_S) -> None:
    """Or an AssertionError with the operator's last lines."""
    try:
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - polling with a deadline is the point
                await asyncio.sleep(0.05)
    except TimeoutError:
        lines = world.operator.log.read_text().splitlines()[-20:]
        raise AssertionError("\n".join([f"{what} did not come", *lines])) from None


async def told(*players: AsyncIterator[Outcome]) -> list[Outcome]:
    """Of all of them at once; each printed when it is over."""
    outcomes: list[Outcome] = []
    print(f"{'k':>4}  {'killed after':<52}{'writes':>7}{'took':>8}{'requests':>10}")

    async def tell(cycles: AsyncIterator[Outcome]) -> None:
        async for one in cycles:
            outcomes.append(one)
            print(
                f"{one.k:>4}  {one.died_after:<52}{len(one.writes):>7}{one.took_s:>6.1f} s"
                f"{one.requests:>10}",
                flush=True,
            )
            for problem in one.problems:
                print(f"      {problem[:2000]}", flush=True)

    async with asyncio.TaskGroup() as group:
        for cycles in players:
            group.create_task(tell(cycles))
    return outcomes


def played(
    doc: str | None, story: Story, *, before: Sequence[int] = (CALM,), beside: int = 1
) -> int:
    """Start a bench, install so many fleets, play all of it, print; as the command line says."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=1)
    parser.add_argument("--most", type=int)
    parser.add_argument("--worlds", type=int, default=beside, help="that play beside each other")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    ks = kills(every=said.every, offset=said.offset, most=said.most)
    with Bench() as bench, worlds(bench, "every-write", said.worlds) as there:
        outcomes = asyncio.run(told(*(play(story, one, ks, before=before) for one in there)))
    return summary(outcomes, said.json)


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
