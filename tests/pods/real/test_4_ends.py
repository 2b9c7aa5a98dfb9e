"""Nothing of a cluster outlives it: not after its end, not after the end of whoever ran it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pods.node import hierarchies, sweep
from tests.pods.settings import CGROUP

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]
RUN = """
import signal, sys
from tests.pods.alone import standing
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with standing() as alone:
    alone.until_parts_run()
    print(alone.folder, *alone.node.processes(), flush=True)
    signal.pause()
"""


def cgroups(owner: int) -> list[Path]:
    """Of one run, in every hierarchy."""
    return [
        found
        for each in hierarchies()
        for found in each.glob(f"{CGROUP}.{owner}.*")
        if found.exists()
    ]


def until(so: Callable[[], bool], what: str) -> None:
    """At most a minute."""
    end_s = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end_s, what
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(number: signal.Signals) -> None:
    """No process, mount or cgroup; of a run that was killed the next one removes empty cgroups."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    try:
        assert run.stdout is not None
        folder, *inside = run.stdout.readline().split()
        assert len(inside) >= 4  # unshare, process 1, containerd, kubelet
        assert cgroups(run.pid)
        run.send_signal(number)
        run.wait(timeout=90)
    finally:
        run.kill()
        run.wait()
        if run.stdout:
            run.stdout.close()

    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside), "processes are left")
    assert folder not in Path("/proc/self/mountinfo").read_text()
    if number == signal.SIGKILL:
        sweep()
        subprocess.run(["rm", "-rf", folder], check=True)
    assert cgroups(run.pid) == []
    assert not Path(folder).exists()
