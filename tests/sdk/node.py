"""Node and packages of npm: installed once, by their lock, into a cache outside the tree.

The lock holds versions and hashes, no addresses: npm asks the registry it is set up with.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).with_name("node")
FILES = ("package.json", "package-lock.json", ".npmrc")


class NoNode(Exception):
    """The npm SDK cannot be used here; the message says why."""


def _programs() -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoNode("node and npm are not installed")
    return node, npm


def installed(project: Path = PROJECT) -> Path:
    """The folder with `node_modules` of this project; the first call installs it (seconds)."""
    node, npm = _programs()
    version = subprocess.run([node, "--version"], check=True, capture_output=True).stdout
    digest = hashlib.sha256(version)
    for name in FILES:
        digest.update((project / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pointsman" / "sdk" / digest.hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(npm, project, folder)
    return folder


def _install(npm: str, project: Path, folder: Path) -> None:
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for name in FILES:
        shutil.copy(project / name, half / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, check=False, cwd=half, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        raise NoNode("npm ci took longer than 5 minutes") from None
    if done.returncode:
        raise NoNode(f"npm ci ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    half.rename(folder)


class NodeProcess:
    """`run.mjs`, which answers each line with a line."""

    def __init__(self) -> None:
        node, _ = _programs()
        self._process = subprocess.Popen(
            [node, PROJECT / "run.mjs", installed()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> str:
        """Blocks until it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "node has ended; its words are above"
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
