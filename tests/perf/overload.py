"""`python -m tests.perf.overload [--json PATH]`: what admitted requests lose at 3 times the load.

A backend takes 16 at once, 50 ms each; its line in the router has room for none, so who finds it
full is told 503 at once and comes again 100 ms later. 16 callers are all it can take, 48 are three
times that. Rounds are interleaved; the ratio of both p99 within a round, then the median. QUICK=1:
three short rounds.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from pointsman.api.table import (
    Activation,
    Backend,
    Endpoint,
    PolicyBlob,
    Route,
    ServiceAddress,
    Target,
)
from pointsman.router.callers import OPEN
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.routing import compile_policy, compile_table
from tests.perf import processes

SLOTS = 16
TIMES = 3
SERVICE_S = 0.05
AGAIN_S = 0.1
ROUNDS, WINDOW_S = (3, 2.0) if os.environ.get("QUICK") else (5, 3.0)
TARGET = 1.2
_BODY = b'{"model":"auto","messages":[{"role":"user","content":"Which train leaves first?"}]}'
_ASKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_SAID = b'{"choices":[{"message":{"content":"The first one."}}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_SAID),
    _SAID,
)


@dataclass(frozen=True, slots=True)
class Window:
    """What the callers of one window saw; times are of answers with status 200."""

    callers: int
    answered: int
    refused: int
    p50_ms: float
    p99_ms: float


def _rank(values: list[float], share: float) -> float:
    return sorted(values)[int((len(values) - 1) * share)] if values else 0.0


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(size)
    return head


async def _backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await _message(reader)
            await asyncio.sleep(SERVICE_S)
            writer.write(_ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    """Backend and router, until the standard input ends; prints the port."""
    server = await asyncio.start_server(_backend, "127.0.0.1", 0)
    address = ServiceAddress(namespace="perf", service="m", port=8000)
    line = Activation(mode="Hold", timeout_s=1.0, max_held=0, at_once=SLOTS)
    backend = Backend(name="m", model="m", address=address, queue=line, max_concurrent=SLOTS)
    blob = PolicyBlob(
        namespace="perf",
        name="perf",
        revision="r1",
        model_names=("auto",),
        routes=(Route(name="default", targets=(Target(backend="m"),)),),
        backends={"m": backend},
    )
    endpoint = Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    live = Live(
        callers=OPEN,
        table=compile_table([compile_policy(blob, "perf")]),
        ready=True,
        endpoints={address.key: (endpoint,)},
    )
    plane = DataPlane(live, Limits(), Metrics())
    print(await plane.start("127.0.0.1", 0), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await plane.drain(0.5)
    server.close()


async def window(port: int, callers: int, window_s: float) -> Window:
    """So many callers, each asking again as soon as it is answered."""
    took_s: list[float] = []
    refused = 0
    end_s = time.monotonic() + window_s

    async def call() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began_s := time.monotonic()) < end_s:
            writer.write(_ASKED)
            head = await _message(reader)
            if head.startswith(b"HTTP/1.1 200"):
                took_s.append(time.monotonic() - began_s)
                continue
            if not head.startswith(b"HTTP/1.1 503") or b"\r\nretry-after: " not in head:
                raise RuntimeError(f"neither an answer nor a refusal: {head!r}")
            refused += 1
            await asyncio.sleep(AGAIN_S)
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(window_s + 30.0), asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())
    p50_ms, p99_ms = (round(1000 * _rank(took_s, share), 2) for share in (0.5, 0.99))
    return Window(callers, len(took_s), refused, p50_ms, p99_ms)


def measure(core: str, rounds: int, window_s: float) -> list[tuple[Window, Window]]:
    """Each round at what the backend takes, then at three times that."""
    with processes.started(core, sys.executable, "-m", "tests.perf.overload", "--serve") as child:
        port = int(processes.line(child))

        async def run() -> list[tuple[Window, Window]]:
            await window(port, SLOTS, 0.5)
            return [
                (await window(port, SLOTS, window_s), await window(port, TIMES * SLOTS, window_s))
                for _ in range(rounds)
            ]

        found: list[tuple[Window, Window]] = uvloop.run(run())
        return found


def main() -> int:
    """Print the rounds and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.overload", description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="where figures go")
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve())
        return 0
    found = measure(processes.cores()[0], ROUNDS, WINDOW_S)
    print(f"{'callers':>8}{'answered':>10}{'refused':>9}{'p50 ms':>8}{'p99 ms':>8}")
    for seen in (each for pair in found for each in pair):
        print(
            f"{seen.callers:>8}{seen.answered:>10}{seen.refused:>9}{seen.p50_ms:>8}{seen.p99_ms:>8}"
        )
    ratios = [over.p99_ms / full.p99_ms for full, over in found]
    ratio = round(statistics.median(ratios), 2)
    print(f"p99 at {TIMES} times the load: {ratio} times that at capacity "
          f"({min(ratios):.2f}-{max(ratios):.2f}); the aim is {TARGET}")  # fmt: skip
    if given.json:
        rows = [[asdict(each) for each in pair] for pair in found]
        given.json.write_text(json.dumps({"ratio": ratio, "rounds": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
