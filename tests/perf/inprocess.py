"""`python -m tests.perf.inprocess`: one request through the router without a network.

`[--kind KIND] [--record] [--trace SHARE] [--calls | --event]`: microseconds of one request on one
kept connection, its answer included, least and median over rounds; or the calls of Python functions
that it takes; or the microseconds of its event for the ledger alone.
Caches are warm as they never are behind a socket: use it to compare two trees, not as what a
request costs.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter, deque
from dataclasses import replace
from statistics import median
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast

import uvloop

from pointsman.api import callers
from pointsman.events.segments import Bounds
from pointsman.events.spool import Spool
from pointsman.router.callers import Caller, callers_of
from pointsman.router.metrics import Metrics
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.listener import ClientConnection
from pointsman.router.serve.record import Recorder
from pointsman.router.serve.tracing import Finished, Tracing
from pointsman.router.serve.upstream import Pools, UpstreamConnection
from pointsman.router.serve.wheel import Wheel
from pointsman.routing import Canary
from tests.perf.plane import table

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

PORTS: Final = [9001, 9002]
KINDS: Final = (
    "plain", "tasks", "spill", "texts", "signals", "limited", "predictor", "rollout"
)  # fmt: skip
WARM: Final = 500
ROUNDS: Final = 15
REQUESTS: Final = 3000
_PROMPT: Final = b"Tell me about a thing now. " * 37
_HEAD: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\n"
    b"Authorization: Bearer none\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_BODY: Final = b'{"model":"auto","messages":[{"role":"user","content":"%b"}],"max_tokens":64}'
_SAID: Final = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"' + b"a" * 400 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":250,"completion_tokens":64,"total_tokens":314}}'
)
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 02:00:00 GMT\r\nServer: uvicorn\r\n"
    b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n%b" % (len(_SAID), _SAID)
)


_MUCH: Final = callers.Limits(rpm=10**9, tpm=10**9, max_concurrent_requests=1000)
_LIMITED: Final = Caller(
    "app", "team", None, frozenset({callers.digest_of(b"none")}), limits=_MUCH, team_limits=_MUCH
)
"""With every limit there is, of its own and of its team."""


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_extra_info(self, _name: str) -> None:
        """No socket."""

    def set_write_buffer_limits(self, **_limits: int) -> None:
        """It takes all."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        raise AssertionError("a connection was closed")

    abort = close


def _requests() -> list[bytes]:
    """A few of different length, so that no two in a row are the same bytes."""
    bodies = [_BODY % (_PROMPT + b"x" * more) for more in range(8)]
    return [_HEAD % len(body) + body for body in bodies]


class Loop:
    """One client, and one kept connection to each of two servers."""

    def __init__(self, kind: str, *, record: bool = False, trace: float | None = None) -> None:
        later = asyncio.get_running_loop().call_later
        self._spool = Spool(None, later=later, bounds=Bounds(memory_bytes=1 << 30))
        live = table("plain" if kind in {"limited", "rollout"} else kind, PORTS)
        if kind == "rollout":
            (policy,) = live.table.policies
            canary = Canary(replace(policy, revision="r2"), 50)
            live.table = replace(live.table, canaries={policy.name: canary})
        if kind == "limited":
            live.callers = callers_of([_LIMITED], complete=True)
        plane = DataPlane(live, Limits(), Metrics())
        self.record = Recorder(self._spool.put, time.time) if record else None
        plane.record = self.record
        self._finished: deque[Finished] = deque(maxlen=2048)
        if trace is not None:
            plane.traces = Tracing(self._finished.append, time.time, sample=trace)
        self._plane = plane
        plane.wheel = Wheel(asyncio.get_running_loop(), plane.clock, plane.limits.tick_s)
        plane.pools = Pools(plane.limits, plane.wheel, plane.clock)
        self._requests = _requests()
        self._servers = []
        for port in PORTS:
            pool = plane.pools.service("127.0.0.1", port)
            connection, wire = UpstreamConnection(pool), Wire()
            connection.connection_made(cast(Any, wire))
            pool.idle.append(connection)
            self._servers.append((connection, wire))
        self._client, self._heard = ClientConnection(plane), Wire()
        self._client.connection_made(cast(Any, self._heard))

    def once(self, number: int) -> None:
        """Ask, let the server that was asked answer, and hear it."""
        self._client.data_received(self._requests[number & 7])
        for connection, wire in self._servers:
            if wire.written:
                wire.written.clear()
                connection.data_received(ANSWER)
        (answer,) = self._heard.written
        assert answer.startswith(b"HTTP/1.1 200 ")
        self._heard.written.clear()

    def over(self) -> tuple["Exchange", float]:
        """A request that was answered just now, and when."""
        found: list[tuple[Exchange, float]] = []
        seen = cast(Recorder, lambda exchange, now_s: found.append((exchange, now_s)))
        self._plane.record = seen
        self.once(0)
        self._plane.record = self.record
        return found[0]

    async def settled(self) -> None:
        """Return once no text waits for its thread."""
        while self.record is not None and self.record.captor.held_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def timed(loop: Loop) -> str:
    """CPU time of this process, all threads of it."""
    rounds = []
    for _ in range(ROUNDS):
        began_ns = time.process_time_ns()
        for number in range(REQUESTS):
            loop.once(number)
        await loop.settled()
        rounds.append((time.process_time_ns() - began_ns) / REQUESTS / 1000)
    return f"least {min(rounds):.1f} us, median {median(rounds):.1f} us"


def of_the_event(loop: Loop) -> str:
    """CPU time of the event alone: made, encoded and put, as it is at the end of a request."""
    assert loop.record is not None
    exchange, now_s = loop.over()
    rounds = []
    for _ in range(ROUNDS):
        began_ns = time.process_time_ns()
        for _ in range(REQUESTS // 10):
            loop.record(exchange, now_s)
        rounds.append((time.process_time_ns() - began_ns) / (REQUESTS // 10) / 1000)
    return f"the event: least {min(rounds):.1f} us, median {median(rounds):.1f} us"


def counted(loop: Loop) -> str:
    """Calls of Python functions in the product, by name."""
    calls: Counter[str] = Counter()

    def on_event(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and "pointsman" in frame.f_code.co_filename:
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(on_event)
    for number in range(8):
        loop.once(number)
    sys.setprofile(None)
    lines = [f"{count / 8:6.2f} {name}" for name, count in calls.most_common()]
    return "\n".join([*lines, f"{sum(calls.values()) / 8:6.2f} in all"])


async def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="plain", choices=KINDS)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--event", action="store_true", help="what recording takes, alone")
    parser.add_argument("--trace", type=float, help="share that is recorded; calls are measured")
    chosen = parser.parse_args()
    loop = Loop(chosen.kind, record=chosen.record or chosen.event, trace=chosen.trace)
    for number in range(WARM):
        loop.once(number)
    if chosen.event:
        print(f"{chosen.kind}: {of_the_event(loop)}")
    else:
        print(f"{chosen.kind}: {counted(loop) if chosen.calls else await timed(loop)}")


if __name__ == "__main__":
    uvloop.run(main())
