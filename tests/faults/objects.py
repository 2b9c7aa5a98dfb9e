"""Backends and policies, the operator dead after its k-th write: `python -m tests.faults.objects`.

Backends with a deployment, a Service and a provider, and policies on them, come, are changed, move
and go, on a real API server, under light load. The operator is killed as in
`tests.faults.every_write`, after each k from 1 to the last write. After each edit all that is
stored, children, status and table, becomes what it is when nobody dies, and at the end nothing is
left over. 1 if not, or if a status broke a rule of conditions, or if a request failed.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from tests.e2e.traffic import traffic, until
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import (
    CLIENTS,
    PAUSE_S,
    SERVER,
    Cycle,
    Outcome,
    World,
    eyes,
    played,
)
from tests.faults.stored import mark_of, settled
from tests.operator.objects import backend, policy, route, rule

Json = dict[str, Any]
CHANGED: Final = {**SERVER, "args": [*SERVER["args"], "--quality=Coding=1.0"]}
CODE: Final = {"task": ["Coding"]}


class Edit(NamedTuple):
    """What a user does at once; first what is applied."""

    what: str
    applied: tuple[Json, ...] = ()
    deleted: tuple[tuple[Kind, str], ...] = ()


def edits(mark: str) -> tuple[Edit, ...]:
    """`one` is deployed, `two` is a Service of somebody else, `far` is a provider's."""
    one, two, far, desk, out = (f"{name}{mark}" for name in ("one", "two", "far", "desk", "out"))
    models = (f"auto{mark}",)
    return (
        Edit(
            "come",
            (
                backend(one, deployment=SERVER),
                backend(two, service={"name": "a-model", "port": 8000}),
                backend(far, external={"url": "https://one.test/v1"}),
                policy(desk, model_names=models, default=route(one, chain=(two,))),
                policy(out, model_names=(f"out{mark}",), default=route(far, chain=(one,))),
            ),
        ),
        Edit(
            "change",
            (
                backend(one, deployment=CHANGED, replicas=2, contextWindow=4096),
                backend(two, service={"name": "b-model", "port": 8000}),
                backend(far, external={"url": "https://two.test/v1"}, capabilities=["Tools"]),
                policy(
                    desk,
                    model_names=models,
                    rules=(rule("code", CODE, one),),
                    default=route(two, chain=(one,)),
                ),
                policy(out, model_names=(f"out{mark}", f"far{mark}"), default=route(far)),
            ),
        ),
        Edit(
            "move",
            (
                policy(desk, model_names=models, default=route(two, chain=(one,))),
                backend(one, service={"name": "a-model", "port": 8000}),
            ),
            ((kinds.ROUTING_POLICY, out), (kinds.MODEL_BACKEND, far)),
        ),
        Edit(
            "go",
            (),
            (
                (kinds.ROUTING_POLICY, desk),
                (kinds.MODEL_BACKEND, one),
                (kinds.MODEL_BACKEND, two),
            ),
        ),
    )


async def cycle(world: World, user: Editor, seen: Trail, k: int) -> Outcome:
    """All edits, one after the other; the operator dies after write `k`, if there are so many."""
    mark, began_s, problems = mark_of(k), time.monotonic(), list[str]()
    *there, last = edits(mark)
    world.proxy.arm(k or None)
    ends = {there[0].what: await _made(world, user, there[0], mark, problems)}
    async with traffic(
        world.fleet.routers(), clients=CLIENTS, pause_s=PAUSE_S, model=f"auto{mark}"
    ) as clients:
        await until(clients, 10)
        for edit in there[1:]:
            ends[edit.what] = await _made(world, user, edit, mark, problems)
            await until(clients, 10)
    ends[last.what] = await _made(world, user, last, mark, problems)
    writes = world.proxy.writes()
    world.proxy.arm(None)
    world.calm = world.calm or ends
    if left := {key: one for key, one in ends[last.what].items() if one}:
        problems.append(f"left over: {left}")
    outcome = Outcome(
        k=k, writes=writes, killed=0 < k <= len(writes), took_s=time.monotonic() - began_s,
        requests=clients.total, end=ends,
    )  # fmt: skip
    outcome.problems = [*clients.failures, *seen.problems(), *problems]
    seen.items.clear()
    return outcome


async def _made(world: World, user: Editor, edit: Edit, mark: str, problems: list[str]) -> Json:
    """Done, and what comes of it: what came of it when nobody died, or else all that is at rest."""
    await user.apply(*edit.applied)
    for kind, name in edit.deleted:
        await user.delete(kind, name)
    return await settled(world, mark, world.calm.get(edit.what), problems)


@asynccontextmanager
async def story(world: World) -> AsyncIterator[Cycle]:
    """Each has objects of its own but for the two servers."""
    async with eyes(world) as (user, seen):
        yield partial(cycle, world, user, seen)


if __name__ == "__main__":
    sys.exit(played(__doc__, story, beside=2))
