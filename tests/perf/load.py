"""A load generator in its own process: `python -m tests.perf.load PORT CONNECTIONS SECONDS KIND`.

Closed loop over kept connections, raw bytes; prints one JSON line: answers, chunks, errors, elapsed
seconds, latencies (the first 100,000). KIND is `whole` or `stream`.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

PROMPT = ("Our store moved to a new street last spring. Please tell customers how they can find "
          "us by tram and where to park a car; be friendly and brief. ") * 7  # fmt: skip
KEPT = 100_000


def request(kind: str) -> bytes:
    """About 1.2 kB, the size of the study in research/performance.md."""
    messages = [{"role": "user", "content": PROMPT[:1000]}]
    body = json.dumps({"model": "m", "messages": messages, "stream": kind == "stream"}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\n"
        b"content-type: application/json\r\nuser-agent: load\r\naccept: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    ) + body


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._data = b""
        self._left = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._data, self._left = b"", -1
        self._sent_s = time.perf_counter()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        load = self._load
        if self._left < 0:
            self._data += data
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                load.errors += 1
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._left = int(length) if length else 0
            self._chunked = not length
            data = rest
        if self._chunked:
            load.chunks += data.count(b"data: ")
            complete = data.endswith(b"0\r\n\r\n")
        else:
            self._left -= len(data)
            complete = self._left <= 0
        if complete:
            load.answered(time.perf_counter() - self._sent_s)
            if load.running:
                self._ask()
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if self._load.running:
            self._load.errors += 1


class Load:
    """Counts of one run."""

    def __init__(self, kind: str) -> None:
        self.request = request(kind)
        self.running = True
        self.answers = self.chunks = self.errors = 0
        self.latencies_s: list[float] = []

    def answered(self, latency_s: float) -> None:
        """One more."""
        self.answers += 1
        if len(self.latencies_s) < KEPT:
            self.latencies_s.append(latency_s)


async def main() -> None:
    """Warm up for a tenth of the time, then count; a line `go` and a line of results."""
    port, connections, seconds, kind = sys.argv[1:5]
    load = Load(kind)
    loop = asyncio.get_running_loop()
    for _ in range(int(connections)):
        await loop.create_connection(lambda: Caller(load), "127.0.0.1", int(port))
    await asyncio.sleep(float(seconds) / 5)
    load.answers = load.chunks = 0
    load.latencies_s.clear()
    print("go", flush=True)
    started_s = time.perf_counter()
    await asyncio.sleep(float(seconds))
    elapsed_s = time.perf_counter() - started_s
    result = {"answers": load.answers, "chunks": load.chunks, "elapsed_s": elapsed_s}
    load.running = False
    print("stop", flush=True)
    result["errors"] = load.errors
    latencies = sorted(load.latencies_s) or [0.0]
    result["p50_us"] = latencies[len(latencies) // 2] * 1e6
    result["p99_us"] = latencies[int(len(latencies) * 0.99)] * 1e6
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
