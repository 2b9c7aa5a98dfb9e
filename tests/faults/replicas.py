"""Replicas by load, the operator dead after its k-th write: `python -m tests.faults.replicas`.

A backend without a replica is woken, raised to three under load, falls to none, is woken again and
goes, on a real API server. The operator is killed as in `tests.faults.every_write`, after each k
from 1 to the last write. 1 if an end is not the one of a cycle in which nobody died, if a replica
went while load needed it, if a change was told twice, if a status broke a rule of conditions, or if
a request failed. A cycle takes more than a minute: so long nothing goes after a panic.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any, Final

from pointsman.operator.cluster import kinds
from pointsman.operator.plan.scaling_status import ANNOTATION_SCALED
from tests.e2e.traffic import Seen, traffic, until
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import Cycle, Outcome, World, eyes, played, until_so
from tests.faults.telling import Telling
from tests.operator.objects import backend, policy, route

Json = dict[str, Any]
MOST: Final = 3
SCALING: Final = {
    "minReplicas": 0, "maxReplicas": MOST, "targetRequests": 2, "scaleDownDelaySeconds": 1,
}  # fmt: skip
BUSY: Final = 8
"""Clients: more than three replicas serve well."""
LONG: Final = 60
"""Tokens of an answer that keeps a replica busy for a second."""
LONGEST_S: Final = 240.0
"""Of a fall: after a kill it may begin a minute later."""
_BY_LOAD: Final = ("queueDepth", "scalingMemory", "coldStartSeconds", "scalingHistory")


def plain(found: Json) -> Json:
    """Without what is another number at each measurement; of a change, to how many and why."""
    for item in found.values():
        if item.get("kind") == "Deployment":  # counts changes: three may come at once or in turn
            del item["metadata"]["generation"]
        notes = item.get("metadata", {}).get("annotations", {})
        if ANNOTATION_SCALED in notes:
            notes[ANNOTATION_SCALED] = _change(json.loads(notes[ANNOTATION_SCALED]))
        status = item.get("status", {})
        for key in _BY_LOAD:
            status.pop(key, None)
        if "lastScale" in status:
            status["lastScale"] = _change(status["lastScale"])
        for condition in status.get("conditions", ()):
            if condition["type"] == "ScalingActive":
                del condition["message"]
    return found


def _change(record: Json) -> Json:
    return {key: record[key] for key in ("desired", "reason")}


class Story(Telling):
    """One cycle, with a backend and a policy of its own."""

    def __init__(self, world: World, user: Editor, seen: Trail, k: int) -> None:
        super().__init__(world, user, seen, k, plain)
        self.name, self.model, self.desk = (f"{one}{self.mark}" for one in ("m", "auto", "desk"))

    async def run(self) -> Outcome:
        """The operator dies after write `k` of it, if there are so many."""
        requests = 0
        await self.user.apply(
            backend(self.name, scaling=SCALING, activation={"timeout": "50s"}),
            policy(self.desk, model_names=(self.model,), default=route(self.name)),
        )
        await self.end("come")
        requests += await self._rise()
        await self._until(lambda: self._replicas() == 0, "no replica")
        await self._until(lambda: self._desired() == 0, "word of it")
        await self.end("none")
        requests += await self._woken()
        await self.end("woken")
        self.problems += self.seen.problems() + self._twice()
        deleted = ((kinds.ROUTING_POLICY, self.desk), (kinds.MODEL_BACKEND, self.name))
        return await self.gone(deleted, requests=requests)

    async def _rise(self) -> int:
        """From none to all, while requests wait and run; what it has, it keeps."""
        async with self._load(BUSY) as clients:
            await self._until(lambda: self._ready() == MOST, "three")
            await until(clients, 2 * BUSY)
            went = [pair for pair in pairwise(self._counts()) if pair[1] < pair[0]]
        self.problems += [*clients.failures, *(f"went under load: {pair}" for pair in went)]
        return clients.total

    async def _woken(self) -> int:
        """One caller is enough."""
        async with self._load(1) as clients:
            await until(clients, 1)
            await self._until(lambda: self._desired() == 1, "word of it")
        self.problems += clients.failures
        return clients.total

    def _load(self, clients: int) -> AbstractAsyncContextManager[Seen]:
        return traffic(
            self.world.fleet.routers(), clients=clients, pause_s=0.01, model=self.model, tokens=LONG
        )

    def _counts(self) -> list[int]:
        return self.seen.replicas.get(f"{self.name}-model", [])

    def _replicas(self) -> int:
        return self._counts()[-1]

    def _status(self) -> Json:
        found: Json = self.seen.newest.get(("ModelBackend", self.name), {}).get("status", {})
        return found

    def _ready(self) -> int:
        return int(self._status().get("readyReplicas", 0))

    def _desired(self) -> int:
        return int(self._status().get("lastScale", {}).get("desired", -1))

    def _twice(self) -> list[str]:
        """A change is told once, and each goes on where the one before it ended."""
        told = self._status().get("scalingHistory", [])
        if any(newer["previous"] != older["desired"] for newer, older in pairwise(told)):
            return [f"changes: {[(one['previous'], one['desired']) for one in told]}"]
        return []

    async def _until(self, holds: Any, what: str) -> None:
        await until_so(self.world, holds, what, LONGEST_S)


@asynccontextmanager
async def story(world: World) -> AsyncIterator[Cycle]:
    """Each has objects of its own."""
    async with eyes(world) as (user, seen):
        yield lambda k: Story(world, user, seen, k).run()


if __name__ == "__main__":
    sys.exit(played(__doc__, story, beside=4))
