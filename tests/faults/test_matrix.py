"""Faults on a real control plane, under load: routers never notice, and all of it heals.

The rows that differ in what has to be survived; `python -m tests.faults` plays all of the matrix.
"""

from collections.abc import Iterator

import pytest

from tests.bench import Bench
from tests.faults.drill import drill, past_the_proxy, settle
from tests.faults.fault import FAULTS, Fault
from tests.faults.fleet import FaultyFleet, faulty_fleet

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
HOLD_S = 1.0
BOTH = (
    "410 in the stream", "500 in the stream", "403", "503", "silence", "reset", "slow",
    "truncated JSON", "answers of writes lost",
)  # fmt: skip
ROWS = [(fault, "both") for fault in FAULTS if fault.name in BOTH]
# The operator is well and writes; what routers cannot see yet must not be called Programmed.
ROWS += [(fault, "routers") for fault in FAULTS if fault.name == "503"]
assert len(ROWS) == len(BOTH) + 1


@pytest.fixture(scope="module")
def world(bench: Bench) -> Iterator[FaultyFleet]:
    """One fleet for all rows."""
    with faulty_fleet(bench, "faults") as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "target"), ROWS, ids=[f"{target}: {fault.name}" for fault, target in ROWS]
)
async def test_a_fault_heals_and_nobody_noticed(
    world: FaultyFleet, fault: Fault, target: str
) -> None:
    """Zero failed requests, no lie, a restart only for the Lease; edits are in force after it."""
    if world.turn == 0:
        async with past_the_proxy(world) as (looking, editing):
            await settle(world, looking, editing)
    outcome = await drill(world, fault, target, hold_s=HOLD_S)
    print(outcome)

    assert outcome.problems() == []
