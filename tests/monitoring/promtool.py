"""promtool: of the system, or out of Debian's package `prometheus`, unpacked into the cache.

Nothing is installed: no service starts. Raises NoPromtool where neither is possible.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.perf.generator import cache


class NoPromtool(Exception):
    """The message says why."""


def promtool() -> Path:
    """The program's path; the first time it takes half a minute."""
    found = shutil.which("promtool")
    if found is not None:
        return Path(found)
    kept = cache() / "promtool"
    if kept.exists():
        return kept
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoPromtool("promtool is not installed, and this is no Debian")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            _run("apt-get", "-q", "update", folder=folder)
        _run("apt-get", "-q", "download", "prometheus", folder=folder)
        (package,) = Path(folder).glob("prometheus_*.deb")
        _run("dpkg-deb", "-x", package.name, "unpacked", folder=folder)
        half = kept.with_name(f"promtool.{os.getpid()}")
        shutil.copy2(Path(folder) / "unpacked" / "usr" / "bin" / "promtool", half)
        half.rename(kept)
    return kept


def _run(*command: str, folder: str) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=300, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise NoPromtool(f"{' '.join(command[:2])} took longer than 5 minutes") from None
    if done.returncode:
        raise NoPromtool(f"{' '.join(command[:3])}: {done.stderr.strip()[-500:]}")
