"""`python -m tests.sim.drift`: detectors side by side, the goals, and JSON.

QUICK=1: few streams and worlds, under a minute. DOCS=1: writes docs/drift.md's tables and its
picture. One core; the numbers are the same on each machine, for the dice have seeds.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tests.sim.drift.also import MODES, elsewhere, real, traffic, truths
from tests.sim.drift.measure import compared
from tests.sim.drift.plot import draw
from tests.sim.drift.recorded import ROOT, recorded_file, recordings
from tests.sim.drift.report import Compared, Results, as_json, markdown
from tests.sim.drift.streams import World

DOCS = ROOT / "docs"
MARK = "<!-- what follows is written by `make bench-drift DOCS=1` -->\n"


def measured(*, streams: int, own_streams: int) -> Results:
    """Measure everything; progress goes to standard error."""
    began = time.monotonic()

    def done(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s: {what}", file=sys.stderr, flush=True)

    results = Results({"streams": streams, "own_streams": own_streams})
    for mode in MODES:
        for disagreement in (0.05, 0.1):
            world = World(disagreement=disagreement)
            rows = compared(mode, world, streams=streams, own_streams=own_streams)
            results.compared.append(Compared(mode, disagreement, rows))
            done(f"{mode}, {100 * disagreement:.0f} % disagreement")
    results.elsewhere = elsewhere(streams, at_most=3 if streams < 100 else 99)
    done("other worlds")
    if recorded_file().exists():
        results.real = real(recordings(recorded_file()), streams)
        done("recorded answers")
    else:
        print(f"skipped: {recorded_file().name} is not there; no recorded answers", flush=True)
    results.truths = truths(max(10, streams // 4))
    done("verdicts")
    results.traffic = traffic(max(20, streams))
    done("ordinary traffic")
    return results


def main() -> int:
    """Run it all; exit 0 also if a goal was missed: the table says so."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.drift")
    parser.add_argument("--streams", type=int, default=0, help="of everyone")
    parser.add_argument("--own-streams", type=int, default=0, help="healthy ones of ours")
    parser.add_argument("--json", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    quick = bool(os.environ.get("QUICK"))
    results = measured(
        streams=options.streams or (30 if quick else 1000),
        own_streams=options.own_streams or (300 if quick else 10_000),
    )
    text = markdown(results)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n")
    if os.environ.get("DOCS"):
        page = DOCS / "drift.md"
        page.write_text(page.read_text().split(MARK)[0] + MARK + "\n" + text)
        draw(DOCS / "drift.png", recordings(recorded_file()) if recorded_file().exists() else [])
    return 0


if __name__ == "__main__":
    sys.exit(main())
