"""Process 1 of a node's own process and mount namespaces: `python -m tests.pods.inside FILE`.

Guarantees: everything the node mounts or starts ends with this process, since it is process 1 of
its namespaces; a part that ends is started again after a second, as systemd would. FILE is JSON:
{"folder": ..., "logs": ..., "commands": {name: [argument, ...]}}.
Refuses to touch the machine's own sysctls: those a kubelet writes are files of the node's.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

OWN: Final = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log", "/run/netns")
"""Folders of the machine's that parts of a node write to whatever they are told."""
TUNABLES: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""What a kubelet sets for the whole machine (setupKernelTunables, k8s.io/kubernetes v1.37)."""


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def prepare(folder: Path) -> None:
    """The node's view of the file system: its own state, shared only with its own containers."""
    for path in OWN:
        Path(path).mkdir(parents=True, exist_ok=True)
        mine = folder / "own" / path.strip("/").replace("/", "-")
        mine.mkdir(parents=True, exist_ok=True)
        mount("--bind", str(mine), path)
    for name in TUNABLES:
        real, fake = Path("/proc/sys") / name, folder / "sysctl" / name
        fake.parent.mkdir(parents=True, exist_ok=True)
        fake.write_text(real.read_text())
        mount("--bind", str(fake), str(real))
    mount("--make-rshared", "/")


def serve(commands: dict[str, list[str]], logs: Path) -> None:
    """Keep every part running, until SIGTERM or the end of whoever started us."""
    running: dict[int, str] = {}
    due = dict.fromkeys(commands, 0.0)

    def end(_number: int, _frame: FrameType | None) -> None:
        os._exit(0)  # The kernel ends everything in the process namespace.

    signal.signal(signal.SIGTERM, end)
    while True:
        for name, when in list(due.items()):
            if when <= time.monotonic():
                del due[name]
                with (logs / f"{name}.log").open("ab") as log:
                    child = subprocess.Popen(
                        commands[name],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                running[child.pid] = name
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pid = 0
        if pid in running:
            due[running.pop(pid)] = time.monotonic() + 1
        elif pid == 0:
            time.sleep(0.1)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    prepare(Path(plan["folder"]))
    serve(plan["commands"], Path(plan["logs"]))


if __name__ == "__main__":
    main()
