"""Processes that are measured: on a core of their own, with the exact CPU time they took.

Guarantees that what was started ends with the block, or with this process however it ends. CPU time
is the kernel's CPU clock of a process, ended threads included: /proc/PID/stat is the same counter,
but rounds both of its halves down to 10 ms, a tenth of a short window's figure.
"""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_SCHED_CLOCK = 2
_IDLE_SHARE = 0.02
_LOOK_S = 0.1


def cores() -> tuple[str, str]:
    """For `taskset -c`: the measured core, and those of load and backend."""
    allowed = sorted(os.sched_getaffinity(0))
    return str(allowed[0]), ",".join(map(str, allowed[1:] or allowed))


Child = subprocess.Popen[str]


@contextmanager
def started(core: str, *command: str, **environment: str) -> Iterator[Child]:
    """A child on `core`; ended and waited for."""
    pinned = ["setpriv", "--pdeathsig", "TERM", "--", "taskset", "-c", core, *command]
    child = subprocess.Popen(
        pinned,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()


def line(child: Child, within_s: float = 30.0) -> str:
    """The next line of its output; RuntimeError if there is none in time."""
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], within_s)
    text = child.stdout.readline().strip() if ready else ""
    if not text:
        raise RuntimeError(f"{child.args!r} ended or said nothing within {within_s:g} s")
    return text


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds so far, of user and kernel (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | _SCHED_CLOCK) for pid in pids)


def core_busy_s(core: str) -> float:
    """Seconds that one core has worked, for whomever."""
    fields = re.search(rf"^cpu{core} (.+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    assert fields, f"/proc/stat has no cpu{core}"
    user, nice, system, _idle, _iowait, *rest = map(int, fields[1].split()[:8])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def until_idle(pids: Sequence[int], within_s: float = 10.0) -> bool:
    """Wait until they do nothing, as long as one looks; False if they never rest."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        before_s = cpu_s(pids)
        time.sleep(_LOOK_S)
        if cpu_s(pids) - before_s < _IDLE_SHARE * _LOOK_S:
            return True
    return False


def memory_kib(pid: int) -> tuple[int, int]:
    """Resident and proportional set size of one process, in KiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]), int(found["Pss"])


def in_own_session(run: Callable[[], int]) -> int:
    """
    Run in a session of its own, raised above the others if this is root; its exit status.

    The scheduler shares a core among sessions first (autogroup), so that a busy one elsewhere takes
    half of it whatever its niceness.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.setsid()
            _raise_session()
            status = run()
            sys.stdout.flush()
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
            raise
        finally:
            os._exit(status)

    def forward(number: int, frame: FrameType | None) -> None:
        os.kill(child, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _raise_session() -> None:
    try:
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        print("!! this session could not be raised: other work may take from both cores")
