"""Runs the wanted model servers as local processes and keeps them running.

| state    | what is so                      | left by                                |
|----------|---------------------------------|----------------------------------------|
| Starting | runs, does not answer yet       | a health answer, or its end            |
| Ready    | answers                         | its end, or being unwanted             |
| Waiting  | ended by itself; backoff 0.5→10 s | the backoff's end, or being unwanted |
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pointsman.api.table import Endpoint

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.5
BACKOFF_LAST_S = 10.0
STOP_GRACE_S = 5.0
POLL_S = 0.05
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One process; `argv` may hold `{port}`. `health` is an HTTP path, or None for a TCP check."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    port: int | None = None
    """None: a free port is chosen at every start."""
    health: str | None = "/health"


@dataclass(slots=True)
class Running:
    """One process as it is now."""

    wanted: Wanted
    log_path: Path
    state: Literal["Starting", "Ready", "Waiting"] = "Starting"
    endpoint: Endpoint | None = None
    failure: str = ""
    failures: int = 0
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """In the child, before exec: end when local mode ends, however it ends (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """
    The processes of one local fleet, by key such as `qwen-light/0`.

    `apply` may be called at any time with all that is wanted; `changed` is called whenever an
    endpoint appears or goes, or a process ends by itself.
    """

    def __init__(self, directory: Path, changed: Callable[[], None]) -> None:
        self._directory = directory
        self._changed = changed
        self._fixed: dict[int, str] = {}
        """Port that a process says itself -> key of the one process that may have it."""
        self.running: dict[str, Running] = {}

    async def apply(self, wanted: Mapping[str, Wanted]) -> None:
        """Stop what is unwanted or different, start what is missing; a change is a restart."""
        gone = [key for key, run in self.running.items() if wanted.get(key) != run.wanted]
        await asyncio.gather(*(self._stop(self.running.pop(key)) for key in gone))
        self._fixed = {port: key for port, key in self._fixed.items() if key not in gone}
        for key, want in wanted.items():
            if key not in self.running:
                run = Running(want, self._directory / f"{key.replace('/', '-')}.log")
                run.task = asyncio.create_task(self._keep(key, run), name=f"process {key}")
                self.running[key] = run

    async def close(self) -> None:
        """Stop everything; SIGTERM, then SIGKILL after STOP_GRACE_S."""
        await self.apply({})

    async def _keep(self, key: str, run: Running) -> None:
        while True:
            run.state = "Starting"
            port = run.wanted.port or free_port()
            argv = [part.replace("{port}", str(port)) for part in run.wanted.argv]
            try:
                await self._claim(key, run.wanted.port)
                await self._run_once(key, run, argv, Endpoint(host="127.0.0.1", port=port))
            except (OSError, ValueError) as error:  # ValueError: NUL, or `=` in a variable's name
                reason = getattr(error, "strerror", None) or str(error)
                run.failure = f"cannot start {argv[0]!r}: {reason}"
            run.endpoint, run.state = None, "Waiting"
            run.failures += 1
            self._changed()
            log.warning("process.ended key=%s failure=%s", key, run.failure)
            await asyncio.sleep(
                min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2 ** min(run.failures - 1, 8))
            )

    async def _claim(self, key: str, port: int | None) -> None:
        """
        A port that is fixed must be free: else the health check would greet a stranger.

        Raises OSError if another process of this fleet has it, or anybody answers there.
        """
        if port is None:
            return
        owner = self._fixed.setdefault(port, key)
        if owner != key:
            raise OSError(errno.EADDRINUSE, f"port {port} belongs to {owner}")
        if await _healthy(Endpoint(host="127.0.0.1", port=port), None):
            raise OSError(errno.EADDRINUSE, f"port {port} is in use")

    async def _run_once(self, key: str, run: Running, argv: list[str], endpoint: Endpoint) -> None:
        with run.log_path.open("wb") as sink:
            run.process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **dict(run.wanted.env)},
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        ended = asyncio.create_task(run.process.wait(), name=f"process {key} end")
        try:
            while not ended.done() and not await _healthy(endpoint, run.wanted.health):
                await asyncio.wait({ended}, timeout=POLL_S)
            if not ended.done():
                run.state, run.endpoint, run.failure, run.failures = "Ready", endpoint, "", 0
                self._changed()
            code = await asyncio.shield(ended)
            run.failure = f"ended with {_status(code)}{_last_line(run.log_path)}"
            _signal(run.process, signal.SIGKILL)  # what it started itself goes with it
        finally:
            if not ended.done():
                ended.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ended

    async def _stop(self, run: Running) -> None:
        process = run.process
        if run.task is not None:
            run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run.task
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_GRACE_S)
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """To it and all that it started: each has a session, and so a process group, of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _status(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_line(path: Path) -> str:
    """What the process said last, as `: text`; empty when it said nothing."""
    with path.open("rb") as log_file:
        log_file.seek(max(0, path.stat().st_size - 4096))
        lines = [line for line in log_file.read().decode(errors="replace").splitlines() if line]
    return f": {lines[-1].strip()[:300]}" if lines else ""


async def _healthy(endpoint: Endpoint, health: str | None) -> bool:
    """Whether it answers 200 to a GET within a second; without a path, whether it accepts."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            try:
                if health is None:
                    return True
                writer.write(
                    f"GET {health} HTTP/1.1\r\nhost: {endpoint.host}\r\n"
                    "connection: close\r\n\r\n".encode()
                )
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
