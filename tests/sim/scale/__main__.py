"""`python -m tests.sim.scale`: what 10,000 backends, 10 clusters and 1,000,000 requests/s cost.

The measured costs are read from `measured.json` (`--costs FILE`: from another run of
`python -m tests.perf.scale --json FILE`). DOCS=1 writes its block of docs/scale.md. Some seconds.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from math import isinf, isnan
from pathlib import Path

from tests.perf.marks import placed
from tests.sim.scale.beyond import FLEETS, Bill, bill, most_policies
from tests.sim.scale.costs import MEASURED, Costs, Line, costs_of, load

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
BEGIN = "<!-- what follows is written by `DOCS=1 python -m tests.sim.scale` -->\n"
END = "<!-- until here, by the simulation -->\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _error(line: Line) -> str:
    return "one size" if isnan(line.miss) else f"{line.miss:.0%}"


def _edits(one: Bill) -> str:
    told = f"{one.edit_p50_ms:.0f}, {one.edit_p99_ms:.0f}"
    return "never" if isinf(one.edit_p50_ms) else told


def markdown(costs: Costs, bills: Sequence[Bill], sizes: Sequence[int]) -> str:
    """The lines, and what follows from them."""
    named = {
        "cold start, CPU s, by backends": costs.cold_cpu_s,
        "resident, MiB, by backends": costs.rss_mib,
        "at rest, % of a core, by backends": costs.idle_percent,
        "reconcile of the table, ms, by policies": costs.reconcile_ms,
        "reading an Ack, ms, by policies": costs.ack_ms,
        "manifest, bytes, by policies": costs.manifest_bytes,
        "first switch of a router, ms, by policies": costs.swap_first_ms,
    }
    text = f"Lines through what was measured at {', '.join(map(str, sizes))} backends:\n\n"
    text += _table(
        ("cost", "base", "each", "misses a measured point by at most"),
        [[what, f"{one.base:.4g}", f"{one.each:.4g}", _error(one)] for what, one in named.items()],
    )
    text += "\nWhat follows, for one operator:\n\n"
    head = ("fleet", "routers", "cold start CPU s", "MiB", "% at rest", "manifest, % of 1 MiB",
            "MiB sent for an edit", "% of a core for load lines", "edit p50, p99 ms",
            "watches", "PostgreSQL ledgers")  # fmt: skip
    text += _table(
        head,
        [
            [
                one.fleet.name, str(one.fleet.routers), f"{one.cold_cpu_s:.0f}",
                f"{one.rss_mib:.0f}", f"{one.idle_percent:.1f}", f"{100 * one.manifest_share:.0f}",
                f"{one.fan_out_mib:.1f}", f"{one.load_percent:.0f}",
                _edits(one), str(one.watches),
                f"{one.ledgers:.1f}",
            ]
            for one in bills
        ],
    )  # fmt: skip
    return f"{text}\nOne manifest holds at most {most_policies(costs):,} policies of this kind.\n"


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.scale", description=__doc__)
    parser.add_argument("--costs", type=Path, default=MEASURED)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        rows = load(options.costs)
        costs = costs_of(rows)
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"--costs: {error}")
    bills = [bill(costs, fleet, seed=options.seed) for fleet in FLEETS]
    text = markdown(costs, bills, [row["backends"] for row in rows])
    print(text)
    if os.environ.get("DOCS"):
        PAGE.write_text(placed(PAGE.read_text(), text, begin=BEGIN, end=END))
    return 0


if __name__ == "__main__":
    sys.exit(main())
