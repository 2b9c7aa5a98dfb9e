"""A row about clocks: those of all operators and routers step, under load and edits."""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench import Bench
from tests.e2e.fleet import RELEASE
from tests.faults.drill import past_the_proxy
from tests.faults.fleet import SHORT, FaultyFleet, faulty_fleet
from tests.faults.table.load import comes, edits_come_into_force, load, restarts
from tests.operator.objects import policy

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
STEPS_S: Final = (3600, -3600, 0)
"""An hour forward; two back; forward again."""
NEAR_S: Final = 900
CLOCKED: Final = Path(__file__).parent / "clocked"


@pytest.fixture(scope="module")
def clock() -> Iterator[Path]:
    """What all their clocks are off by; not below /tmp, of which each pod has its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "offset"
        file.write_text("0\n")
        yield file


@pytest.fixture(scope="module")
def world(bench: Bench, clock: Path) -> Iterator[FaultyFleet]:
    """Operators and routers that read this clock."""
    stepping = {"PYTHONPATH": str(CLOCKED), "CLOCK_FILE": str(clock)}
    clocks = replace(SHORT, environment={**SHORT.environment, **stepping})
    with faulty_fleet(bench, "clocks", clocks) as running:
        yield running


def lease(world: FaultyFleet) -> tuple[str, int]:
    """Who holds it, and after how many changes."""
    spec = world.fleet.get("lease", f"{RELEASE}-operator")["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0)


def stamped(world: FaultyFleet, name: str) -> list[float]:
    """Seconds by which the operator's clock was ahead when it wrote these conditions."""
    item: dict[str, Any] = world.fleet.get("routingpolicy", name)
    found = item.get("status", {}).get("conditions", ())
    times = [datetime.fromisoformat(one["lastTransitionTime"]) for one in found]
    return [at.replace(tzinfo=UTC).timestamp() - time.time() for at in times]


def logged(world: FaultyFleet) -> list[float]:
    """Seconds by which each router's clock was ahead when it told of its last table."""
    texts = [world.fleet.bench.log(world.fleet.namespace, pod) for pod in world.routers]
    last = [[one for one in text.splitlines() if '"table-in-force"' in one][-1] for text in texts]
    times = [datetime.fromisoformat(json.loads(one)["time"]) for one in last]
    return [at.timestamp() - time.time() for at in times]


async def test_clocks_step(world: FaultyFleet, clock: Path) -> None:
    """Nobody restarts, the Lease stays where it is, edits are in force; the step was seen."""
    await edits_come_into_force(world)
    before, count = await asyncio.to_thread(lease, world), await restarts(world)
    async with load(world) as seen:
        for step_s in STEPS_S:
            await asyncio.to_thread(clock.write_text, f"{step_s:+d}\n")
            await asyncio.sleep(2)  # they look twice a second
            name = f"at-{abs(step_s)}-{step_s > 0}".lower()
            async with past_the_proxy(world) as (_, editing):
                await editing.apply(policy(name, model_names=(name,)))

            def stored(name: str = name) -> bool:
                return bool(stamped(world, name))

            await comes(stored, f"the status of {name}")
            off_s = await asyncio.to_thread(stamped, world, name)
            assert all(abs(one - step_s) < NEAR_S for one in off_s), (step_s, off_s)
            outcome = await edits_come_into_force(world)
            routers_s = await asyncio.to_thread(logged, world)
            assert all(abs(one - step_s) < NEAR_S for one in routers_s), (step_s, routers_s)
            print(f"{step_s:+d} s: converged in {outcome.converged_s:.1f} s; {seen.total} requests")

    assert await asyncio.to_thread(lease, world) == before
    assert await restarts(world) == count
