"""`pointsman` as a user types it: real processes, what they said, and what they left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

DEADLINE_S = 120.0
"""Two loaded cores need long for a start; nobody waits for it otherwise."""


class Up:
    """A running `pointsman up` or `demo` and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

    def read(self) -> None:
        """Take what it has said."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.lines.append(line.rstrip())

    def wait_for(self, text: str, times: int = 1) -> str:
        """The so manieth line with the text; fails with everything said after the deadline."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            self.read()
            found = [line for line in self.lines if text in line]
            if len(found) >= times:
                return found[times - 1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"never said {text!r}:\n" + "\n".join(self.lines))

    @property
    def url(self) -> str:
        return self.wait_for("listening on ").split()[2]


def up(*arguments: str) -> AbstractContextManager[Up]:
    """`pointsman up`."""
    return started("up", *arguments)


@contextmanager
def started(*arguments: str) -> Iterator[Up]:
    """Ended with SIGTERM, and with SIGKILL if that does not end it."""
    process = subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Up(process)
    try:
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)
        assert process.stdout is not None
        process.stdout.close()


def command(*arguments: str) -> list[str]:
    """The words of a process."""
    return [sys.executable, "-m", "pointsman.cli", *arguments]


def environment() -> dict[str, str]:
    """Output is buffered, as users have it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def model_servers(pid: int) -> list[int]:
    """Of local mode's children, all but its ledger; one that nobody has waited for yet is gone."""
    return [
        child
        for child in children(pid)
        if (command := Path(f"/proc/{child}/cmdline").read_bytes())
        and b"pointsman.ledger" not in command
    ]


def wait_until_gone(pids: list[int]) -> None:
    """Until none of these processes exists; one that nobody has waited for yet is gone too."""
    end = time.monotonic() + DEADLINE_S
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < end, alive
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
