"""How `make test` shares the suite between workers: three hold a bench each, the others none.

A bench costs a core while it starts and a gigabyte; its tests mostly wait: whole fleets for drains
and outages, the operator's for scaling windows, the others for little.
"""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent


@cache
def group(file: str) -> str | None:
    """The bench that the tests of a file share; None if they need none."""
    if "pytest.mark.bench" not in (ROOT / file).read_text():
        return None
    if file.startswith("tests/e2e/"):
        return "fleets"
    return "operator" if file.startswith("tests/operator/") else "bench"


class Workers(LoadScopeScheduling):  # type: ignore[misc]  # xdist says no types
    """The largest group goes first, to a worker of its own; single tests fill the others."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid.partition("::")[0]) or nodeid
