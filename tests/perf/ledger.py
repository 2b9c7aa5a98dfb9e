"""`python -m tests.perf.ledger [--json PATH]`: events a second into the ledger, and its answers.

Ingest: frames over HTTP to the real process; ledger and PostgreSQL share one core, the writers have
another. Questions: a store with a month of requests (10 million; QUICK=1: 200,000), taken in by the
ledger's own code, asked for its summary. The durations are medians of 5.
"""

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pointsman.events import frames, schema
from pointsman.events.schema import SCHEMA, Request, Try
from pointsman.ledger.asking import ask
from pointsman.ledger.batches import Batch, Part
from pointsman.ledger.contract import Store
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.stores.postgres import PostgresStore
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.perf import processes
from tests.postgres import Cluster

QUICK = bool(os.environ.get("QUICK"))
GOALS = {"sqlite": 2_000, "postgres": 5_000}
"""Events a second on one core."""
GOAL_S = 1.0
"""For the summary over all rows."""
FRAME = 500
"""Events in a frame: some 350 kB."""
WRITERS = 4
SERIES = 200
"""Policy x rule x task x backend x team, of which half of the events are in a tenth."""
DAYS = 30
REPEAT = 5
Json = dict[str, Any]


def events(count: int, first_ms: int, last_ms: int, seed: int = 1) -> Iterator[Request]:
    """Spread evenly over a time, in its order."""
    dice = random.Random(seed)
    shapes: list[Json] = [
        {
            "policy": f"policy-{n % 4}",
            "rule": f"rule-{n % 7}",
            "task": ("coding", "reasoning", "document", "conversation", "")[n % 5],
            "backend": f"backend-{n % 6}",
            "team": f"team-{n % 20}",
            "caller": f"caller-{n % 50}",
        }
        for n in range(SERIES)
    ]
    for number in range(count):
        wide = dice.random() < 0.5
        shape = shapes[dice.randrange(SERIES if wide else SERIES // 10)]
        duration_us = int(dice.lognormvariate(14, 0.8))
        yield Request(
            **shape,
            decision=f"{seed:08x}5c1e-{number:x}",
            at_ms=first_ms + (last_ms - first_ms) * number // count,
            revision="3f9a7c2",
            request_id=f"req-{number}",
            language="en",
            confidence=0.9,
            evidence=("coding: code in the text", "complexity: 2.5 points by length, steps"),
            complexity="Moderate",
            domain="Software",
            context_tokens=900,
            stream=True,
            candidates=(shape["backend"], "backend-9"),
            left=(Try(backend="backend-9", reason="Timeout"),) if number % 50 == 0 else (),
            model="qwen-2.5-7b",
            status=200,
            outcome="Ok",
            duration_us=duration_us,
            first_token_us=duration_us // 8,
            overhead_us=300,
            input_tokens=900,
            output_tokens=250,
            cost_nano=1_234_567,
            baseline_nano=9_876_543,
            currency="USD",
            response_id=f"chatcmpl-{number:x}",
            reported_model="qwen-2.5-7b",
            finish="stop",
        )


def bodies(count: int, writer: int, run: str) -> list[bytes]:
    """Frames of one spool, of the last hour."""
    now_ms = time.time_ns() // 1_000_000
    lines = [schema.encode(one) for one in events(count, now_ms - 3_600_000, now_ms, writer + 1)]
    return [
        frames.build(SCHEMA, f"spool-{run}-{writer}", at + 1, lines[at : at + FRAME])
        for at in range(0, len(lines), FRAME)
    ]


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(core: str, flag: str) -> Iterator[tuple[int, int]]:
    """A ledger on a core: its port and its process."""
    port = _port()
    command = (sys.executable, "-m", "pointsman.ledger", flag, f"--listen=127.0.0.1:{port}")
    with processes.started(core, *command, "--log-level=warning") as child:
        end_s = time.monotonic() + 30
        while time.monotonic() < end_s:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        yield port, child.pid


def send(port: int, frames_: Sequence[bytes], failures: list[str]) -> None:
    """One writer: a frame, its answer, the next."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for frame in frames_:
        connection.request("POST", "/v1/events", frame)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            failures.append(f"{answer.status} {told[:200]!r}")
            break
    connection.close()


def ingest(kind: str, flag: str, count: int, cluster: Cluster | None) -> Json:
    """Events a second through HTTP into an empty store, and the CPU time of each process."""
    mine, others = processes.cores()
    if cluster is not None:
        os.sched_setaffinity(cluster.pid, {int(mine)})  # its children, made from now on, get it
    os.sched_setaffinity(0, {int(core) for core in others.split(",")})
    loads = [bodies(count // WRITERS, writer, kind) for writer in range(WRITERS)]
    size = sum(len(frame) for load in loads for frame in load)
    failures: list[str] = []
    with serving(mine, flag) as (port, pid):
        send(port, bodies(FRAME, 99, kind), failures)  # tables of the day, imports
        base = processes.family(cluster.pid) if cluster else []
        before = processes.cpu_s([pid]), processes.cpu_s(base), processes.core_busy_s(mine)
        begun_s = time.monotonic()
        threads = [threading.Thread(target=send, args=(port, load, failures)) for load in loads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - begun_s
        ledger_s = processes.cpu_s([pid]) - before[0]
        base = processes.family(cluster.pid) if cluster else []  # it has more of them now
        server_s = processes.cpu_s(base) - before[1]
        busy_s = processes.core_busy_s(mine) - before[2]
        memory = processes.memory_kib(pid)[0] / 1024
    sent = sum(len(load) for load in loads) * FRAME
    return {
        "store": kind,
        "events": sent,
        "per_s": sent / took_s,
        "goal_per_s": GOALS[kind],
        "event_bytes": size / sent,
        "ledger_us": ledger_s / sent * 1e6,
        "server_us": server_s / sent * 1e6,
        "core_busy": busy_s / took_s,
        "ledger_mib": memory,
        "failures": failures,
    }


def fill(store: Store, count: int, last_ms: int) -> float:
    """Seconds to take `count` requests of the last 30 days, by the ledger's own code."""
    made = events(count, last_ms - DAYS * DAY_MS + 3_600_000, last_ms, 7)
    begun_s, at = time.monotonic(), 1
    while True:
        chunk = [(at + n, one) for n, one in zip(range(10_000), made, strict=False)]
        if not chunk:
            return time.monotonic() - begun_s
        after = at + len(chunk)
        store.ingest([Batch("spool-filling", [Part(at, after, list(chunk))])], last_ms)
        at = after


def questions(kind: str, store: Store, count: int, bytes_of: Path | None) -> Json:
    """How long a summary takes over a day, a week, all."""
    last_ms = time.time_ns() // 1_000_000
    filled_s = fill(store, count, last_ms)
    found: Json = {"store": kind, "rows": count, "fill_s": filled_s}
    for name, days in (("day", 1), ("week", 7), ("all", DAYS)):
        seconds = []
        for _ in range(REPEAT):
            begun_s = time.monotonic()
            told = ask(store, last_ms - days * DAY_MS, last_ms + 1)
            seconds.append(time.monotonic() - begun_s)
        found[f"{name}_s"] = statistics.median(seconds)
        found[f"{name}_requests"] = sum(line.requests for line in told.totals)
    rollups = store.query("SELECT count(*) FROM rollups", ())
    found["rollups"] = int(str(rollups[0][0]))
    found["goal_s"] = GOAL_S
    if bytes_of is not None:
        found["bytes_per_row"] = bytes_of.stat().st_size / count
    else:
        size = store.query("SELECT pg_database_size(current_database())", ())
        found["bytes_per_row"] = int(str(size[0][0])) / count
    return found


def show(ingests: Sequence[Json], asked: Sequence[Json]) -> None:
    """Two tables."""
    print(f"{'ingest':10}{'events/s':>10}{'goal':>8}{'ledger us':>11}{'server us':>11}"
          f"{'core':>6}{'MiB':>6}")  # fmt: skip
    for row in ingests:
        print(f"{row['store']:10}{row['per_s']:>10,.0f}{row['goal_per_s']:>8,}"
              f"{row['ledger_us']:>11.1f}{row['server_us']:>11.1f}{row['core_busy']:>6.0%}"
              f"{row['ledger_mib']:>6.0f}")  # fmt: skip
        for failure in row["failures"]:
            print(f"!! {failure}")
    print("us: CPU time of an event. server: PostgreSQL's processes, on the same core.\n")
    print(f"{'summary':10}{'rows':>12}{'rollups':>11}{'day s':>8}{'week s':>8}{'all s':>8}"
          f"{'goal':>6}{'bytes/row':>11}{'filled s':>10}")  # fmt: skip
    for row in asked:
        print(f"{row['store']:10}{row['rows']:>12,}{row['rollups']:>11,}{row['day_s']:>8.3f}"
              f"{row['week_s']:>8.3f}{row['all_s']:>8.3f}{row['goal_s']:>6.1f}"
              f"{row['bytes_per_row']:>11,.0f}{row['fill_s']:>10.0f}")  # fmt: skip


def run(stores: Sequence[str], count: int, rows: int, target: Path | None) -> int:
    """Measure and print; 1 if anything was refused."""
    ingests, asked = [], []
    keep_ms, everywhere = 40 * DAY_MS, os.sched_getaffinity(0)
    for kind in stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-ledger-")))
            if kind == "sqlite":
                ingests.append(ingest(kind, f"--db={folder / 'ingest.db'}", count, None))
                file = folder / "asked.db"
                store: Store = SqliteStore(file, keep_events_ms=keep_ms, timeout_s=120)
            else:
                cluster = stack.enter_context(Cluster("max_wal_size=4GB"))
                flag = f"--postgres={cluster.database()}"
                ingests.append(ingest(kind, flag, count, cluster))
                os.sched_setaffinity(cluster.pid, everywhere)
                store = PostgresStore(cluster.database(), keep_events_ms=keep_ms, timeout_s=120)
            os.sched_setaffinity(0, everywhere)
            stack.callback(store.close)
            store.open()
            if rows:
                asked.append(questions(kind, store, rows, file if kind == "sqlite" else None))
    show(ingests, asked)
    if target is not None:
        target.write_text(json.dumps({"ingest": ingests, "summary": asked}, indent=1) + "\n")
    return 1 if any(row["failures"] for row in ingests) else 0


def main() -> int:
    """Of the command line; QUICK=1 in the environment makes it small."""
    parser = argparse.ArgumentParser(description="What the ledger takes in, and how it answers.")
    parser.add_argument("--stores", default=",".join(GOALS), help="of sqlite,postgres")
    parser.add_argument("--events", type=int, default=40_000 if QUICK else 400_000)
    parser.add_argument("--rows", type=int, default=200_000 if QUICK else 10_000_000)
    parser.add_argument("--json", type=Path, help="write the figures here")
    found = parser.parse_args()
    stores = found.stores.split(",")
    if not set(stores) <= GOALS.keys():
        parser.error(f"unknown stores: {found.stores}")
    return processes.in_own_session(lambda: run(stores, found.events, found.rows, found.json))


if __name__ == "__main__":
    sys.exit(main())
