"""What model servers say of their own work: their gauges, asked for every few seconds.

| a ready pod is                       | it counts as     |
|--------------------------------------|------------------|
| answered in the last 15 s            | its last answer  |
| not asked yet, or silent for longer  | no data          |
| gone, or not ready any more          | nothing          |

Refuses to wait or to hoard: each answer has a deadline and a size, few are asked at once.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp

from pointsman.api.statuses import label_of
from pointsman.api.v1alpha1 import Engine
from pointsman.operator import metrics
from pointsman.operator.plan.gauges import GAUGES, report_of
from pointsman.operator.plan.pods import ReadyPod
from pointsman.operator.plan.scaling import EngineReport

ASK_S: Final = 3.0
"""Between two rounds: an answer may be lost four times before it is no data."""
SILENCE_S: Final = 15.0
"""As of a router."""
DEADLINE_S: Final = 2.0
MAX_BYTES: Final = 4 * 1024 * 1024
AT_ONCE: Final = 16


@dataclass(slots=True)
class _Server:
    pod: ReadyPod
    report: EngineReport | None = None
    heard_s: float = 0.0


@dataclass(slots=True)
class _Backend:
    engine: Engine
    port: int
    servers: dict[str, _Server] = field(default_factory=dict)
    in_flight: int | None = None
    """How many the routers had in flight when this backend's servers were asked last."""


class _NoAnswer(Exception):
    """A server did not say what was asked for; the text is one word for why."""


class EngineMetrics:
    """The ready pods of all backends whose engine counts; `in_flight` is asked at each round."""

    def __init__(
        self,
        in_flight: Callable[[str], int],
        *,
        every_s: float = ASK_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._in_flight = in_flight
        self._every_s = every_s
        self._silence_s = silence_s
        self._backends: dict[str, _Backend] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._new = asyncio.Event()

    def watch(self, backend: str, engine: Engine, port: int, pods: Sequence[ReadyPod]) -> None:
        """Ask these pods from now on, new ones at once; nobody, if the engine does not count."""
        if engine not in GAUGES:
            self.forget(backend)
            return
        known = self._backends.get(backend)
        kept = known.servers if known and (known.engine, known.port) == (engine, port) else {}
        servers = {pod.uid: kept.get(pod.uid) or _Server(pod) for pod in pods}
        if servers.keys() - kept.keys():
            self._new.set()
        in_flight = known.in_flight if known else None
        self._backends[backend] = _Backend(engine, port, servers, in_flight)

    def forget(self, backend: str) -> None:
        """Ask nobody of this backend any more."""
        self._backends.pop(backend, None)

    def reports(self, backend: str) -> tuple[list[EngineReport | None], int | None]:
        """The last answer of each, and what was in flight then."""
        known = self._backends.get(backend)
        if known is None:
            return [], None
        return [self._fresh(one) for one in known.servers.values()], known.in_flight

    def silent(self, backend: str) -> list[str]:
        """Names of the pods without an answer."""
        known = self._backends.get(backend)
        servers = known.servers.values() if known else ()
        return sorted(one.pod.name for one in servers if self._fresh(one) is None)

    def _fresh(self, server: _Server) -> EngineReport | None:
        return server.report if time.monotonic() - server.heard_s < self._silence_s else None

    async def run(self) -> None:
        """For ever: a round each three seconds, and one at once for pods that are new."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
            connector=aiohttp.TCPConnector(limit=AT_ONCE, force_close=True),
            trust_env=False,
        ) as session:
            due_s = 0.0
            while True:
                whole = time.monotonic() >= due_s
                if whole:
                    due_s = time.monotonic() + self._every_s
                self._new = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    for name in list(self._backends):
                        if whole or self.silent(name):
                            group.create_task(self._ask_all(session, name))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                        await self._new.wait()

    async def _ask_all(self, session: aiohttp.ClientSession, name: str) -> None:
        known = self._backends.get(name)
        if known is None:
            return
        in_flight = self._in_flight(name)
        async with asyncio.TaskGroup() as group:
            for server in known.servers.values():
                group.create_task(self._ask(session, known, server))
        if (now := self._backends.get(name)) is not None:
            now.in_flight = in_flight

    async def _ask(
        self, session: aiohttp.ClientSession, backend: _Backend, server: _Server
    ) -> None:
        try:
            async with self._slots:
                report = await _report(session, server.pod.address, backend)
        except (aiohttp.ClientError, TimeoutError, OSError, _NoAnswer) as error:
            reason = str(error) if isinstance(error, _NoAnswer) else type(error).__name__
            metrics.ENGINE_FAULTS.labels(reason).inc()
            return
        server.report, server.heard_s = report, time.monotonic()


async def _report(session: aiohttp.ClientSession, address: str, backend: _Backend) -> EngineReport:
    """One server's counts; raises _NoAnswer."""
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{backend.port}/metrics"
    async with session.get(url, allow_redirects=False) as response:
        if response.status != HTTPStatus.OK:
            raise _NoAnswer(f"Http{label_of(response.status)}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _NoAnswer("TooLarge")
    report = report_of(body.decode("utf-8", "replace"), backend.engine)
    if report is None:
        raise _NoAnswer("NoGauges")
    return report
