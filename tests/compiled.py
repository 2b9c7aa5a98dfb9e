"""`python -m tests.compiled [ARGUMENTS]`: run Python with the compiled code, as wheels have it.

`-m pytest tests/router` runs tests on it, `-m tests.perf.inprocess` measures it; without arguments
its folder is printed. Built by hatch_build.py into a cache outside the tree: the same sources and
tools give the same folder, and a half-built one is never seen. Raises CalledProcessError if it
cannot be built.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import hatch_build

from tests.perf.generator import cache

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """What is compiled."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[str] = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"][
        "modules"
    ]
    return found


def folder() -> Path:
    """Where it is, built or not."""
    told = (sys.version, version("mypy"), version("setuptools"), modules())
    digest = hashlib.sha256(repr(told).encode())
    sources = [path for root in hatch_build.ROOTS for path in (ROOT / root).rglob("*.py")]
    for path in (ROOT / "hatch_build.py", *sorted(sources)):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return cache() / "compiled" / digest.hexdigest()


def build() -> Path:
    """The folder for PYTHONPATH; a minute of CPU, once for each state of the sources."""
    there = folder()
    if there.exists():
        return there
    print("compiling the request path ...", file=sys.stderr, flush=True)
    there.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(dir=there.parent))
    try:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(half)],
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
            env=os.environ | {"POINTSMAN_COMPILE": "require"},
            timeout=550,
        )
        (wheel,) = half.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(half)
        wheel.unlink()
        if not there.exists():  # else another process was faster
            half.rename(there)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return there


def environment() -> dict[str, str]:
    """Of a process that runs the compiled code."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{build()}:{before}" if before else str(build())}


def main() -> None:
    """Print, or become Python."""
    if len(sys.argv) == 1:
        print(build())
    else:
        arguments = [sys.executable, *sys.argv[1:]]
        os.execve(sys.executable, arguments, os.environ | environment())


if __name__ == "__main__":
    main()
