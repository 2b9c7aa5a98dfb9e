"""From drift to promotion, the operator dead after its k-th write: `python -m tests.faults.cycle`.

A model gets worse behind everybody's back, through its server's control port. The operator's own
runs of a suite find it; the policy's learned revision is a candidate, is compared unseen,
goes through two steps, waits for `kubectl pointsman rollout approve`, is promoted, is committed
with `pointsman adopt`. All on a real API server, under light load. The operator is killed as in
`tests.faults.rollout`, after each k from 1 to the last write (`--every N --offset K --most N` for
some of them); in one cycle it is the API server that dies, in mid-canary. 1 if an end is another
one, a weight or a step came twice, a status broke a rule of conditions, or a request failed.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from pointsman.api import names
from pointsman.operator.cluster import kinds
from tests.e2e.traffic import Seen, Sessions, traffic, until
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import (
    CALM,
    CLIENTS,
    PAUSE_S,
    RESTARTED,
    Cycle,
    Outcome,
    World,
    eyes,
    is_ready,
    played,
    until_so,
)
from tests.faults.rollout import doubled, end_of, is_promoted, phase_of
from tests.operator.objects import backend, golden, policy, route

Json = dict[str, Any]
PROMPTS: Final = 30
GOOD: Final = {"Coding": 1.0}
BAD: Final = {"Coding": 0.2}
SERVER: Final = {
    "engine": "Simulator",
    "args": ["--ttft=10ms", "--tokens-per-second=0", "--control", "--quality=Coding=1.0"],
}
ROLLOUT: Final[Mapping[str, Any]] = {
    "shadow": {"percent": 50, "minPairs": 30, "maxSpend": "1", "deadline": "10m"},
    "steps": [
        {"weightPercent": 20, "minRequests": 15, "minDuration": "1s"},
        {"weightPercent": 60, "minRequests": 60, "minDuration": "1s"},
    ],
    "approval": "Manual",
    "guardrails": {"maxErrorPoints": 20, "maxLatencyPercent": 1000, "maxQualityPoints": 60},
}
"""Few requests are enough to be sure: what is tried is the operator, not the statistics."""
LAST_STEP: Final = 1
BEFORE: Final = (CALM, RESTARTED)
"""Nobody dies; the API server dies."""
MOST_RUNS: Final = 8
"""Of a suite: two are a baseline, one tells a drop like this one; more are ordered for kills."""


def measured(name: str, by: str) -> Json:
    """A backend that is asked when it is ordered, so that each cycle has its own runs."""
    return backend(
        name,
        deployment=SERVER,
        evaluation={"suiteRef": {"name": by}, "interval": "720h"},
        drift={"baselineRuns": 2, "identity": "None", "passive": "None"},
    )


def desk(name: str, model: str) -> Json:
    item = policy(name, model_names=(model,), default=route("a", chain=("b",)), rollout=ROLLOUT)
    return {**item, "spec": {**item["spec"], "drift": {"onDetected": "Reevaluate"}}}


class Story:
    """One, with objects of its own but for the two servers."""

    def __init__(self, world: World, user: Editor, seen: Trail, k: int) -> None:
        self.world, self.user, self.seen, self.k = world, user, seen, k
        self.name, self.model, self.suite = f"desk-{k}", f"auto-{k}", f"golden-{k}"
        self.stable = self.candidate = ""

    async def run(self) -> Outcome:
        """The operator dies after write `k` of it, if there are so many; or see RESTARTED."""
        began_s = time.monotonic()
        await self._baselines()
        await self.user.apply(desk(self.name, self.model))
        await self._until(lambda: is_ready(self.seen, self.name), "the first revision")
        self.stable = self._status()["activeRevision"]
        async with traffic(
            self.world.fleet.routers(), clients=CLIENTS, pause_s=PAUSE_S, model=self.model,
            headers=Sessions(),
        ) as clients:  # fmt: skip
            await until(clients, 10)
            self.world.proxy.arm(self.k if self.k > 0 else None)
            await self._promoted()
            end = end_of(self.seen, self.name, self.stable, self.candidate)
            end |= await self._adopted(clients)
            writes = self.world.proxy.writes()
            self.world.proxy.arm(None)
            await until(clients, 10)
            last = clients.answered["a"]
            await until(clients, 10)
        outcome = Outcome(
            k=self.k, writes=writes, killed=0 < self.k <= len(writes), end=end,
            took_s=time.monotonic() - began_s, requests=clients.total,
        )  # fmt: skip
        self.world.calm = self.world.calm or end
        outcome.problems = [*clients.failures, *self.seen.problems(), *self._twice(end)]
        if clients.answered["a"] != last:
            outcome.problems.append("who got worse answers after the promotion")
        outcome.problems += await asyncio.to_thread(doubled, self.world, self.name)
        await self._forget()
        return outcome

    async def _baselines(self) -> None:
        """Both are good, somebody says so, and a suite of this cycle's own measures them."""
        await asyncio.to_thread(change, self.world, "a", GOOD)
        for name in "ab":
            await self.user.annotate(kinds.MODEL_BACKEND, name, drift_rebaseline=self.suite)
        await self.user.apply(
            golden(PROMPTS, name=self.suite), *(measured(name, self.suite) for name in "ab")
        )
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                group.create_task(self._measure(name, "Steady"))

    async def _promoted(self) -> None:
        """From the drift that nobody tells to the promotion."""
        await asyncio.to_thread(change, self.world, "a", BAD)
        await self._measure("a", "Worse")
        if self.k == RESTARTED:
            await self._until(lambda: (self.stable, 20) in self._weights(), "the first step")
            await asyncio.to_thread(self.world.fleet.bench.stop_api)
            await asyncio.to_thread(self.world.fleet.bench.start_api)
        await self._until(lambda: self._phase() == "AwaitingApproval", "an approval asked for")
        self.candidate = self._status()["candidateRevision"]
        await asyncio.to_thread(
            self._command, "kubectl", "pointsman", "rollout", "approve", self.name,
            "--approver", "ada", "--step", str(LAST_STEP), "--revision", self.candidate,
            "--timeout", "60s",
        )  # fmt: skip
        await self._until(lambda: is_promoted(self.seen, self.name), "the promotion")

    async def _adopted(self, clients: Seen) -> Json:
        """What was learned is committed: the same revision, and nothing is learned any more."""
        printed = await asyncio.to_thread(self._command, "pointsman", "adopt", self.name)
        await asyncio.to_thread(
            self.world.fleet.kubectl, "apply", "--server-side", "--force-conflicts",
            "--field-manager=tests", "-f", "-", stdin=printed,
        )  # fmt: skip
        await self._until(
            lambda: is_ready(self.seen, self.name) and "learned" not in self._status(), "the commit"
        )
        await until(clients, 10)
        status = self._status()
        roles = {self.stable: "stable", self.candidate: "candidate"}
        return {
            "adopted": [roles[status["activeRevision"]], status.get("candidateRevision", "")],
            "spec": self.seen.latest(self.name)["spec"]["default"],
        }

    async def _measure(self, name: str, reason: str) -> None:
        """Order one run after the other until its Drifted says so."""
        orders = 0

        def so() -> bool:
            status = self._backend(name)
            reasons = [c["reason"] for c in status.get("conditions", ()) if c["type"] == "Drifted"]
            return status.get("evaluation", {}).get("suite") == self.suite and reasons == [reason]

        def is_idle() -> bool:
            """The last order was obeyed, and its run is over."""
            found = self._backend(name).get("evaluation", {})
            mine = found.get("ordered") == self._order(orders, reason)
            return so() or (mine and "startTime" not in found)

        while not so():
            orders += 1
            assert orders <= MOST_RUNS, f"{name} is not {reason}: {self._backend(name)}"
            await self.user.annotate(
                kinds.MODEL_BACKEND, name, evaluate=self._order(orders, reason)
            )
            await self._until(is_idle, f"run {orders} of {name}")
            await self._settled(so)

    async def _settled(self, so: Callable[[], bool]) -> None:
        """What a run says of drift is written a moment after the run."""
        ends_s = time.monotonic() + 1
        while not so() and time.monotonic() < ends_s:  # noqa: ASYNC110 - it has a deadline
            await asyncio.sleep(0.05)

    def _order(self, number: int, reason: str) -> str:
        return f"{self.suite}-{reason}-{number}"

    def _twice(self, end: Json) -> list[str]:
        found = []
        if end != self.world.calm:
            found.append(f"another end: {end}, not {self.world.calm}")
        weights = [(self.stable, 0), (self.stable, 20), (self.stable, 60), (self.candidate, 0)]
        if self._weights() != weights:
            found.append(f"weights were {self._weights()}")
        if self.seen.steps(self.name) != [0, LAST_STEP]:
            found.append(f"steps were {self.seen.steps(self.name)}")
        return found + self.seen.runs_twice()

    async def _forget(self) -> None:
        self.seen.items.clear()
        await self.user.delete(kinds.ROUTING_POLICY, self.name)
        await self._until(
            lambda: self.seen.tables[-1].weight(self.name) is None, "its end in the table"
        )

    def _command(self, *command: str) -> str:
        return self.world.fleet.bench.run(*command, "-n", self.world.fleet.namespace)

    def _status(self) -> Json:
        found: Json = self.seen.latest(self.name).get("status", {})
        return found

    def _weights(self) -> list[tuple[str, int]]:
        return self.seen.weights(self.name)

    def _phase(self) -> str:
        return phase_of(self.seen, self.name)

    def _backend(self, name: str) -> Json:
        found: Json = self.seen.newest.get(("ModelBackend", name), {}).get("status", {})
        return found

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            await until_so(self.world, holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self._status())}") from None


def change(world: World, name: str, quality: Mapping[str, float]) -> None:
    """What the model knows, behind everybody's back: no object changes."""
    selector = f"{names.GROUP}/backend={name}"
    for pod in world.fleet.every("pods", selector):
        order = urllib.request.Request(
            f"http://{pod['status']['podIP']}:8000/simulator/settings",
            data=json.dumps({"quality": quality}).encode(),
            method="PUT",
        )
        with urllib.request.urlopen(order, timeout=10) as answer:
            assert answer.status == 200


@asynccontextmanager
async def story(world: World) -> AsyncIterator[Cycle]:
    """Each has objects of its own but for the two servers."""
    async with eyes(world, SERVER) as (user, seen):
        yield lambda k: Story(world, user, seen, k).run()


if __name__ == "__main__":
    sys.exit(played(__doc__, story, before=BEFORE))
