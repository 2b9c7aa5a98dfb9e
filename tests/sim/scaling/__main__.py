"""`python -m tests.sim.scaling`: two tables for each trace, JSON, and a picture.

QUICK=1: few and short traces, one seed, under a minute. DOCS=1: writes docs/scaling.md's tables
and its picture. `--trace FILE` replays another recording in the same CSV format.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.sim.scaling import traces as arrivals
from tests.sim.scaling.fleet import Engine
from tests.sim.scaling.plot import draw
from tests.sim.scaling.report import Result, as_json, markdown
from tests.sim.scaling.sweep import defaults, equal_hours
from tests.sim.scaling.traces import ROOT, Trace

DOCS = ROOT / "docs"
MARK = "<!-- what follows is written by `make sim-scaling DOCS=1` -->\n"


def collect(seeds: int, *, quick: bool, extra: Path | None) -> dict[str, list[Trace]]:
    """Return each trace once per seed, warm-up included."""
    made: dict[str, list[Trace]] = {}
    recorded = [("conversation", arrivals.recorded_file())]
    if extra is not None:
        recorded = [(extra.name.split(".")[0], extra)]
    for name, path in recorded:
        if not path.exists():
            print(f"skipped {name}: {path.name} is not there; generated traces only")
            continue
        trace = arrivals.load(path, name)
        if quick:
            trace = arrivals.cut(trace, 900.0)
        made[name] = [trace] * seeds
        made[f"{name}-gaps"] = [
            arrivals.thinned(trace, share=0.3, on_s=240, off_s=360, seed=seed)
            for seed in range(1, seeds + 1)
        ]
    length_s = 1500.0 if quick else 3600.0
    for seed in range(1, seeds + 1):
        rates = {**arrivals.TUNED, **arrivals.held_out(seed)}
        for name, rate in rates.items():
            if quick and name not in {"step", "wander"}:
                continue
            trace = arrivals.generated(name, rate, length_s=length_s, seed=seed)
            made.setdefault(name, []).append(trace)
    return {name: [arrivals.warmed(one) for one in each] for name, each in made.items()}


def judge(name: str, traces: Sequence[Trace], engine: Engine, refinements: int) -> Result:
    """Simulate everyone on one trace."""
    usual = defaults(traces, engine)
    equal = equal_hours(usual, traces, engine, refinements=refinements)
    counted = sum(at_s >= traces[0].begin_s for at_s in traces[0].arrivals_s)
    return Result(name, counted, usual, equal)


def main() -> int:
    """Run it all; exit 0 also if a goal was missed: the tables say so."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.scaling")
    parser.add_argument("--trace", type=Path, help="a CSV with TIMESTAMP, ContextTokens, ...")
    parser.add_argument("--cold-start", type=float, default=Engine().cold_start_s, help="seconds")
    parser.add_argument("--limit", type=int, default=Engine().limit, help="requests a replica")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--only", default="", help="names of traces, with commas")
    parser.add_argument("--json", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    quick = bool(os.environ.get("QUICK"))
    seeds = options.seeds or (1 if quick else 3)
    engine = Engine(limit=options.limit, cold_start_s=options.cold_start)
    made = collect(seeds, quick=quick, extra=options.trace)
    only = [name for name in options.only.split(",") if name] or list(made)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [pool.submit(judge, name, made[name], engine, 3 if quick else 6) for name in only]
        results = []
        for job in jobs:
            results.append(job.result())
            print(f"simulated {results[-1].trace}", file=sys.stderr, flush=True)
    text = markdown(results)
    print(text)
    settings = {"seeds": seeds, "quick": quick, **asdict(engine)}
    if options.json:
        options.json.write_text(json.dumps(as_json(results, settings), indent=1) + "\n")
    if os.environ.get("DOCS"):
        page = DOCS / "scaling.md"
        page.write_text(page.read_text().split(MARK)[0] + MARK + "\n" + text)
        draw(DOCS / "scaling.png", results, {name: made[name][0] for name in only}, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
