"""mkdocs-material by its own lock, in an environment outside the tree: users do not install it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).with_name("requirements.lock")
_PATIENCE_S: Final = 900


class NoSite(Exception):
    """The site cannot be built here; the message says why."""


def installed() -> Path:
    """The environment's Python; the first call installs it (a minute). Raises NoSite."""
    digest = hashlib.sha256(sys.version.encode() + LOCK.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pointsman" / "site" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command: list[str | Path] = [
        folder / "bin" / "python", "-m", "pip", "install", "--quiet",
        "--disable-pip-version-check", "--require-hashes", "-r", LOCK,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise NoSite("pip took longer than 15 minutes") from None
    if done.returncode:
        raise NoSite(f"pip ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    (folder / "complete").touch()
