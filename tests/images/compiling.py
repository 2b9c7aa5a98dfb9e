"""Our wheel with its request path compiled, as the Dockerfile's first stage makes it.

A root with the image's own Python and a compiler beside it, entered by `chroot`: needs root and
unshare. What runs in it is of this machine's processor: for another one that is Debian's cross
compiler of the same version, with the flags and names that Python has there. Raises
CalledProcessError.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from images import assemble, debian

ROOT: Final = Path(__file__).parents[2]
HEADERS: Final = f"libpython{debian.PYTHON}-dev"
PACKAGES: Final = ("binutils", "gcc", "libc6-dev", HEADERS)
LOCKS: Final = ("images/router.lock", "requirements-build.lock")
"""The compiler reads the types of what the router stands on."""
_SITE: Final = "opt/build"
_INSIDE: Final = """
set -e
mount --bind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount --bind "$SOURCES" "$ROOT/src"
mount --bind "$WHEELS" "$ROOT/wheels"
exec env -i PATH=/usr/sbin:/usr/bin HOME=/tmp PYTHONPATH=/opt/build PYTHONDONTWRITEBYTECODE=1 \
  $AS_IF POINTSMAN_COMPILE=require SOURCE_DATE_EPOCH="$EPOCH" chroot "$ROOT" python3 -c "$PROGRAM"
"""
_PROGRAM: Final = """
import os, sys
os.chdir("/src")
sys.argv = ["hatchling", "build", "-t", "wheel", "-d", "/wheels"]
from hatchling.cli import hatchling
sys.exit(hatchling())
"""


def lacking() -> str:
    """Why no wheel can be compiled here; empty if one can."""
    if os.geteuid():
        return "only root can enter the root with the compiler"
    return "" if shutil.which("unshare") else "unshare is not installed"


def packages(processor: str) -> tuple[str, ...]:
    """What the root has beside the image's packages; for another processor also what runs it."""
    if processor == assemble.processor_here():
        return PACKAGES
    compiler = f"gcc-{_triplet(processor).replace('_', '-')}"
    return (compiler, f"{HEADERS}:{processor}", "qemu-user")


def lay_out(folder: Path, processor: str) -> None:
    """Make the root that `compile_into` enters; half a minute and 0.5 GB."""
    here = assemble.processor_here()
    debian.unpack(folder, processor=here, beside=packages(processor))
    for path in set((folder / "usr/bin").glob("qemu-*")) - {emulator(folder, processor)}:
        path.unlink()
    for name in (_SITE, "src", "wheels", "proc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    told = [part for lock in LOCKS for part in ("-r", str(ROOT / lock))]
    arguments = ["--no-compile", "--require-hashes", "--ignore-requires-python", *told]
    command = assemble.pip("install", *arguments, "--target", str(folder / _SITE), processor=here)
    subprocess.run(command, check=True, timeout=900)


def emulator(root: Path, processor: str) -> Path:
    """What runs programs of another processor, in a root of `lay_out`; needs no libraries."""
    return root / f"usr/bin/qemu-{assemble.PROCESSORS[processor]}"


def strip(root: Path, processor: str) -> list[str]:
    """The command that takes symbols out of another processor's libraries, in such a root."""
    here = _triplet(assemble.processor_here())
    loader = next((root / "usr/lib" / here).glob("ld-linux-*.so.*"))
    program = root / f"usr/bin/{_triplet(processor)}-strip"
    return [str(loader), "--library-path", str(loader.parent), str(program)]


def compile_into(
    wheels: Path, *, root: Path, processor: str, sources: Iterable[str], epoch: int
) -> None:
    """Put the wheel of these files and folders of the tree into `wheels`; a minute and a half."""
    copied = wheels / "sources"
    copied.mkdir()
    for name in sources:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(place, copied / name)
    told = {
        "ROOT": str(root),
        "SOURCES": str(copied),
        "WHEELS": str(wheels),
        "EPOCH": str(epoch),
        "AS_IF": " ".join(_as_if(processor)),
        "PROGRAM": _PROGRAM,
    }
    command = ["unshare", "--mount", "--pid", "--fork", "bash", "-c", _INSIDE]
    subprocess.run(command, env=os.environ | told, check=True, stdout=sys.stderr, timeout=1200)
    shutil.rmtree(copied)


def _as_if(processor: str) -> list[str]:
    """Environment in which Python names the compiler, flags and suffixes of another processor."""
    if processor == assemble.processor_here():
        return []
    return [
        f"_PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__{_triplet(processor)}",
        f"_PYTHON_HOST_PLATFORM=linux-{assemble.PROCESSORS[processor]}",
    ]


def _triplet(processor: str) -> str:
    """As folders and programs of Debian are named after it; packages have hyphens only."""
    return f"{assemble.PROCESSORS[processor]}-linux-gnu"
