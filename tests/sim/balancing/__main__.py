"""`python -m tests.sim.balancing [--json PATH]`: ways to choose an endpoint, side by side.

Recorded lengths and arrivals, conversations made of them (traffic.py), virtual time, several seeds.
QUICK=1: a quarter of the recording and one seed. Exit 1 if the default loses to random on short
prompts by more than a twentieth; it says so where the recording is not there.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.sim.balancing.contenders import CONTENDERS
from tests.sim.balancing.fleet import ROUTERS, Engine, play
from tests.sim.balancing.traffic import Request, conversations, paced, short
from tests.sim.scaling.traces import load, recorded_file

SERVERS = 6
DEFAULT = "prefix (default)"
LOADS = {"half": 0.5, "four fifths": 0.8}
"""Of what the servers can take of this traffic without any cache."""
_LOSES = 1.05


@dataclass(frozen=True, slots=True)
class Row:
    """One way on one traffic; milliseconds."""

    traffic: str
    load: str
    way: str
    first_p50_ms: float
    first_p95_ms: float
    first_p99_ms: float
    total_p50_ms: float
    total_p95_ms: float
    total_p99_ms: float
    hits_percent: float


def capacity_a_second(requests: Sequence[Request], servers: int, engine: Engine) -> float:
    """Requests that all servers end in a second when every slot is taken and no cache helps."""
    count = len(requests)
    read_s = sum(each.context_tokens for each in requests) / count / engine.prefill_tokens_s
    write_s = sum(each.generated_tokens for each in requests) / count * engine.token_s * 2
    return servers / max(read_s, (read_s + write_s) / engine.slots)


def compare(
    traffic: str, requests: Sequence[Request], seeds: int, servers: int = SERVERS
) -> list[Row]:
    """All ways on one traffic, at each load."""
    engine, rows = Engine(), []
    most = capacity_a_second(requests, servers, engine)
    for load_name, share in LOADS.items():
        timed = paced(requests, most * share)
        for name, make in CONTENDERS.items():
            first: list[float] = []
            total: list[float] = []
            hits = 0.0
            for seed in range(seeds):
                ways = [make(servers, seed * ROUTERS + number) for number in range(ROUTERS)]
                outcome = play(timed, ways, servers, engine, seed)
                first += outcome.first_s
                total += outcome.total_s
                hits += outcome.hit_share / seeds
            figures = [_at(values, p) * 1000 for values in (first, total) for p in (50, 95, 99)]
            figures.append(hits * 100)
            rows.append(Row(traffic, load_name, name, *figures))
    return rows


def _at(values: list[float], percent: int) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) * percent // 100, len(ranked) - 1)]


def lost(rows: Sequence[Row]) -> list[str]:
    """Where the default is worse than random on short prompts."""
    found = []
    short_rows = [row for row in rows if row.traffic == "short"]
    for row in short_rows:
        if row.way != DEFAULT:
            continue
        other = next(r for r in short_rows if r.load == row.load and r.way == "random")
        found += [
            f"{figure} at {row.load}"
            for figure in ("first_p50_ms", "first_p99_ms", "total_p50_ms", "total_p99_ms")
            if getattr(row, figure) > getattr(other, figure) * _LOSES
        ]
    return found


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| prompts | load | way | first ms p50 | p95 | p99 | whole p50 | p95 | p99 | hits % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        first = f"{r.first_p50_ms:.0f} | {r.first_p95_ms:.0f} | {r.first_p99_ms:.0f}"
        total = f"{r.total_p50_ms:.0f} | {r.total_p95_ms:.0f} | {r.total_p99_ms:.0f}"
        hits = "" if r.traffic == "short" else f"{r.hits_percent:.0f}"
        lines.append(f"| {r.traffic} | {r.load} | {r.way} | {first} | {total} | {hits} |")
    return "\n".join(lines)


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.balancing")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    path = recorded_file()
    if not path.exists():
        print(f"skipped: {path.name} is not there")
        return 0
    quick = bool(os.environ.get("QUICK"))
    trace = load(path)
    talk, brief = conversations(trace), short(trace)
    if quick:
        talk, brief = talk[: len(talk) // 4], brief[: len(brief) // 4]
    turns = len(talk) / len({each.conversation for each in talk})
    print(f"{len(talk)} requests, {turns:.1f} turns a conversation; {len(brief)} short ones")
    print(f"{SERVERS} servers, {ROUTERS} routers, {Engine()}\n")
    seeds = 1 if quick else 3
    rows = compare("conversations", talk, seeds) + compare("short", brief, seeds)
    print(_table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    worse = lost(rows)
    if worse:
        print(f"!! the default loses to random on short prompts: {', '.join(worse)}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
