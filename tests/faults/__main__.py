"""The whole matrix: `python -m tests.faults [--only PATTERN] [--hold SECONDS] [--clocks CLOCKS]`.

Every fault against the operator alone, the routers alone and both, on one fleet on the bench, under
load; prints how long each took to converge after its heal. 1 if a promise was broken.
"""

import argparse
import asyncio
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench import Bench
from tests.faults.drill import Outcome, drill, past_the_proxy, settle
from tests.faults.fault import FAULTS, Fault
from tests.faults.fleet import PRODUCTION, SHORT, FaultyFleet, faulty_fleet

TARGETS = ("operator", "routers", "both")
CLOCKS = {"short": SHORT, "production": PRODUCTION}


async def run(world: FaultyFleet, rows: list[tuple[Fault, str]], hold_s: float) -> list[Outcome]:
    """One row after the other, each printed when it is known."""
    async with past_the_proxy(world) as (looking, editing):
        await settle(world, looking, editing)
    outcomes = []
    print(
        f"{'fault':<24}{'target':<10}{'held':>6}{'healed in':>11}{'requests':>10}{'restarts':>10}"
    )
    for fault, target in rows:
        outcome = await drill(world, fault, target, hold_s=hold_s)
        outcomes.append(outcome)
        took = "never" if outcome.converged_s is None else f"{outcome.converged_s:.1f} s"
        print(
            f"{fault.name:<24}{target:<10}{outcome.held_s:>4.0f} s{took:>11}"
            f"{outcome.requests:>10}{outcome.operator_restarts:>10}",
            flush=True,
        )
        problems = outcome.problems()
        for problem in problems:
            print(f"    {problem}", flush=True)
        if problems:
            print(world.fleet.story())
    return outcomes


def main() -> int:
    """Start a bench, install the fleet, play the faults, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose `target: fault` matches this")
    parser.add_argument("--hold", type=float, default=2.0, help="seconds that each fault lasts")
    parser.add_argument(
        "--clocks", choices=CLOCKS, default="short", help="production: rows of up to 3 minutes"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [
        (fault, target)
        for fault in FAULTS
        for target in TARGETS
        if not (fault.on == "writes" and target == "routers")  # which write nothing
        if re.search(options.only, f"{target}: {fault.name}")
    ]
    clocks = CLOCKS[options.clocks]
    with Bench() as bench, faulty_fleet(bench, "faults", clocks) as world:
        outcomes = asyncio.run(run(world, rows, options.hold))
    broken = [one for one in outcomes if one.problems()]
    requests, failed = sum(o.requests for o in outcomes), sum(len(o.failures) for o in outcomes)
    print(f"{len(outcomes)} rows, {len(broken)} broken; {requests} requests, {failed} failed")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=2) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
