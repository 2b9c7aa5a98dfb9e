"""`python -m tests.perf.memory [--json PATH]`: what an idle router and operator hold in memory.

Pods of the chart on the bench, a table in force, nobody asks. RSS counts pages that are shared with
other processes (libraries) in full, PSS in parts. QUICK=1 changes nothing: it takes half a minute.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import Bench
from tests.e2e.fleet import Fleet, install
from tests.perf.processes import memory_kib, until_idle

LIMIT_MIB = {"router": 42, "operator": 100}
"""Resident, idle, with a table in force."""


@dataclass(frozen=True, slots=True)
class Held:
    """One process."""

    component: str
    pod: str
    rss_mib: float
    pss_mib: float
    rested: bool


def held(fleet: Fleet, component: str) -> list[Held]:
    """Of each running pod of a component."""
    found = []
    for pod in fleet.pods(component):
        name = pod["metadata"]["name"]
        pid = fleet.bench.pid(fleet.namespace, name)
        if pid is not None:
            rested = until_idle([pid])
            rss_kib, pss_kib = memory_kib(pid)
            found.append(Held(component, name, rss_kib / 1024, pss_kib / 1024, rested))
    return found


def main() -> int:
    """Measure and print; 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description="What idle processes hold in memory.")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with Bench() as bench:
        fleet = install(bench, "memory")
        fleet.apply_example("02-support-desk")
        fleet.wait_ready("mb", "rp")
        found = [each for component in LIMIT_MIB for each in held(fleet, component)]
    print(f"{'process':10}{'RSS MiB':>9}{'PSS MiB':>9}{'limit':>7}")
    for each in found:
        limit = LIMIT_MIB[each.component]
        print(f"{each.component:10}{each.rss_mib:>9.1f}{each.pss_mib:>9.1f}{limit:>7}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    missing = LIMIT_MIB.keys() - {each.component for each in found}
    if missing:
        print(f"!! not found: {', '.join(sorted(missing))}")
    over = [each for each in found if each.rss_mib > LIMIT_MIB[each.component]]
    return 1 if over or missing else 0


if __name__ == "__main__":
    sys.exit(main())
