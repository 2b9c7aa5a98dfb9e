"""A rollout whose operator dies after its k-th write: `python -m tests.faults.rollout`.

From the edit over candidate, approval and steps to the promotion, on a real API server, under load.
The operator is killed (SIGKILL) when its k-th write is done there, before it hears of it, and
another one begins at once. For each k from 1 to the last write of a cycle (`--every N --offset K`
for some of them): the end is the one of a cycle in which nobody died, each weight was in force
once, every status obeyed the rules of conditions, and no request failed. 1 if one of it is not so.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from pointsman.operator.cluster import kinds
from tests.e2e.traffic import Sessions, traffic, until
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import (
    CLIENTS,
    PAUSE_S,
    Cycle,
    Outcome,
    World,
    eyes,
    is_ready,
    played,
    until_so,
)
from tests.operator.objects import policy, route

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


@asynccontextmanager
async def story(world: World) -> AsyncIterator[Cycle]:
    """Each has a policy of its own."""
    async with eyes(world) as (user, seen):
        yield partial(cycle, world, user, seen)


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


def is_promoted(seen: Trail, name: str) -> bool:
    return phase_of(seen, name) == "Promoted" and is_ready(seen, name)


if __name__ == "__main__":
    sys.exit(played(__doc__, story))
