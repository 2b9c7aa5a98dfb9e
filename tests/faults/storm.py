"""The way of events under faults: `python -m tests.faults.storm [--events N] [--json PATH]`.

Requests through a real router, its spool on a small file system, a ledger on PostgreSQL. While they
come the ledger is killed 10 times, PostgreSQL restarted 3 times, the file system filled once. Then:
how many events are in the store, how many twice, how many are missing, and whether the router says
so. At last requests at an easy pace, in turn through a router without a ledger and through this
one, while the ledger is killed on: the ratio of their p99. 1 if a promise was broken.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.ledger.process import LedgerProcess
from tests.perf import generator, processes
from tests.perf.processes import Child, line
from tests.postgres import Cluster

KILLS: Final = 10
RESTARTS: Final = 3
FULL_S: Final = 6.0
"""How long the file system stays full."""
DISK_MIB: Final = 48
PACE_S: Final = 0.01
"""Between an answer and the next question of one client."""
CLIENTS: Final = 8
ROUNDS: Final = 10
ROUND_S: Final = 4.0
SETTLE_S: Final = 300.0
MOST_RATIO: Final = 1.1
BOUND_MIB: Final = 32
"""Of the spool: below the size of the file system."""
_BODY: Final = json.dumps(
    {"model": "auto", "messages": [{"role": "user", "content": "Which train leaves first?"}]}
).encode()
_REQUEST: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
Json = dict[str, Any]


class Ledger:
    """One that is killed and comes again on the same port."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._process = LedgerProcess(f"--postgres={where}")
        self.port = self._process.port
        self.kills = 0

    def kill(self) -> None:
        """SIGKILL, then a new one; returns when that listens."""
        self._process.end(9)
        self.kills += 1
        while True:
            try:
                self._process = LedgerProcess(f"--postgres={self._where}", port=self.port)
            except AssertionError:  # PostgreSQL is away, too
                time.sleep(0.2)
            else:
                return

    def log(self) -> str:
        """Its last lines."""
        return "".join(self._process.logged[-12:])

    def end(self) -> None:
        """In an orderly way."""
        self._process.end()


class Weather(threading.Thread):
    """All faults, at moments spread over the time that `progress` (0 to 1) takes to 1."""

    def __init__(self, ledger: Ledger, postgres: Cluster, disk: Path | None) -> None:
        super().__init__(daemon=True)
        self.progress = 0.0
        self.done: list[str] = []
        self.finished = False
        self.over = threading.Event()
        """PostgreSQL ends with the thread that started it: this one stays until it is told."""
        self.failure: BaseException | None = None
        dice = random.Random(33)
        faults = ["kill"] * KILLS + ["restart"] * RESTARTS + (["fill"] if disk else [])
        dice.shuffle(faults)
        self._faults = [((n + dice.random()) / len(faults), f) for n, f in enumerate(faults)]
        self._ledger, self._postgres, self._disk = ledger, postgres, disk

    def run(self) -> None:
        """All of them, and then until `over`."""
        try:
            for at, fault in self._faults:
                while self.progress < at * 0.95:
                    time.sleep(0.02)
                getattr(self, f"_{fault}")()
                self.done.append(fault)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self.failure = error
        self.finished = True
        self.over.wait()

    def _kill(self) -> None:
        self._ledger.kill()

    def _restart(self) -> None:
        self._postgres.stop()
        time.sleep(1.0)
        self._postgres.start()

    def _fill(self) -> None:
        assert self._disk is not None
        filler = self._disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(64 * 1024))
        time.sleep(FULL_S)
        filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of DISK_MIB; None where only root could make one."""
    if os.geteuid():
        yield None
        return
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m"]
    done = subprocess.run(["mount", *options, "tmpfs", folder], check=False, capture_output=True)
    if done.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def counted(child: Child) -> Json:
    """What a router says when it is asked to end."""
    child.terminate()
    found: Json = json.loads(line(child, 60))
    return found


def page(port: int) -> str:
    """What a router says of its events, for Prometheus."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    return "\n".join(row for row in text.splitlines() if not row.startswith("#"))


def metric(port: int, name: str) -> float:
    """A sum over the labels of one of them."""
    values = [row.split()[-1] for row in page(port).splitlines() if row.startswith(name)]
    return sum(map(float, values))


async def _one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until_s: float
) -> list[float]:
    found = []
    while time.monotonic() < until_s:
        begun_s = time.perf_counter()
        writer.write(_REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200 "), head
        found.append(time.perf_counter() - begun_s)
        await asyncio.sleep(PACE_S)
    return found


async def easy(port: int) -> list[float]:
    """Seconds of each request at an easy pace."""
    until_s = time.monotonic() + ROUND_S
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)]
    try:
        found = await asyncio.gather(*(_one(*pair, until_s) for pair in pairs))
    finally:
        for _, writer in pairs:
            writer.close()
    return [value for values in found for value in values]


def p99(values: list[float]) -> float:
    """Of some seconds."""
    return sorted(values)[int(len(values) * 0.99)]


def storm(port: int, router: int, *, wanted: int, weather: Weather, binary: Path, core: str) -> int:
    """Closed loop until so many were answered; how many were."""
    answered = 0
    weather.start()
    while answered < wanted or not weather.finished:
        flags: dict[str, object] = {"kind": "whole", "connections": 16, "warm": "0s"}
        seen, _ = generator.load(binary, core, port, flags | {"window": "4s"})
        if seen.errors:
            raise AssertionError(f"requests failed: {seen.error_samples}")
        answered = int(metric(router, "pointsman_router_events_recorded_total"))
        weather.progress = min(1.0, answered / wanted)
        print(f"\r{answered:>10,} requests, {len(weather.done)} faults", end="", flush=True)
    print()
    if weather.failure is not None:
        raise weather.failure
    return answered


def compare(plain: int, recording: int, ledger: Ledger) -> Json:
    """p99 with a ledger that dies all the time, beside p99 without one; in turn."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(1.5):
            ledger.kill()

    killing = threading.Thread(target=go_on, daemon=True)
    killing.start()
    found: dict[str, list[float]] = {"without": [], "with": []}
    try:
        for _ in range(ROUNDS):
            for name, port in (("without", plain), ("with", recording)):
                found[name].append(p99(asyncio.run(easy(port))))
    finally:
        stop.set()
        killing.join()
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        "p99_without_ms": round(medians["without"] * 1000, 3),
        "p99_with_ms": round(medians["with"] * 1000, 3),
        "p99_ratio": round(medians["with"] / medians["without"], 3),
    }


def settled(router: int, ledger: Ledger) -> None:
    """Wait until the router has nothing left to send."""
    end_s = time.monotonic() + SETTLE_S
    while metric(router, "pointsman_router_events_waiting") > 0:
        if time.monotonic() > end_s:
            said = page(router) + "\n" + ledger.log()
            raise AssertionError(f"events still wait after {SETTLE_S:g} s:\n{said}")
        time.sleep(0.2)


def run(wanted: int) -> Json:
    """All of it; figures by name."""
    binary = generator.build()
    core, rest = processes.cores()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-storm-")))
        disk = stack.enter_context(small_disk(folder / "disk"))
        if disk is None:
            print("not root: the spool's disk is not filled")
        postgres = stack.enter_context(Cluster())
        where = postgres.database()
        ledger = Ledger(where)
        stack.callback(ledger.end)
        mock = stack.enter_context(generator.mock(binary, rest))
        ports = [str(port) for port in mock]
        command = (sys.executable, "-m", "tests.perf.plane", "tasks", *ports)
        spool = (disk or folder) / "spool"
        flags = (
            f"--ledger=http://127.0.0.1:{ledger.port}", f"--events-dir={spool}",
            f"--events-max-mib={BOUND_MIB}",
        )  # fmt: skip
        recording = stack.enter_context(processes.started(core, *command, *flags))
        port, router = map(int, line(recording).split())
        plain = stack.enter_context(processes.started(core, *command))
        plain_port = int(line(plain))
        begun_s = time.monotonic()
        weather = Weather(ledger, postgres, disk)
        stack.callback(weather.over.set)
        answered = storm(port, router, wanted=wanted, weather=weather, binary=binary, core=rest)
        settled(router, ledger)
        took_s = time.monotonic() - begun_s
        figures = compare(plain_port, port, ledger)
        settled(router, ledger)
        told = counted(recording)
        with psycopg.connect(where) as connection:
            rows = connection.execute(
                "SELECT count(*), count(DISTINCT decision) FROM requests"
            ).fetchone()
            lost = connection.execute("SELECT sum(lost) FROM spools").fetchone()
        assert rows
        assert lost
        stored, once = rows
    return figures | {
        "requests": told["recorded"],
        "in_the_storm": answered,
        "storm_s": round(took_s),
        "stored": stored,
        "twice": stored - once,
        "missing": told["recorded"] - once,
        "dropped_says_the_router": sum(told["dropped"].values()),
        "dropped_why": told["dropped"],
        "lost_says_the_ledger": int(lost[0] or 0),
        "ledger_kills": ledger.kills,
        "postgres_restarts": RESTARTS,
        "disk_filled": disk is not None,
    }


def broken(figures: Json) -> list[str]:
    """Promises that were not kept."""
    found = []
    if figures["twice"]:
        found.append(f"{figures['twice']} events are stored twice")
    if figures["missing"] != figures["dropped_says_the_router"]:
        found.append("the router does not say how many events are missing")
    if figures["p99_ratio"] > MOST_RATIO:
        found.append(f"p99 is {figures['p99_ratio']} times that without a ledger")
    return found


def main() -> int:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with it
    figures = run(chosen.events)
    for name, value in figures.items():
        print(
            f"{name.replace('_', ' '):<26}{value:,}"
            if isinstance(value, int)
            else f"{name.replace('_', ' '):<26}{value}"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")
    wrong = broken(figures)
    for text in wrong:
        print(f"BROKEN: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
