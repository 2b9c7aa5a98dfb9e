"""`python -m tests.perf.scale`: how the operator's costs grow from 10 backends to 1,000.

On the bench: a real API server, the real operator as a process under its ServiceAccount, three
real routers and stand-ins for the others. Everything is applied first, then the operator starts.
QUICK=1 or --quick: one small fleet, under a minute. DOCS=1 writes docs/scale.md's block and its
picture.
It ends by itself; what a run has measured is printed also if a later part of it fails.
"""

import argparse
import asyncio
import datetime
import json
import os
import sys
import traceback
from pathlib import Path

from tests.bench import Bench
from tests.operator.process import OperatorProcess
from tests.perf.scale import page
from tests.perf.scale.measure import Figures, Plan, measure, prepare
from tests.perf.scale.objects import policies_for
from tests.perf.scale.plot import draw
from tests.perf.scale.release import released
from tests.perf.scale.targets import OF_SIZE, TARGETS, verdict
from tests.sim.scale.costs import MEASURED

SIZES = (10, 100, 300, 1000)
MOST = 2000


def parsed() -> argparse.Namespace:
    """The command line."""
    quick = argparse.ArgumentParser(add_help=False)
    quick.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    small = quick.parse_known_args()[0].quick
    parser = argparse.ArgumentParser(prog="python -m tests.perf.scale", parents=[quick])
    parser.add_argument("--sizes", default="40" if small else ",".join(map(str, SIZES)),
                        help="backends of each fleet; three policies for ten of them")  # fmt: skip
    parser.add_argument("--routers", type=int, default=5 if small else 20, help="3 of them real")
    parser.add_argument("--edits", type=int, default=5 if small else 100)
    parser.add_argument("--idle", type=float, default=5 if small else 120, help="seconds of rest")
    parser.add_argument("--deployed", action="store_true", help="all backends are `deployment`")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    try:
        options.sizes = [int(one) for one in options.sizes.split(",")]
    except ValueError:
        parser.error("--sizes is a list of numbers")
    if not all(10 <= one <= MOST for one in options.sizes) or not 3 <= options.routers <= 100:
        parser.error(f"sizes are 10 to {MOST}, routers 3 to 100")
    if not 1 <= options.edits <= 1000 or not 1 <= options.idle <= 600:
        parser.error("--edits is 1 to 1000, --idle 1 to 600")
    return options


def run(options: argparse.Namespace) -> tuple[list[Figures], bool]:
    """The figures of each size; False if a part of it failed."""
    found: list[Figures] = []
    plan = Plan(options.edits, max(2, options.edits // 10), options.idle, deployed=options.deployed)
    for size in options.sizes:
        figures = Figures(backends=size, policies=policies_for(size), routers=options.routers)
        found.append(figures)
        try:
            with Bench() as bench, released(bench, "scale", routers=options.routers) as fleet:
                operator = OperatorProcess(fleet)
                prepare(fleet, size, deployed=plan.deployed)
                print(f"{size} backends are applied", file=sys.stderr, flush=True)
                try:
                    asyncio.run(measure(bench, fleet, operator, figures, plan))
                except BaseException:
                    print(operator.log.read_text()[-3000:], file=sys.stderr)
                    raise
                finally:
                    operator.kill()
        except Exception:  # noqa: BLE001 - told whole, and the figures so far are printed
            traceback.print_exc()
            return found, False
        print(page.growth([figures]), flush=True)
    return found, True


def main() -> int:
    """Measure and print; 1 if a part could not be measured, or a target is missed at 1,000."""
    options = parsed()
    found, whole = run(options)
    command = "python -m tests.perf.scale " + " ".join(sys.argv[1:])
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = page.markdown(found, date=today, command=command.strip(), load=os.getloadavg()[0])
    print(text)
    if os.getloadavg()[0] > (os.cpu_count() or 1) + 1:
        print("!! the machine did other work as well: times and CPU are inflated")
    if options.json:
        options.json.write_text(json.dumps([one.as_json() for one in found], indent=1) + "\n")
    if options.plot:
        draw(options.plot, found)
    if os.environ.get("DOCS") and whole:
        shown = f"{text}\n![Costs from {found[0].backends} backends on](scale.png)\n"
        page.PAGE.write_text(page.placed(page.PAGE.read_text(), shown))
        draw(page.PAGE.with_suffix(".png"), found)
        MEASURED.write_text(json.dumps([one.as_json() for one in found], indent=1) + "\n")
    last = found[-1]
    missed = [one for one in TARGETS if verdict(one, last) != "met"]
    return 1 if not whole or (last.backends >= OF_SIZE and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
