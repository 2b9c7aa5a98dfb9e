"""How `make test` shares the suite between workers: at first BENCHES hold one each, the last none.

A bench costs a core while it starts and a gigabyte; its tests mostly wait: for drains, back-offs,
windows. So files that need one are handed out one by one, to workers that have one: whoever is done
takes the next, and nobody is left alone with many. Whole fleets share an installation, and stay
together. When no other test is left, the last worker takes such files as well.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT: Final = Path(__file__).parent.parent
BENCHES: Final = 3
FLEETS: Final = "tests/e2e"


def needs_bench(unit: str) -> bool:
    """Whether it is a test or a file that does, or the fleets."""
    file = unit.partition("::")[0]
    return file == FLEETS or _has_mark(file)


@cache
def _has_mark(file: str) -> bool:
    return "pytest.mark.bench" in (ROOT / file).read_text()


def unit_of(test: str) -> str:
    """What one worker runs in a go: a test, or with a bench a file, or the fleets."""
    file = test.partition("::")[0]
    if not needs_bench(file):
        return test
    return FLEETS if file.startswith(f"{FLEETS}/") else file


def choose(waiting: Iterable[str], *, has_bench: bool, benches: int) -> str:
    """The next for a worker, of what waits, in its order; `benches`: how many workers have one."""
    wants_bench = has_bench or benches < BENCHES
    units = list(waiting)
    return next((unit for unit in units if needs_bench(unit) == wants_bench), units[0])


class Workers(LoadScopeScheduling):  # type: ignore[misc]  # xdist says no types
    """The largest units go first; single tests fill the gaps."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        having = [one for one, work in self.assigned_work.items() if any(map(needs_bench, work))]
        unit = choose(self.workqueue, has_bench=node in having, benches=len(having))
        self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)
