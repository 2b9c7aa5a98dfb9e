"""A story that is told once with nobody killed, then for each k, and what all of them share."""

import time
from collections.abc import Callable
from typing import Any

from pointsman.operator.cluster.kinds import Kind
from tests.e2e.trail import Trail
from tests.faults.edits import Editor
from tests.faults.every_write import Outcome, World
from tests.faults.stored import mark_of, settled

Json = dict[str, Any]


class Telling:
    """One cycle, with objects of its own; the operator dies after write `k` of it, if there is."""

    def __init__(
        self, world: World, user: Editor, seen: Trail, k: int, plain: Callable[[Json], Json]
    ) -> None:
        self.world, self.user, self.seen, self.k = world, user, seen, k
        self.mark = mark_of(k)
        self.plain = plain
        """Takes away what no two cycles have alike."""
        self.problems: list[str] = []
        self.ends: Json = {}
        self.began_s = time.monotonic()
        self.world.proxy.arm(k or None)

    async def end(self, what: str) -> Json:
        """What is stored once it stays so."""
        calm = self.world.calm.get(what)
        found = await settled(self.world, self.mark, calm, self.problems, self.plain)
        self.ends[what] = found
        return found

    async def gone(self, deleted: tuple[tuple[Kind, str], ...], *, requests: int = 0) -> Outcome:
        """Delete what there is, and see that nothing is left over."""
        for kind, name in deleted:
            await self.user.delete(kind, name)
        if left := {key: one for key, one in (await self.end("go")).items() if one}:
            self.problems.append(f"left over: {left}")
        writes = self.world.proxy.writes()
        self.world.proxy.arm(None)
        self.world.calm = self.world.calm or self.ends
        self.seen.items.clear()
        return Outcome(
            k=self.k, writes=writes, killed=0 < self.k <= len(writes), requests=requests,
            took_s=time.monotonic() - self.began_s, end=self.ends, problems=self.problems,
        )  # fmt: skip
