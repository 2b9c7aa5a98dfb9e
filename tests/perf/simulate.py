"""`python -m tests.perf.simulate`: requests a second that `audit` and `simulate` replay, one core.

A support desk's day (the demo's prompts, 3 % of them histories of some 70 kB) written as a file of
requests, and as a ledger's file; both commands read both as a user would run them.
QUICK=1: 5,000 requests instead of 100,000; --json PATH also writes the figures as JSON; --profile
prints where the time goes.
"""

import argparse
import contextlib
import cProfile
import io
import json
import os
import pstats
import resource
import sys
import tempfile
import time
from pathlib import Path

from pointsman.cli.__main__ import main as pointsman
from pointsman.cli.demo.prompts import ANSWER_TOKENS, day
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import batch, request

DESK = Path(__file__).parent.parent.parent / "crds" / "examples" / "02-support-desk"
TARGET_S = 60.0
"""For 100,000 requests."""
EACH = 2_000
"""Events of one ingest."""
DIFFERENT = 2_000
"""Prompts; they come again until there are enough."""


def write(path: Path, count: int) -> int:
    """Requests, one a line; how many bytes."""
    lines = [
        json.dumps(
            {
                "model": "auto",
                "messages": [
                    {"role": "system", "content": "You are the support desk of an app."},
                    {"role": "user", "content": one.prompt},
                ],
                "max_tokens": ANSWER_TOKENS[one.desk_class],
                "stream": one.stream,
            }
        )
        for one in day(DIFFERENT)
    ]
    with path.open("w") as file:
        for number in range(count):
            file.write(lines[number % DIFFERENT] + "\n")
    return path.stat().st_size


def store(path: Path, count: int) -> Path:
    """A ledger of as many requests, the last 17 hours for 100,000."""
    now_ms = time.time_ns() // 1_000_000
    backends = ("qwen-light", "deepseek-code", "glm-multilingual", "kimi-long")
    made = SqliteStore(path, keep_events_ms=30 * DAY_MS)
    made.open()
    for first in range(1, count + 1, EACH):
        events = [
            request(
                number, at_ms=now_ms - number * 600, policy="support-desk",
                task="Chat" if number % 4 else "Coding", language="en",
                backend=backends[number % 4], candidates=(backends[number % 4],),
                context_tokens=number % 900,
            )
            for number in range(first, min(first + EACH, count + 1))
        ]  # fmt: skip
        made.ingest([batch(events, first=first)], now_ms)
    made.close()
    return path


def timed(arguments: list[str], *, profile: bool) -> float:
    """CPU seconds of one command; its output is thrown away."""
    profiler = cProfile.Profile() if profile else None
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        if profiler is not None:
            profiler.enable()
        status = pointsman(arguments)
        if profiler is not None:
            profiler.disable()
    spent = time.process_time() - began
    assert status == 0, arguments
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return spent


def main() -> int:
    """1 if the target is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    count = 5_000 if os.environ.get("QUICK") else 100_000
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        traffic = Path(folder) / "traffic.jsonl"
        size = write(traffic, count)
        ledger = store(Path(folder) / "ledger.db", count)
        print(f"{count:,} requests, {size / 1e6:,.0f} MB")
        commands = {
            "audit": ["audit", str(traffic), "--price", "2.5/10"],
            "simulate, two policies": [
                "simulate", "-f", str(DESK), "--against", str(DESK), "--traffic", str(traffic),
            ],
            "audit of a ledger": ["audit", "--ledger", str(ledger)],
            "simulate, a ledger": ["simulate", "-f", str(DESK), "--traffic", str(ledger)],
        }  # fmt: skip
        for name, arguments in commands.items():
            spent = timed(arguments, profile=options.profile)
            figures[name] = count / spent
            print(
                f"{name}: {spent:.1f} s of CPU, {count / spent:,.0f} requests/s,"
                f" 100,000 in {100_000 * spent / count:.0f} s (target {TARGET_S:.0f} s)"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")
    if options.json is not None:
        options.json.write_text(
            json.dumps({"requests": count, "requests_per_s": figures, "peak_mib": peak})
        )
    return 1 if min(figures.values()) < 100_000 / TARGET_S else 0


if __name__ == "__main__":
    sys.exit(main())
