"""A bench that is killed takes everything with it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.bench import Bench
from tests.bench.cluster import ROOT
from tests.bench.pods import SLEEP, pod

pytestmark = pytest.mark.bench

CLIENT = "kubectl create -f {manifest} && kubectl wait pod/one --for=condition=Ready --timeout=120s"


def processes_of(directory: Path) -> set[int]:
    """The processes that name the bench's directory in their command line or environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in words:
                found.add(int(entry.name))
    return found


def wait_until(predicate: Callable[[], object], deadline_s: float, what: str) -> None:
    end = time.monotonic() + deadline_s
    while not predicate():
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.1)


def test_killed_bench_leaves_no_process(bench: Bench, tmp_path: Path) -> None:
    """SIGKILL to the process that holds a bench ends control plane, kubelet and containers.

    The second bench runs beside the session's own: networks and directories are apart.
    """
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(yaml.safe_dump(pod("one", SLEEP)))
    told = tmp_path / "kubeconfig"
    script = f"{CLIENT.format(manifest=manifest)} && echo $KUBECONFIG > {told}; read wait"
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.bench", "run", "sh", "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert holder.stdin
    try:
        wait_until(lambda: told.exists() and told.read_text(), 60, "a second bench with a pod")
        directory = Path(told.read_text().strip()).parent
        assert len(processes_of(directory)) >= 6
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdin.close()  # ends the script, which is not the bench's
    wait_until(lambda: not processes_of(directory), 20, f"no process of {directory}")
    shutil.rmtree(directory)
    assert bench.kubectl("get", "--raw", "/readyz") == "ok"
