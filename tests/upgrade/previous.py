"""The last release as it was: its sources, its charts, its programs in an environment of their own.

Built once, into a cache outside the tree, keyed by the commit and by what it stands on. Where all
its locked dependencies are this tree's as well, it borrows them: then no registry is asked.
"""

import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.upgrade import last

LOCK = "requirements.lock"
_NO_INTERNET = "the dependencies of the last release could not be installed"


@dataclass(frozen=True, slots=True)
class Release:
    """One version that can be run."""

    name: str
    source: Path
    python: Path

    @property
    def programs(self) -> Path:
        """The folder of its console scripts."""
        return self.python.parent

    @property
    def charts(self) -> Path:
        """The folder of its two charts."""
        return self.source / "charts"


def this() -> Release:
    """The tree as it is, with the environment that runs the tests."""
    return Release("next", last.ROOT, Path(sys.executable))


def build() -> Release:
    """The last release; raises NoRelease with what to do."""
    commit = last.known(last.commit())
    folder = _folder(commit)
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "lock"):
        if not (folder / "built").exists():
            _make(commit, folder)
            (folder / "built").touch()
    return Release("released", folder / "source", folder / "venv" / "bin" / "python")


def _folder(commit: str) -> Path:
    stands_on = f"{sys.prefix} {sys.version} {(last.ROOT / LOCK).read_text()}"
    key = hashlib.sha256(f"{commit} {stands_on}".encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pointsman" / "releases" / f"{commit[:12]}-{key}"


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(commit: str, folder: Path) -> None:
    source, venv = folder / "source", folder / "venv"
    for half in (source, venv):
        shutil.rmtree(half, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(last.git("archive", "--format=tar", commit))) as archive:
        archive.extractall(source, filter="data")
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    own = Path(
        _said(venv / "bin" / "python", "import sysconfig; print(sysconfig.get_path('purelib'))")
    )
    if pins((source / LOCK).read_text()) <= pins((last.ROOT / LOCK).read_text()):
        # Its .pth files are not followed from here: of this tree nothing comes along.
        (own / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    else:
        try:
            _pip(venv, "--require-hashes", "-r", str(source / LOCK))
        except last.NoRelease as error:
            raise last.NoRelease(f"{_NO_INTERNET}: {error}") from error
    _pip(venv, "--no-deps", "--no-build-isolation", str(source))


def pins(lock: str) -> frozenset[str]:
    """Each package and its version."""
    return frozenset(re.findall(r"^\S+==[^\s;]+", lock, re.MULTILINE))


def _pip(venv: Path, *arguments: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    python = str(venv / "bin" / "python")
    _run(sys.executable, "-m", "pip", "--python", python, "install", *quiet, *arguments)


def _said(*command: str | Path) -> str:
    python, script = command
    return _run(str(python), "-c", str(script)).strip()


def _run(*command: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean, timeout=900, cwd="/"
    )
    if done.returncode:
        raise last.NoRelease(f"{' '.join(command[:6])} ...: {done.stderr.strip()[-2000:]}")
    return done.stdout
