"""Runs the wanted model servers as local processes and keeps them running.

| state    | what is so                         | left by                             |
|----------|------------------------------------|-------------------------------------|
| Starting | runs, does not answer yet          | a health answer, or its end         |
| Ready    | answers                            | its end, or being unwanted          |
| Waiting  | ended by itself; back-off 0.5→10 s | its end, or being unwanted          |
| leaving  | unwanted: no longer in `running`   | nobody is with it, then SIGTERM     |

The back-off begins anew once a process has been Ready for STABLE_S.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pointsman.api.table import Endpoint
from pointsman.local.output import Output
from pointsman.operator.plan.draining import DRAIN_S

BACKOFF_FIRST_S = 0.5
BACKOFF_LAST_S = 10.0
STABLE_S = 30.0
SLOW_S = 10.0
"""A start that takes longer is told; large models load for minutes, so it is no failure."""
STOP_GRACE_S = 5.0
LAST_OUTPUT_S = 1.0
POLL_S = 0.05
MISUSED = frozenset({2, 126, 127})
"""Exit statuses: arguments that are not taken (getopt, argparse), and what a shell cannot
run."""
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
    output: Output
    state: Literal["Starting", "Ready", "Waiting"] = "Starting"
    endpoint: Endpoint | None = None
    failure: str = ""
    failures: int = 0
    port: int = 0
    slow: bool = False
    """It runs, but has not answered for SLOW_S."""
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    reading: asyncio.Task[None] | None = field(default=None, repr=False)
    before: "Running | None" = None
    """Whose place it takes: that one answers until this one does, or has failed."""
    misused: bool = False
    """It failed by its command line: nothing that another one leaves would help."""

    @property
    def serving(self) -> Endpoint | None:
        """Where its requests go now."""
        if self.endpoint is not None or self.before is None:
            return self.endpoint
        return self.before.endpoint


def back_off_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubled each time, within bounds."""
    return min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 8))


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
    endpoint appears or goes, or a process ends by itself, and has to lead to the next `apply`.
    `busy`: how many requests are at an endpoint.
    """

    def __init__(
        self,
        directory: Path,
        changed: Callable[[], None],
        *,
        busy: Callable[[Endpoint], int] = lambda _: 0,
        slow_s: float = SLOW_S,
    ) -> None:
        self._directory = directory
        self._slow_s = slow_s
        self._changed = changed
        self._busy = busy
        self._fixed: dict[int, str] = {}
        """Port that a process says itself -> key of the one process that may have it."""
        self.running: dict[str, Running] = {}
        self._leaving: dict[asyncio.Task[None], int | None] = {}
        """Those that are unwanted, with the port that they say themselves."""
        self._ending: list[asyncio.subprocess.Process] = []
        """Asked to end, and not gone yet."""
        self._closing = self._hurried = False

    def apply(self, wanted: Mapping[str, Wanted]) -> None:
        """
        Start what is missing or different, and let go of what is unwanted.

        What is different answers until its successor does. Who is let go is asked to end in a later
        turn of the loop: in this one the caller can send its requests elsewhere.
        """
        for key in self.running.keys() - wanted.keys():
            self._leave(key, self.running.pop(key))
        for key, want in wanted.items():
            run = self.running.get(key)
            if run is None or run.wanted != want:
                self._start(key, want, run)
            elif run.endpoint is not None or (run.failures and not run.misused):
                # After a failure too: both may want what is there once, such as a GPU.
                self._release(key, run)

    async def close(self) -> None:
        """Stop everything; SIGTERM, then SIGKILL after STOP_GRACE_S."""
        self._closing = True
        self.apply({})
        await asyncio.gather(*self._leaving)

    def hurry(self) -> None:
        """Wait for no process's own end any more: SIGKILL at once, now and in `close`."""
        self._hurried = True
        for process in self._ending:
            _signal(process, signal.SIGKILL)

    def _start(self, key: str, want: Wanted, old: Running | None) -> None:
        """Beside `old`, as far as that answers and they do not want the same port."""
        run = Running(want, Output(self._directory / f"{key.replace('/', '-')}.log"))
        if old is not None:
            if old.endpoint is None:
                run.before, old.before = old.before, None
                self._leave(key, old)
            else:
                self._release(key, old)
                run.before = old
            if run.before is not None and want.port and want.port == run.before.wanted.port:
                self._release(key, run)
        run.task = asyncio.create_task(self._keep(key, run), name=f"process {key}")
        self.running[key] = run

    def _release(self, key: str, run: Running) -> None:
        """Let go of the one whose place it takes."""
        if run.before is not None:
            self._leave(key, run.before)
            run.before = None

    def _leave(self, key: str, run: Running) -> None:
        self._release(key, run)
        port = run.wanted.port
        if port is not None and self._fixed.get(port) == key:
            del self._fixed[port]
        task = asyncio.create_task(self._end(run), name=f"process {key} leaving")
        self._leaving[task] = port
        task.add_done_callback(self._leaving.pop)

    async def _keep(self, key: str, run: Running) -> None:
        while True:
            run.state, run.misused = "Starting", False
            run.port = run.wanted.port or free_port()
            argv = [part.replace("{port}", str(run.port)) for part in run.wanted.argv]
            try:
                await self._claim(key, run.wanted.port)
                await self._run_once(key, run, argv, Endpoint(host="127.0.0.1", port=run.port))
            except (OSError, ValueError) as error:  # ValueError: NUL, or `=` in a variable's name
                reason = getattr(error, "strerror", None) or str(error)
                run.failure, run.misused = f"cannot start {argv[0]!r}: {reason}", True
            run.endpoint, run.state, run.slow = None, "Waiting", False
            run.failures += 1
            self._changed()
            await asyncio.sleep(back_off_s(run.failures))

    async def _claim(self, key: str, port: int | None) -> None:
        """
        A port that is fixed must be free: else the health check would greet a stranger.

        Waits for who had it and leaves. Raises OSError if another process of this fleet has it, or
        anybody answers there.
        """
        if port is None:
            return
        owner = self._fixed.setdefault(port, key)
        if owner != key:
            raise OSError(errno.EADDRINUSE, f"port {port} belongs to {owner}")
        if leaving := [task for task, theirs in self._leaving.items() if theirs == port]:
            await asyncio.wait(leaving)
        if await _healthy(Endpoint(host="127.0.0.1", port=port), None):
            raise OSError(errno.EADDRINUSE, f"port {port} is in use")

    async def _run_once(self, key: str, run: Running, argv: list[str], endpoint: Endpoint) -> None:
        spawning = asyncio.create_task(_spawn(run, argv), name=f"process {key} start")
        try:
            run.process = await asyncio.shield(spawning)
        except asyncio.CancelledError:  # unwanted in the very moment: _stop needs to know it
            with contextlib.suppress(OSError, ValueError):
                run.process = await spawning
            raise
        ended = asyncio.create_task(run.process.wait(), name=f"process {key} end")
        try:
            if await self._answers(run, ended, endpoint):
                run.state, run.endpoint, run.failure, run.slow = "Ready", endpoint, "", False
                self._changed()
                done, _ = await asyncio.wait({ended}, timeout=STABLE_S)
                if not done:
                    run.failures = 0
            code = await asyncio.shield(ended)
            _end_group(run)
            await _end_reading(run)
            said = run.output.last_words()
            run.failure = f"ended with {_status(code)}{f': {said}' if said else ''}"
            run.misused = run.endpoint is None and code in MISUSED
        finally:
            if not ended.done():
                ended.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ended

    async def _answers(self, run: Running, ended: "asyncio.Task[int]", endpoint: Endpoint) -> bool:
        """True when it answers, False when it has ended."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while not ended.done():
            if await _healthy(endpoint, run.wanted.health):
                return not ended.done()
            if not run.slow and clock() - began > self._slow_s:
                run.slow = True
                self._changed()
            await asyncio.wait({ended}, timeout=POLL_S)
        return False

    async def _end(self, run: Running) -> None:
        """SIGTERM once nobody is with it, SIGKILL after STOP_GRACE_S."""
        if run.task is not None:
            run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run.task
        process = run.process
        if process is not None:
            if process.returncode is None:
                await self._drain(run, process)
                _signal(process, signal.SIGTERM)
                self._ending.append(process)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0 if self._hurried else STOP_GRACE_S)
                self._ending.remove(process)
            _end_group(run)
            await process.wait()
        await _end_reading(run)

    async def _drain(self, run: Running, process: asyncio.subprocess.Process) -> None:
        """Until nobody is with it, the session ends, its port is wanted, or DRAIN_S are over."""
        endpoint, clock = run.endpoint, asyncio.get_running_loop().time
        end = clock() + DRAIN_S
        while endpoint is not None and self._busy(endpoint) and clock() < end:
            if self._closing or run.wanted.port in self._fixed or process.returncode is not None:
                return
            await asyncio.sleep(POLL_S)


async def _spawn(run: Running, argv: list[str]) -> asyncio.subprocess.Process:
    """A process in a session of its own whose output is followed; raises OSError, ValueError."""
    readable, writable = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writable,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **dict(run.wanted.env)},
            preexec_fn=_die_with_parent,
            start_new_session=True,
        )
    except BaseException:
        os.close(readable)
        raise
    finally:
        os.close(writable)
    run.output.begin()
    run.reading = asyncio.create_task(run.output.follow(readable), name="output")
    return process


def _end_group(run: Running) -> None:
    """What it started itself goes with it; once only, for the number may be given again."""
    if run.process is not None:
        _signal(run.process, signal.SIGKILL)
    run.process = None


async def _end_reading(run: Running) -> None:
    """When nobody writes any more; what left the process's session may hold the pipe for ever."""
    if run.reading is not None:
        await asyncio.wait({run.reading}, timeout=LAST_OUTPUT_S)
        run.reading.cancel()
        await asyncio.wait({run.reading})  # not `await run.reading`: our own end would be lost
        run.reading = None


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """To it and all that it started: each has a session, and so a process group, of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _status(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


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
