"""`make bench-router`: what the router costs beside nginx, haproxy and other routers for models.

`python -m tests.perf.router [--loads c32,s256] [--proxies nginx,plain] [--rounds N] [--seconds S]
[--resting N] [--json PATH]`. QUICK=1: small, under a minute. PEERS=all: LiteLLM and Portkey, too.
DOCS=1 writes docs/performance.md, which tells what figures mean and what to distrust. Each proxy
alone on one core, load and backend on the others, rounds interleaved; ends by itself.
"""

import json
import os
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import netns
from tests.perf import generator, page, peers, processes
from tests.perf.figures import resting_rows, rows
from tests.perf.loads import SKIPPED, Sample, skipped, window
from tests.perf.peers import Proxy
from tests.perf.plan import Plan, arguments, command, estimate_s, usual
from tests.perf.resting import Resting, rest
from tests.perf.targets import verdicts

MOST_OTHERS = 0.05
MOST_FEEDERS = 0.95
MOST_TIMES = 1.5
"""The run is cut at so many times its estimate."""


@dataclass(frozen=True, slots=True)
class Found:
    """All samples; `cut` says if time was up before the last."""

    samples: list[Sample]
    resting: list[Resting]
    cut: str = ""


def measure(binary: Path, plan: Plan, starts: dict[str, peers.Start]) -> Found:
    """At rest first, one after the other; then A B C … for each load, and all of that again."""
    core, others = processes.cores()
    found = Found([], [])
    end_s = time.monotonic() + MOST_TIMES * estimate_s(plan) + 30
    with ExitStack() as stack:
        ports = stack.enter_context(generator.mock(binary, others))
        for number in range(plan.resting):
            found.resting.extend(
                rest(binary, name, start, ports, number) for name, start in starts.items()
            )
        running = [Proxy("direct", ports[0], [])] if "direct" in plan.proxies else []
        running += [stack.enter_context(start(core, ports)) for start in starts.values()]
        for proxy in running:
            processes.until_idle(proxy.pids)
        for number in range(plan.rounds):
            for load in plan.loads:
                if time.monotonic() > end_s:
                    cut = f"what comes after round {number + 1} at {load}: time was up"
                    return Found(found.samples, found.resting, cut)
                found.samples.extend(
                    window(binary, load, proxy, plan.seconds, number)
                    for proxy in running
                    if not skipped(load, proxy.name, number)
                )
    return found


def complain(found: Found) -> None:
    """What makes a figure void or doubtful."""
    for sample in found.samples:
        if sample.errors:
            what = "; ".join(sample.error_samples) or "nothing was answered"
            print(f"!! {sample.load} {sample.proxy}: {sample.errors} errors: {what}")
        if not sample.rested:
            print(f"!! {sample.load} {sample.proxy} did not come to rest afterwards")
    for each in found.resting:
        if each.errors:
            print(f"!! silent streams, {each.proxy}: {'; '.join(each.error_samples)}")
    full = [s for s in found.samples if s.feeders > MOST_FEEDERS and s.load in ("r500", "s1000")]
    if full:
        names = ", ".join(sorted({f"{s.load} {s.proxy}" for s in full}))
        print(f"!! load and backend had no time left, so latency is theirs as well: {names}")
    if (others := others_share(found)) > MOST_OTHERS:
        print(f"!! other work took {others:.0%} of the measured core: repeat on an idle machine")


def others_share(found: Found) -> float:
    """Median share of the measured core that was not the proxy's."""
    return statistics.median(s.others for s in found.samples) if found.samples else 0.0


def failed(found: Found) -> bool:
    """Whether an answer was wrong; those of slow peers void their own rows only."""
    wrong = {sample.proxy for sample in found.samples if sample.errors}
    wrong |= {each.proxy for each in found.resting if each.errors}
    return bool(wrong - set(peers.SLOW))


def omitted(plan: Plan, starts: dict[str, peers.Start], found: Found) -> tuple[str, ...]:
    """What was not measured, each with its reason."""
    lacking = [name for name in plan.proxies if name not in starts and name != "direct"]
    said = [f"{name}: not there" for name in lacking]
    if not set(peers.SLOW) & set(plan.proxies):
        said.append(f"{' and '.join(peers.SLOW)}: with PEERS=all only, they take minutes")
    for name in peers.SLOW:
        if name in starts:
            said += [f"{name} at {load}: {SKIPPED[load]}" for load in plan.loads if load in SKIPPED]
    return (*said, found.cut) if found.cut else tuple(said)


def report(plan: Plan, starts: dict[str, peers.Start], found: Found, path: Path) -> int:
    """Print and write; 1 if anything failed."""
    table = [*rows(found.samples), *resting_rows(found.resting)]
    judged = verdicts(table, plan.proxies)
    there = {"kernel": platform.release(), "python": platform.python_version()} | peers.versions()
    run = page.Run(
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        command=command(plan, usual()),
        versions={name: there[name] for name in there if name in ("kernel", "python", *starts)},
        cores=os.cpu_count() or 1,
        rounds=plan.rounds,
        seconds=plan.seconds,
        others=others_share(found),
        omitted=omitted(plan, starts, found),
    )
    text = page.markdown(run, table, judged)
    print(f"\n{text}")
    complain(found)
    data = {
        "run": asdict(run),
        "plan": asdict(plan),
        "figures": table,
        "targets": [asdict(each) | {"said": each.said} for each in judged],
        "samples": [asdict(sample) for sample in found.samples],
        "resting": [asdict(each) for each in found.resting],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    print(f"figures: {path}")
    if failed(found):
        return 1
    if os.environ.get("DOCS"):
        page.write(text)
        print(f"written: {page.PAGE}")
    return 0


def main() -> int:
    """Measure and print; 1 if an answer was wrong. A missed target is no failure: it is said."""
    plan, path = arguments()
    binary = generator.build()
    starts = peers.available(list(plan.proxies))

    def run() -> int:
        if os.geteuid() == 0:
            netns.enter_new()  # nobody else's firewall rules, and nothing to dial but the loopback
        if len(os.sched_getaffinity(0)) < 2:
            print("!! one core only: load, backend and proxy share it")
        took_s = estimate_s(plan)
        print(f"about {took_s / 60:.0f} minutes ({took_s:.0f} s), cut at {MOST_TIMES:g} times that")
        for each in omitted(plan, starts, Found([], [])):
            print(f"!! skipped: {each}", flush=True)
        return report(plan, starts, measure(binary, plan, starts), path)

    return processes.in_own_session(run)


if __name__ == "__main__":
    sys.exit(main())
