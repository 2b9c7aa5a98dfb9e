"""`python -m tests.perf.console [--json PATH]`: how long pages take on a large ledger.

A million decisions (QUICK=1: 50,000), all of them in one day and then over 30 days, are taken in by
the ledger's own code into SQLite and PostgreSQL; the real process serves them. Each page is asked 7
times, one request at a time; printed are the median and the worst.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from pointsman.events.schema import Feedback, Request
from pointsman.ledger.console.fleet.files import STATE
from pointsman.ledger.contract import Store
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.postgres import PostgresStore
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.console.showing import fleet, runs
from tests.ledger.events import batch
from tests.ledger.process import ledger_process
from tests.perf.ledger import events
from tests.postgres import Cluster

QUICK = bool(os.environ.get("QUICK"))
COUNT = 50_000 if QUICK else 1_000_000
GOAL_MS = 300.0
REPEAT = 7
PART = 2_000
"""Events of one transaction."""
RARE = 5
"""Decisions of the policy `rare`, at the very beginning."""
Json = dict[str, Any]


def pages(decision: str) -> dict[str, str]:
    """Paths by what they show."""
    return {
        "flow": "flow",
        "cost, 24 hours": "cost",
        "cost, 7 days": "cost?period=7d",
        "cost, 30 days": "cost?period=30d",
        "quality, ratings": "quality?period=30d",
        "quality, golden prompts": "quality?of=golden&period=30d",
        "drift": "drift?period=30d",
        "rollouts": "rollouts",
        "rollout": "rollouts/support",
        "decisions, newest": "decisions?since=30d",
        "decisions by policy and task": "decisions?since=30d&policy=policy-1&task=coding",
        "decisions, the oldest, rare": "decisions?since=31d&policy=rare",
        "decisions, none": "decisions?since=30d&policy=nobody",
        "decisions, a page far back": "decisions?since=30d&until=12h",
        "decisions without an answer": "decisions?since=30d&failed=yes",
        "decision": f"decisions/{decision}",
    }


def taken(now_ms: int, days: float, count: int = COUNT) -> Iterator[Request | Feedback]:
    """In the order of time; the first few are of a rare policy, and every tenth is rated."""
    first_ms = int(now_ms - days * DAY_MS)
    for number, event in enumerate(events(count, first_ms, now_ms - 1000)):
        if number < RARE:
            event = msgspec.structs.replace(event, policy="rare")  # noqa: PLW2901
        if number % 500 == 7:
            event = msgspec.structs.replace(  # noqa: PLW2901
                event, outcome="Http500", status=502
            )
        yield event
        if number % 10 == 0:
            yield Feedback(
                id=f"f-{number}", at_ms=event.at_ms, decision=event.decision, caller=event.caller,
                score=0.8,
            )  # fmt: skip


def fill(store: Store, days: float, count: int = COUNT) -> str:
    """Take it all in; the id of one in the middle."""
    now_ms = time.time_ns() // 1_000_000
    part: list[Any] = []
    first, middle, requests = 1, "", 0
    for event in _all(now_ms, days, count):
        part.append(event)
        if isinstance(event, Request):
            requests += 1
            middle = event.decision if requests == count // 2 else middle
        if len(part) == PART:
            store.ingest([batch(part, first, "perf-0000000001")], now_ms)
            first += len(part)
            part = []
    store.ingest([batch(part, first, "perf-0000000001")], now_ms)
    return middle


def _all(now_ms: int, days: float, count: int) -> Iterator[Any]:
    yield from runs(now_ms)
    yield from taken(now_ms, days, count)


def asked(port: int, path: str) -> list[float]:
    """Milliseconds of each answer; AssertionError for one that is no page."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for _ in range(REPEAT):
            begun = time.perf_counter()
            connection.request("GET", f"/console/{path}")
            answer = connection.getresponse()
            answer.read()
            found.append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, f"{path}: {answer.status}"
    return found


def measure(flag: str, decision: str) -> Json:
    """All pages of one store, with a fleet beside it."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / STATE
        state.write_bytes(msgspec.json.encode(fleet(time.time_ns() // 1_000_000)))
        options = ("--local-person=ada", f"--console-fleet={folder}", "--log-level=info")
        with ledger_process(flag, *options) as ledger:
            asked(ledger.port, "flow")  # templates are compiled, the fleet is read
            return {
                name: {"median_ms": statistics.median(times), "worst_ms": max(times)}
                for name, path in pages(decision).items()
                if (times := asked(ledger.port, path))
            }


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if a page misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.console", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--store", choices=("sqlite", "postgres"), help="default: both")
    parser.add_argument("--days", choices=("1", "30"), help="default: both")
    options = parser.parse_args(arguments)
    found: Json = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kinds = [options.store] if options.store else ["sqlite", "postgres"]
        cluster = stack.enter_context(Cluster()) if "postgres" in kinds else None
        for kind in kinds:
            for name, days in (("one day", 1.0), ("30 days", 29.9)):
                if options.days and options.days != str(round(days)):
                    continue
                if cluster is not None and kind == "postgres":
                    where = cluster.database()
                    store: Store = PostgresStore(where, keep_events_ms=40 * DAY_MS)
                    flag = f"--postgres={where}"
                else:
                    path = folder / f"{int(days)}.db"
                    store, flag = SqliteStore(path, keep_events_ms=40 * DAY_MS), f"--db={path}"
                store.open()
                decision = fill(store, days)
                store.close()
                found[f"{kind}, {name}"] = measure(flag, decision)
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    worst = max(one["median_ms"] for pages in found.values() for one in pages.values())
    return int(worst > GOAL_MS)


def _print(found: Json) -> None:
    print(f"{COUNT:,} decisions, median (worst) of {REPEAT} in ms, goal {GOAL_MS:.0f}\n")
    print(f"| page | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for name in next(iter(found.values())):
        times = [one[name] for one in found.values()]
        cells = (f"{one['median_ms']:.0f} ({one['worst_ms']:.0f})" for one in times)
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
