"""Walks through a page as a newcomer: each block in its order, in one shell, in a copy of the tree.

What a command exports is there for the next one. The port 8080 becomes a free one, so that several
walks and a user's own router do not meet.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pointsman.local.processes import free_port
from tests.docs.snippets import ROOT, Snippet, answers, snippets

DEADLINE_S: Final = 300.0
COPIED: Final = ("charts", "crds/examples", "crds/invalid", "docs/litellm")


class Astray(Exception):
    """A block does not do what its page says."""


class Walk:
    """One page's shell; `before` may add to the environment before each block."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._state = folder / ".exported"
        self._port = str(free_port())
        self._running: list[subprocess.Popen[str]] = []

    def take(self, snippet: Snippet) -> None:
        """Run one block; raises Astray."""
        if snippet.how == "local background":
            self._start(snippet)
            return
        for command, shown in snippet.commands():
            done = self._run(self._local(snippet, command))
            if done.returncode != 0:
                raise Astray(f"{snippet}: ended with {done.returncode}: {command}\n{done.stdout}")
            if shown is not None and not answers(self._local(snippet, shown), done.stdout):
                raise Astray(f"{snippet}: {command}\nshown:\n{shown}\nsaid:\n{done.stdout}")

    def export(self, name: str, value: str) -> None:
        """As if an earlier block had exported it."""
        self._environment[name] = value

    def _local(self, snippet: Snippet, text: str) -> str:
        return text.replace("8080", self._port) if snippet.how != "cluster" else text

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        script = (
            f"set -euo pipefail; if [ -f {self._state} ]; then . {self._state}; fi\n"
            f"{command}\nexport -p > {self._state}\n"
        )
        return subprocess.run(
            ["bash", "-c", script], cwd=self._folder, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=DEADLINE_S, check=False,
        )  # fmt: skip

    def _start(self, snippet: Snippet) -> None:
        log = self._folder / f".log-{len(self._running)}"
        with log.open("w") as sink:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {self._local(snippet, snippet.text)}"],
                cwd=self._folder, env=self._environment, text=True,
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._running.append(process)
        end = time.monotonic() + DEADLINE_S
        while "ready" not in log.read_text().splitlines():
            if process.poll() is not None or time.monotonic() > end:
                raise Astray(f"{snippet}: not ready:\n{log.read_text()}")
            time.sleep(0.05)

    def close(self) -> None:
        """End what runs in the background, as Ctrl-C does; it has to end well."""
        for process in self._running:
            process.send_signal(signal.SIGINT)
        statuses = [process.wait(timeout=DEADLINE_S) for process in self._running]
        if any(statuses):
            raise Astray(f"ended with {statuses} after Ctrl-C")


@contextmanager
def walking(environment: Mapping[str, str]) -> Iterator[Walk]:
    """A walk in a copy of what pages speak of; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="pointsman-walk-") as name:
        for part in COPIED:
            shutil.copytree(ROOT / part, Path(name) / part)
        walk = Walk(Path(name), environment)
        try:
            yield walk
        finally:
            walk.close()


def take_all(page: Path, how: str, walk: Walk, before: Callable[[Snippet], None]) -> int:
    """Run the page's blocks of one place in order; how many there were."""
    found = [one for one in snippets(page) if one.how.partition(" ")[0] == how]
    for snippet in found:
        before(snippet)
        began = time.monotonic()
        walk.take(snippet)
        print(f"{snippet}: {time.monotonic() - began:.1f} s", flush=True)
    return len(found)


def local_environment() -> dict[str, str]:
    """The venv's commands first."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}
