"""`make bench-router`: what the router costs beside nginx, sglang-router and vllm-router.

`python -m tests.perf.router [--loads c32,s256] [--proxies nginx,plain] [--rounds N] [--seconds S]
[--json PATH]`; QUICK=1 is small. Each proxy alone on one core, load and backend on the others, in
interleaved rounds; each rests before the next starts. CPU is the proxy's own for 1,000 answers, of
streams for 1,000 chunks; ratios are taken within a round, then the median over the rounds.
docs/performance.md tells what the figures mean and what to distrust.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import netns
from tests.perf import generator, peers, processes
from tests.perf.peers import Proxy

QUICK = bool(os.environ.get("QUICK"))
WARM_S = 0.3
DEFAULT_JSON = Path(__file__).parents[2] / "build" / "bench-router.json"
LOADS = {
    "c1": ("whole", 1),
    "c32": ("whole", 32),
    "c256": ("whole", 256),
    "s256": ("stream", 256),
}
"""Name -> what is asked for, by how many connections at once."""
PROXIES = ("direct", "nginx", "sglang-router", "vllm-router", "plain", "tasks")
"""`plain` and `tasks` are ours: rules on headers; rules on the text, so that it is analyzed."""
BASES = ("nginx", "sglang-router")
MOST_OTHERS = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """One window; `cpu_ms` is for 1,000 answers, of streams for 1,000 chunks."""

    load: str
    proxy: str
    round: int
    per_s: float
    cpu_ms: float
    busy: float
    """Share of its core that the proxy took."""
    others: float
    """Share of that core that other work took."""
    p50_us: float
    """Of whole answers; of streams until the first event."""
    p99_us: float
    gap_p99_us: float
    errors: int
    error_samples: tuple[str, ...]
    rested: bool
    """False if the proxy before was still at work."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    loads: tuple[str, ...]
    proxies: tuple[str, ...]
    rounds: int
    seconds: float


def window(binary: Path, name: str, proxy: Proxy, plan: Plan, number: int) -> Sample:
    """One proxy under one load."""
    kind, connections = LOADS[name]
    flags: dict[str, object] = {"kind": kind, "connections": connections}
    flags |= {"warm": f"{WARM_S}s", "window": f"{plan.seconds}s"}
    core, rest = processes.cores()

    def counters() -> tuple[float, float]:
        return processes.cpu_s(proxy.pids), processes.core_busy_s(core)

    seen, (used_s, busy_s) = generator.load(binary, rest, proxy.port, flags, counters)
    rested = processes.until_idle(proxy.pids)
    count = seen.chunks if kind == "stream" else seen.answers
    return Sample(
        load=name,
        proxy=proxy.name,
        round=number,
        per_s=count / seen.elapsed_s,
        cpu_ms=used_s * 1e6 / max(count, 1),
        busy=used_s / seen.elapsed_s,
        others=max(busy_s - used_s, 0.0) / seen.elapsed_s,
        p50_us=seen.p50_us,
        p99_us=seen.p99_us,
        gap_p99_us=seen.gap_p99_us,
        errors=seen.errors + (count == 0),
        error_samples=tuple(seen.error_samples or ()),
        rested=rested,
    )


def measure(binary: Path, plan: Plan, starts: dict[str, peers.Start]) -> list[Sample]:
    """A B C … A B C …, for each load; whatever has an error is no figure."""
    core, rest = processes.cores()
    samples: list[Sample] = []
    with ExitStack() as stack:
        ports = stack.enter_context(generator.mock(binary, rest))
        running = [Proxy("direct", ports[0], [])] if "direct" in plan.proxies else []
        running += [stack.enter_context(start(core, ports)) for start in starts.values()]
        for proxy in running:
            processes.until_idle(proxy.pids)
        for name in plan.loads:
            for number in range(plan.rounds):
                samples += [window(binary, name, proxy, plan, number) for proxy in running]
    return samples


Row = dict[str, object]


def rows(samples: list[Sample]) -> list[Row]:
    """For each load and proxy: medians, and medians of the ratios within a round."""
    found: list[Row] = []
    by = {(s.load, s.proxy, s.round): s for s in samples}
    for load, proxy in dict.fromkeys((s.load, s.proxy) for s in samples):
        mine = [s for s in samples if (s.load, s.proxy) == (load, proxy)]
        row: Row = {"load": load, "proxy": proxy, "rounds": len(mine)}
        for name in ("per_s", "cpu_ms", "busy", "others", "p50_us", "p99_us", "gap_p99_us"):
            row[name] = round(statistics.median(getattr(s, name) for s in mine), 3)
        for base in BASES:
            pairs = [(s, by.get((load, base, s.round))) for s in mine]
            ratios = [s.cpu_ms / b.cpu_ms for s, b in pairs if b is not None and s.cpu_ms]
            if ratios:
                row[f"x_{base}"] = round(statistics.median(ratios), 2)
                row[f"x_{base}_range"] = [round(min(ratios), 2), round(max(ratios), 2)]
        row["errors"] = sum(s.errors for s in mine)
        row["restless"] = sum(not s.rested for s in mine)
        found.append(row)
    return found


def show(table: list[Row]) -> None:
    """For people."""
    print(f"{'load':6}{'proxy':15}{'per s':>9}{'CPU ms/1k':>11}{'x nginx':>9}{'(range)':>13}"
          f"{'x sglang':>10}{'core':>6}{'p50 us':>9}{'p99 us':>9}{'errors':>8}")  # fmt: skip
    for row in table:
        spread = row.get("x_nginx_range")
        shown = "-".join(f"{value:.2f}" for value in spread) if isinstance(spread, list) else "-"
        print(f"{row['load']:6}{row['proxy']:15}{row['per_s']:>9,.0f}{row['cpu_ms']:>11.1f}"
              f"{row.get('x_nginx', '-'):>9}{shown:>13}{row.get('x_sglang-router', '-'):>10}"
              f"{row['busy']:>6.0%}{row['p50_us']:>9,.0f}{row['p99_us']:>9,.0f}"
              f"{row['errors']:>8}")  # fmt: skip
    print("per s and CPU: answers, of s256 streamed chunks; latency of s256: to the first event.")


def complain(samples: list[Sample]) -> None:
    """What makes a figure void or doubtful."""
    for sample in samples:
        if sample.errors:
            what = "; ".join(sample.error_samples) or "nothing was answered"
            print(f"!! {sample.load} {sample.proxy}: {sample.errors} errors: {what}")
        if not sample.rested:
            print(f"!! {sample.load} {sample.proxy} did not come to rest afterwards")
    others = statistics.median(sample.others for sample in samples)
    if others > MOST_OTHERS:
        print(f"!! other work took {others:.0%} of the measured core: repeat on an idle machine")


def versions() -> dict[str, str]:
    """Of what is compared."""
    found = {"kernel": platform.release(), "python": platform.python_version()}
    path = peers.nginx_path()
    if path:
        said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stderr
        found["nginx"] = said.strip().rpartition("/")[2]
    return found | peers.locked_versions()


def arguments() -> tuple[Plan, Path]:
    """Of the command line; QUICK=1 in the environment changes the defaults."""
    parser = argparse.ArgumentParser(description="What the router costs beside its peers.")
    default = ("c32", "s256") if QUICK else tuple(LOADS)
    proxies = tuple(p for p in PROXIES if not QUICK or p not in ("direct", "vllm-router"))
    parser.add_argument("--loads", default=",".join(default), help=f"of {','.join(LOADS)}")
    parser.add_argument("--proxies", default=",".join(proxies), help=f"of {','.join(PROXIES)}")
    parser.add_argument("--rounds", type=int, default=3 if QUICK else 7)
    parser.add_argument("--seconds", type=float, default=1.0 if QUICK else 2.0)
    parser.add_argument("--json", type=Path, default=DEFAULT_JSON, help="where figures go")
    found = parser.parse_args()
    loads, names = tuple(found.loads.split(",")), tuple(found.proxies.split(","))
    if unknown := (set(loads) - set(LOADS)) | (set(names) - set(PROXIES)):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return Plan(loads, names, found.rounds, found.seconds), found.json


def report(plan: Plan, samples: list[Sample], path: Path) -> int:
    """Print and write; 1 if anything failed."""
    table = rows(samples)
    show(table)
    complain(samples)
    data = {
        "versions": versions(),
        "plan": asdict(plan),
        "figures": table,
        "samples": [asdict(sample) for sample in samples],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    print(f"figures: {path}")
    return 1 if any(sample.errors for sample in samples) else 0


def main() -> int:
    """Measure and print; 1 if an answer was wrong."""
    plan, path = arguments()
    binary = generator.build()
    starts = peers.available(list(plan.proxies))

    def run() -> int:
        if os.geteuid() == 0:
            netns.enter_new()  # nobody else's firewall rules, and nothing to dial but the loopback
        if len(os.sched_getaffinity(0)) < 2:
            print("!! one core only: load, backend and proxy share it")
        print(f"{plan.rounds} interleaved rounds of {plan.seconds:g} s, {os.cpu_count()} cores")
        print(", ".join(f"{name} {version}" for name, version in versions().items()), flush=True)
        return report(plan, measure(binary, plan, starts), path)

    return processes.in_own_session(run)


if __name__ == "__main__":
    sys.exit(main())
