"""One container of a pod: a process, its probes, its restarts.

waiting(ContainerCreating) -> running -> terminated -> waiting(CrashLoopBackOff) -> running ...
Guarantees: never needs the API server once its environment was read; stop() returns only when
the process and its process group are gone. Every change of state calls `changed`.
"""

import asyncio
import contextlib
import datetime as dt
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.kubelet.environment import Unresolvable, command_line
from tests.bench.kubelet.probes import act, watch_probe

Json = dict[str, Any]
BACKOFF_S = (1.0, 2.0, 3.0)
STEADY_S = 60.0
"""A container that ran this long starts its back-off anew."""
LAUNCH = Path(__file__).with_name("launch.py")
SOFTWARE = tuple(
    dict.fromkeys(
        str(Path(path).resolve()) for path in (LAUNCH.parents[3], sys.prefix, sys.base_prefix)
    )
)
"""What takes an image's place: the checkout, its virtual environment, and the Python below it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod's containers run."""

    network: int
    address: str
    hostname: str
    log: Path
    scratch: Path
    mounts: Callable[[Json], list[Json]]
    environment: Callable[[Json], Awaitable[dict[str, str]]]


class CannotStart(Exception):
    """The container waits; `reason` is what `kubectl get pods` shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def with_software(mounts: list[Json]) -> list[Json]:
    """The volumes, and over them what they would hide: a checkout may stand in /tmp."""
    back: list[Json] = []
    for path in SOFTWARE:
        for mount in mounts:
            target = mount["target"].rstrip("/")
            if path.startswith(f"{target}/"):
                (Path(mount["source"]) / path[len(target) + 1 :]).mkdir(parents=True, exist_ok=True)
                back.append({"source": path, "target": path, "read_only": False})
                break
    return [*mounts, *back]


@dataclass(slots=True)
class Container:
    """Runs `spec` until stop(); `restart` decides from an exit code whether to go on."""

    spec: Json
    place: Place
    restart: Callable[[int], bool]
    changed: Callable[[], None]
    grace_s: float = 30
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Json = field(default_factory=dict)
    restart_count: int = 0
    ready: bool = False
    started: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int | None = None
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _steps: int = 0
    _kills: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """The whole life; returns when the container will not run again."""
        while not self._stopping.is_set():
            try:
                process = await self._launch()
            except CannotStart as error:
                self._wait_state(error.reason, str(error))
                await self._pause(2)
                continue
            began = time.monotonic()
            code = await self._live(process)
            self._ended(code)
            if self._stopping.is_set() or not self.restart(code):
                break
            if time.monotonic() - began > STEADY_S:
                self._steps = 0
            delay_s = BACKOFF_S[min(self._steps, len(BACKOFF_S) - 1)]
            self._steps += 1
            self.last_state = self.state
            self._wait_state(
                "CrashLoopBackOff", f"back-off {delay_s:.0f}s restarting failed container"
            )
            await self._pause(delay_s)
            self.restart_count += 1
        self._finish()

    async def stop(self, grace_s: float) -> None:
        """End it for good: preStop, SIGTERM, the rest of the grace period, SIGKILL."""
        self._stopping.set()
        if self._process:
            await self._end_process(self._process, grace_s)
        await self.done.wait()

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError when nothing runs."""
        if self._process is None:
            raise ProcessLookupError(f"container {self.name} is not running")
        self._process.send_signal(number)

    async def execute(self, command: Sequence[str]) -> int:
        """Run a command in the container's namespaces; its exit status."""
        if self._process is None:
            return 1
        inside = ["nsenter", "-t", str(self._process.pid), "-m", "-n", "-u", "-r", "-w", "--"]
        environ = await self.place.environment(self.spec)
        with self.place.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *inside,
                *command,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()

    async def _launch(self) -> asyncio.subprocess.Process:
        """Start the process; returns when it executes the container's own command."""
        try:
            environ = await self.place.environment(self.spec)
        except Unresolvable as error:
            raise CannotStart("CreateContainerConfigError", str(error)) from error
        argv = runnable(self.spec, environ)
        report, writer = os.pipe()
        try:
            launch = json.dumps(self._launch_spec(argv, writer))
            with self.place.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(LAUNCH), launch),
                    env=environ,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[self.place.network, writer],
                    start_new_session=True,
                )
            os.close(writer)
            writer = -1
            failure = await asyncio.to_thread(os.read, report, 4096)
        finally:
            os.close(report)
            if writer >= 0:
                os.close(writer)
        if failure:
            await process.wait()
            raise CannotStart("RunContainerError", failure.decode(errors="replace"))
        self._process = process
        self.state = {"running": {"startedAt": timestamp()}}
        self.started = "startupProbe" not in self.spec
        self.ready = self.started and "readinessProbe" not in self.spec
        self.changed()
        if self._stopping.is_set():
            process.kill()
        return process

    def _launch_spec(self, argv: Sequence[str], report: int) -> Json:
        options = self.spec.get("securityContext") or {}
        return {
            "argv": argv,
            "parent": os.getpid(),
            "report": report,
            "network": self.place.network,
            "hostname": self.place.hostname,
            "mounts": with_software(self.place.mounts(self.spec)),
            "scratch": str(self.place.scratch),
            "read_only_root": bool(options.get("readOnlyRootFilesystem")),
            "cwd": self.spec.get("workingDir") or "/",
        }

    async def _live(self, process: asyncio.subprocess.Process) -> int:
        tasks = [asyncio.create_task(self._probes())]
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            tasks.append(asyncio.create_task(self._hook(hook)))
        try:
            code = await process.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return code if code >= 0 else 128 - code

    async def _probes(self) -> None:
        if startup := self.spec.get("startupProbe"):
            passed = asyncio.Event()

            def on_startup(ok: bool, message: str) -> None:
                if ok:
                    passed.set()
                else:
                    self._unhealthy("startup", message)

            watch = asyncio.create_task(self._watch(startup, on_startup))
            try:
                await passed.wait()
            finally:
                watch.cancel()
            self.started = True
            self.ready = "readinessProbe" not in self.spec
            self.changed()
        async with asyncio.TaskGroup() as group:
            if readiness := self.spec.get("readinessProbe"):
                group.create_task(self._watch(readiness, self._on_readiness))
            if liveness := self.spec.get("livenessProbe"):
                group.create_task(self._watch(liveness, self._on_liveness))

    async def _watch(self, probe: Json, on_change: Callable[[bool, str], None]) -> None:
        await watch_probe(probe, self.spec, self.place.address, self.execute, on_change)

    def _on_readiness(self, ok: bool, message: str) -> None:
        if ok != self.ready:
            _log.info("%s: ready=%s %s", self.name, ok, message)
            self.ready = ok
            self.changed()

    def _on_liveness(self, ok: bool, message: str) -> None:
        if not ok:
            self._unhealthy("liveness", message)

    def _unhealthy(self, kind: str, message: str) -> None:
        _log.info("%s: %s probe failed, restarting: %s", self.name, kind, message)
        if self._process:
            # A task of its own: the probes are cancelled as soon as the process ends.
            kill = asyncio.create_task(self._end_process(self._process, self.grace_s))
            self._kills.add(kill)
            kill.add_done_callback(self._kills.discard)

    async def _end_process(self, process: asyncio.subprocess.Process, grace_s: float) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(grace_s):
                if hook:
                    await self._hook(hook)
                process.terminate()
                await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _hook(self, hook: Json) -> None:
        if failure := await act(hook, self.spec, self.place.address, self.execute):
            _log.info("%s: hook failed: %s", self.name, failure)

    def _wait_state(self, reason: str, message: str) -> None:
        self.state = {"waiting": {"reason": reason, "message": message}}
        self.changed()

    def _ended(self, code: int) -> None:
        began = self.state.get("running", {}).get("startedAt", timestamp())
        reason = "Completed" if code == 0 else "Error"
        end: Json = {
            "exitCode": code,
            "reason": reason,
            "startedAt": began,
            "finishedAt": timestamp(),
        }
        self._process, self.ready, self.started, self.exit_code = None, False, False, code
        self.state = {"terminated": end}
        self.changed()

    def _finish(self) -> None:
        if "waiting" in self.state:
            self.state = self.last_state or {
                "terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}
            }
        self.done.set()
        self.changed()

    async def _pause(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()


def runnable(spec: Json, environ: Mapping[str, str]) -> Sequence[str]:
    """The argv, or CannotStart with the reason a kubelet would give."""
    argv = command_line(spec, environ)
    ours = spec["image"].startswith("pointsman")
    found = bool(argv) and shutil.which(argv[0], path=environ["PATH"]) is not None
    if found:
        return argv
    if not ours:
        raise CannotStart(
            "ImagePullBackOff",
            f'Back-off pulling image "{spec["image"]}": the bench has no registry, and no '
            f"command of this name: {argv[0] if argv else '(none given)'}",
        )
    if not argv:
        raise CannotStart("CreateContainerError", "no command specified")
    raise CannotStart("RunContainerError", f'exec: "{argv[0]}": executable file not found in $PATH')


def timestamp() -> str:
    """Now, as the API writes times."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
