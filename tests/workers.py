"""How `make test` shares the suite between workers: at first BENCHES hold one each, others none.

A bench costs a core while it starts, 20 s of CPU in ten minutes, and a gigabyte; its tests mostly
wait: for drains, back-offs, windows. So files that need one are handed out one by one, to workers
that have one: whoever is done takes the next, and nobody is left alone with many. Whole fleets
share an installation, and stay together; so do files whose tests share a fixture. When no other
test is left, all workers take files that need a bench.
"""

from collections import deque
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT: Final = Path(__file__).parent.parent
BENCHES: Final = 2
FLEETS: Final = "tests/e2e"


def needs_bench(unit: str) -> bool:
    """Whether it is a test or a file that does, or the fleets."""
    file = unit.partition("::")[0]
    return file == FLEETS or _has_mark(file)


@cache
def _has_mark(file: str) -> bool:
    return "pytest.mark.bench" in (ROOT / file).read_text()


@cache
def shares(file: str) -> bool:
    """Whether its tests share what one of them makes, which each worker would make anew."""
    return 'scope="module"' in (ROOT / file).read_text()


def unit_of(test: str) -> str:
    """What one worker runs in a go: a test, or a file with a bench or a fixture of its own, or the
    fleets."""
    file = test.partition("::")[0]
    if file.startswith(f"{FLEETS}/"):
        return FLEETS
    return file if needs_bench(file) or shares(file) else test


def choose(waiting: Mapping[bool, Collection[str]], *, has_bench: bool, benches: int) -> bool:
    """
    Whether a worker's next unit is one that needs a bench, of those that wait by that.

    `benches`: how many workers have one.
    """
    wants_bench = has_bench or benches < BENCHES
    return wants_bench if waiting[wants_bench] else not wants_bench


class Workers(LoadScopeScheduling):  # type: ignore[misc]  # xdist says no types
    """
    The largest units go first; single tests fill the gaps.

    What is done is forgotten, and what waits is in two queues: to look through all 10,000 tests at
    each one's end took a core for a minute.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._waiting: dict[bool, deque[str]] = {True: deque(), False: deque()}
        self._have_bench: set[WorkerController] = set()

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def mark_test_complete(
        self,
        node: WorkerController,
        item_index: int,
        duration: float = 0,  # noqa: ARG002 - as xdist calls it
    ) -> None:
        test = self.registered_collections[node][item_index]
        work = self.assigned_work[node]
        unit = unit_of(test)
        work[unit][test] = True
        if all(work[unit].values()):
            del work[unit]
        self._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        self._have_bench.discard(node)
        crashed: str | None = super().remove_node(node)
        return crashed

    def _assign_work_unit(self, node: WorkerController) -> None:
        # At the beginning, and when a worker that ended has left work behind.
        if sum(map(len, self._waiting.values())) != len(self.workqueue):
            for needs in self._waiting:
                self._waiting[needs] = deque(
                    unit for unit in self.workqueue if needs_bench(unit) == needs
                )
        needs = choose(
            self._waiting, has_bench=node in self._have_bench, benches=len(self._have_bench)
        )
        if needs:
            self._have_bench.add(node)
        self.workqueue.move_to_end(self._waiting[needs].popleft(), last=False)
        super()._assign_work_unit(node)
