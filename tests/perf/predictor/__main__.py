"""`python -m tests.perf.predictor`: how well the predictor routes, beside what else there is.

Reads POINTSMAN_SHARED/data (default: ../shared beside the repository) and says so where it is
absent. QUICK=1: two seeds, 1,500 scored rows, under a minute: noise, to see that it runs. Full: 20
seeds. --json PATH writes the figures. Exit status 1 where a full run misses a minimum.
"""

import os

# One thread: the figures are CPU time, and a fit runs beside others.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
from pathlib import Path

from tests.perf.predictor.data import folder, missing
from tests.perf.predictor.report import (
    Report,
    abstention,
    costs,
    nine_models,
    robustness,
    routing,
    verdicts,
)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.predictor", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as JSON")
    parser.add_argument("--seeds", type=int, default=0)
    options = parser.parse_args()
    if absent := missing():
        print(f"skipped: {', '.join(absent)} not in {folder().name} of the shared folder")
        return 0
    quick = bool(os.environ.get("QUICK"))
    seeds = options.seeds or (2 if quick else 20)
    most = 1_500 if quick else 1_000_000
    report = Report(figures={"quick": quick, "seeds": seeds})
    costs(report, 600 if quick else 3_000)
    routing(report, seeds, most)
    robustness(report, 1 if quick else seeds, most)
    nine_models(report, 1 if quick else seeds)
    abstention(report, 100 if quick else 300)
    verdicts(report)
    if quick:
        report.say("", "QUICK: two seeds and few rows; these figures are noise.")
    if options.json:
        options.json.write_text(json.dumps(report.figures, indent=2) + "\n", encoding="utf-8")
    return int(not quick and any(one.verdict() == "MISSED" for one in report.targets))


if __name__ == "__main__":
    sys.exit(main())
