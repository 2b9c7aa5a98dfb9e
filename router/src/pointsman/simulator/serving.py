"""Listens, waits for SIGTERM, drains, ends.

Guarantees that after SIGTERM new work gets 503 while running and waiting requests may end within
the drain time (real seconds, not scaled), and that no task or socket outlives `serve`.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pointsman.process.listening import listen
from pointsman.simulator.connection import Connection
from pointsman.simulator.model_server import ModelServer
from pointsman.simulator.settings import Settings

_POLL_S = 0.01
_CLOSE_DEADLINE_S = 1.0


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[tuple[ModelServer, int]]:
    """A server and the port it listens on; what still runs at the end is cut off."""
    loop = asyncio.get_running_loop()
    load_time_s = settings.load_time_s / settings.time_scale
    server = ModelServer(settings, ready_at_s=loop.time() + load_time_s if load_time_s else 0.0)
    listeners, port = await listen(
        lambda: Connection(server), settings.host, settings.port, tls=_tls(settings)
    )
    try:
        yield server, port
    finally:
        for listener in listeners:
            listener.close()
        await _close(server)


async def drain(server: ModelServer, drain_s: float) -> None:
    """Refuse new work and wait until all that runs has ended, at most `drain_s` seconds."""
    server.draining = True
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + drain_s
    while loop.time() < deadline_s:
        if all(connection.is_idle for connection in server.connections):
            return
        await asyncio.sleep(_POLL_S)


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends the drain at once."""
    loop = asyncio.get_running_loop()
    asked, asked_again = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (asked_again if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with listening(settings) as (server, port):
        scheme = "http" if settings.tls_cert is None else "https"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        announce(f"listening on {scheme}://{host}:{port}")
        await asked.wait()
        draining = loop.create_task(drain(server, settings.drain_s))
        again = loop.create_task(asked_again.wait())
        await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, again):
            task.cancel()
        await asyncio.gather(draining, again, return_exceptions=True)


async def _close(server: ModelServer) -> None:
    """Send what is written, close every connection, and wait until they are closed."""
    tasks = [c.task for c in server.connections if c.task is not None]
    for task in tasks:
        task.cancel()
    for connection in list(server.connections):
        connection.end()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + _CLOSE_DEADLINE_S
    # A closed transport tells its connection, not this function, so this asks.
    while server.connections and loop.time() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    for connection in list(server.connections):
        connection.abort()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
