"""One node: containerd, kubelet and kube-proxy in process and mount namespaces of its own.

Guarantees: close() leaves no process, mount, cgroup or file; if we are killed, the kernel ends the
same processes and mounts with process 1 of the namespaces, and only empty cgroups and files stay.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.control_plane import BenchBroken, Processes
from tests.pods import settings
from tests.pods.settings import CGROUP, Plan

ROOT: Final = Path(__file__).parents[2]
CGROUPS: Final = Path("/sys/fs/cgroup")


class Node:
    """Of one Bench; starts in the calling thread's network namespace."""

    def __init__(self, plan: Plan, binary: Path, processes: Processes, logs: Path) -> None:
        self.plan = plan
        self._binary = binary
        self._processes = processes
        self._logs = logs

    @property
    def _part(self) -> str:
        return f"kubelet-{self.plan.name}"

    def start(self) -> None:
        """Write the settings, make the cgroup, start; returns before anything is ready."""
        settings.write(self.plan)
        for hierarchy in hierarchies():
            make_cgroup(hierarchy, self.plan.cgroup)
        commands = settings.commands(self.plan, self._binary)
        (self._logs / self.plan.name).mkdir(exist_ok=True)
        told = {
            "folder": str(self.plan.folder),
            "logs": str(self._logs / self.plan.name),
            "commands": commands,
        }
        file = self.plan.folder / "inside.json"
        file.write_text(json.dumps(told))
        command = [
            "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
            "--propagation", "private",
            sys.executable, "-m", "tests.pods.inside", str(file),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT), "GOGC": "200"}
        self._processes.start(self._part, command, env=environment)

    def check(self) -> None:
        """Raise if it has ended."""
        try:
            self._processes.check(self._part)
        except BenchBroken as error:
            raise BenchBroken(f"{error}\n{self.tails()}") from None

    def tails(self) -> str:
        """The last lines of every part's log."""
        told = []
        for log in sorted((self._logs / self.plan.name).glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-8:]
            told.append("\n".join([f"{log.name}:", *lines]))
        return "\n".join(told)

    def run_ctr(self, *arguments: str, timeout_s: float = 180) -> str:
        """ctr in the namespace of Kubernetes' images; its standard output."""
        command = ["ctr", "--address", str(self.plan.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        if done.returncode:
            raise BenchBroken(f"ctr {' '.join(arguments)}: {done.stderr.strip()}\n{self.tails()}")
        return done.stdout

    def processes(self) -> list[int]:
        """Process ids of everything of the node, containers too, as this process sees them."""
        listed = subprocess.run(
            ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
        )
        lines = [line.split() for line in listed.stdout.splitlines()]
        parents = {int(pid): int(parent) for pid, parent in lines}
        found = {self._processes.pid(self._part)}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def part_pid(self, part: str) -> int:
        """The process id of containerd, kubelet or kube-proxy now; 0 while it is away."""
        wanted = settings.commands(self.plan, self._binary)[part]
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1] == wanted:
                    return pid
        return 0

    def run_inside(self, task: str, *command: str) -> str:
        """What a command prints in a running container, by containerd alone."""
        top = self._processes.pid(self._part)
        first = Path(f"/proc/{top}/task/{top}/children").read_text().split()[0]
        ctr = ["ctr", "--address", str(self.plan.socket), "--namespace", "k8s.io"]
        done = subprocess.run(
            ["nsenter", "-t", first, "-m", "-p", "--", *ctr, "tasks", "exec", "--exec-id", "look",
             task, *command],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise BenchBroken(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout

    def memory_limits(self) -> set[int]:
        """Bytes, of all containers' cgroups that have one."""
        found = set()
        for hierarchy in hierarchies():
            top = hierarchy / self.plan.cgroup.strip("/")
            for file in (*top.rglob("memory.limit_in_bytes"), *top.rglob("memory.max")):
                if (text := file.read_text().strip()).isdigit():
                    found.add(int(text))
        return found

    def wait_for_containerd(self, deadline_s: float = 60) -> None:
        """Until it answers."""
        end_s = time.monotonic() + deadline_s
        while True:
            self.check()
            with contextlib.suppress(BenchBroken, subprocess.TimeoutExpired):
                self.run_ctr("version", timeout_s=10)
                return
            if time.monotonic() > end_s:
                raise BenchBroken(f"containerd not ready in {deadline_s:g} s\n{self.tails()}")
            time.sleep(0.2)

    def close(self) -> None:
        """End it all, then remove what the kernel keeps: cgroups, files."""
        self._processes.stop(self._part, kill=True)
        for hierarchy in hierarchies():
            remove_cgroup(hierarchy, self.plan.cgroup)
        shutil.rmtree(self.plan.folder, ignore_errors=True)


def hierarchies() -> list[Path]:
    """Mount points of cgroups: one of version 2, or one for each controller of version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return sorted(
        {path.resolve() for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists()}
    )


def make_cgroup(hierarchy: Path, name: str) -> None:
    """An empty cgroup below the root; cpuset's does nothing before it has CPUs and memory nodes."""
    made = hierarchy / name.strip("/")
    made.mkdir(exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if hierarchy.name == "cpuset":
            (made / setting).write_text((hierarchy / setting).read_text())


def remove_cgroup(hierarchy: Path, name: str, deadline_s: float = 30) -> None:
    """It and all below it; waits for processes that are still ending."""
    top = hierarchy / name.strip("/")
    end_s = time.monotonic() + deadline_s
    while top.exists():
        for folder in _deepest_first(top):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > end_s:
            raise BenchBroken(f"cgroup {top} is not empty after {deadline_s:g} s")
        if top.exists():
            time.sleep(0.1)


def sweep() -> None:
    """Remove the empty cgroups of runs that were killed: those whose owner is no more."""
    for hierarchy in hierarchies():
        for left in hierarchy.glob(f"{CGROUP}.*"):
            if not Path(f"/proc/{left.name.split('.')[1]}").exists():
                remove_cgroup(hierarchy, left.name)


def _deepest_first(top: Path) -> Iterator[Path]:
    for folder in sorted(top.iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            yield from _deepest_first(folder)
    yield top
