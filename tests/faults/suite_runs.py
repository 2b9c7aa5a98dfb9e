"""A suite's runs, the operator dead after its k-th write: `python -m tests.faults.suite_runs`.

A suite and a backend that it is run against come, runs are ordered until a day's money is spent,
and both go, on a real API server. The operator is killed as in `tests.faults.every_write`, after
each k from 1 to the last write. 1 if the end is not the one of a cycle in which nobody died, if a
number was run twice or went back, if more was spent than the cap or than the status tells, or if a
status broke a rule of conditions.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from urllib.request import urlopen

from pointsman.api import names
from pointsman.operator.cluster import kinds
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import SERVER, Cycle, Outcome, World, eyes, played, until_so
from tests.faults.telling import Telling
from tests.operator.objects import backend, golden

Json = dict[str, Any]
PROMPTS: Final = 6
CAP: Final = Decimal("0.0013")
"""Of a run that costs about 0.0005, and counts with no less if it is interrupted: a second one is
whole, whoever dies in the first, and no fourth one is."""
MILLION: Final = 1_000_000
COST: Final = {"inputPerMillion": "1", "outputPerMillion": "1"}
GOOD: Final = {**SERVER, "args": [*SERVER["args"], "--quality=Coding=1.0"]}
MOST_RUNS: Final = 12
CAPPED: Final = "SpendCap"
_SPENT: Final = (CAPPED, "SpendCapReached", "Interrupted")
"""How the last run of a day may end: the one that is killed in it cannot be run once more."""
_BY_RUN: Final = (
    "run", "spent", "cost", "ordered", "message", "interrupted", "order", "nextTime",
)  # fmt: skip
"""An order whose run is interrupted with the last money stays until there is some again."""


def plain(found: Json) -> Json:
    """Without what an interrupted run adds: an order, numbers and money, looked at apart."""
    for item in found.values():
        if item.get("kind") == "ConfigMap":  # the drift's memory: each run's scores and times
            item["binaryData"] = sorted(item["binaryData"])
        item.get("metadata", {}).get("annotations", {}).pop(names.ANNOTATION_EVALUATE, None)
        status = item.get("status", {})
        evaluation = status.get("evaluation", {})
        for key in _BY_RUN:
            evaluation.pop(key, None)
        if evaluation.get("ended") in _SPENT:
            evaluation["ended"] = "Spent"
        for condition in status.get("conditions", ()):
            if condition["type"] in {"Evaluated", "Drifted"}:
                del condition["message"]
                if condition["reason"] in _SPENT:
                    condition["reason"] = "Spent"
    return found


class Story(Telling):
    """One cycle, with a suite and a backend of its own."""

    def __init__(self, world: World, user: Editor, seen: Trail, k: int) -> None:
        super().__init__(world, user, seen, k, plain)
        self.name, self.suite = f"m{self.mark}", f"golden{self.mark}"

    async def run(self) -> Outcome:
        """The operator dies after write `k` of it, if there are so many."""
        asked = {"suiteRef": {"name": self.suite}, "interval": "720h", "maxCostPerDay": str(CAP)}
        await self.user.apply(
            golden(PROMPTS, name=self.suite),
            backend(self.name, deployment=GOOD, cost=COST, evaluation=asked),
        )
        for number in range(MOST_RUNS):
            await self._order(f"order-{number}")
            if self._is_spent():
                break
        await self.end("spent")
        self.problems += self.seen.problems() + self.seen.runs_twice()
        self.problems += self._numbers() + await asyncio.to_thread(self._money)
        deleted = ((kinds.MODEL_BACKEND, self.name), (kinds.EVALUATION_SUITE, self.suite))
        return await self.gone(deleted)

    async def _order(self, order: str) -> None:
        """One run, and those that follow it if it is interrupted."""
        await self.user.annotate(kinds.MODEL_BACKEND, self.name, evaluate=order)

        def is_over() -> bool:
            found = self._evaluation()
            is_obeyed = found.get("ordered") == order or self._is_spent()
            return is_obeyed and "startTime" not in found

        await until_so(self.world, is_over, f"the end of {order}")

    def _is_spent(self) -> bool:
        """What is left is not enough for a run; an interrupted one may have had all of it."""
        found = self._evaluation()
        return found.get("ended") == CAPPED or Decimal(found.get("spent", "0")) == CAP

    def _evaluation(self) -> Json:
        found: Json = self.seen.newest.get(("ModelBackend", self.name), {}).get("status", {})
        told: Json = found.get("evaluation", {})
        return told

    def _told(self, read: Callable[[Json], Any]) -> list[Any]:
        """Of each status, in order."""
        found = [
            one["status"].get("evaluation", {})
            for one in self.seen.items
            if one["metadata"]["name"] == self.name
        ]
        return [read(one) for one in found if one]

    def _numbers(self) -> list[str]:
        """They follow each other."""
        runs = [int(run) for run in self._told(lambda one: one.get("run", 0))]
        return [f"run {a}, then {b}" for a, b in pairwise(runs) if b not in (a, a + 1)]

    def _money(self) -> list[str]:
        """What the server did costs no more than the status says, and that no more than the cap."""
        spent = [Decimal(one) for one in self._told(lambda one: one.get("spent", "0"))]
        found = [f"spent {one} of {CAP}" for one in spent if one > CAP]
        found += [f"spent {a}, then {b}" for a, b in pairwise(spent) if b < a]
        done = sum(map(tokens, self._pods())) / Decimal(MILLION)
        if not 0 < done <= spent[-1]:
            found.append(f"cost {done}, told {spent[-1]}")
        return found

    def _pods(self) -> list[str]:
        pods = self.world.fleet.every("pods", f"{names.GROUP}/backend={self.name}")
        return [pod["status"]["podIP"] for pod in pods]


def tokens(address: str) -> int:
    """In and out, since the server began."""
    with urlopen(f"http://{address}:8000/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    counted = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
    return sum(int(float(one.rpartition(" ")[2])) for one in lines if one.startswith(counted))


@asynccontextmanager
async def story(world: World) -> AsyncIterator[Cycle]:
    """Each has objects of its own."""
    async with eyes(world) as (user, seen):
        yield lambda k: Story(world, user, seen, k).run()


if __name__ == "__main__":
    sys.exit(played(__doc__, story, beside=2))
