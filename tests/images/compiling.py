"""Our wheel with its request path compiled, as the Dockerfile's first stage makes it.

A root with the image's own Python and a compiler beside it, entered by `chroot`: needs root and
unshare, and only this machine's processor can be compiled for. Raises CalledProcessError.
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
PACKAGES: Final = ("binutils", "gcc", "libc6-dev", f"libpython{debian.PYTHON}-dev")
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
  POINTSMAN_COMPILE=require SOURCE_DATE_EPOCH="$EPOCH" chroot "$ROOT" python3 -c "$PROGRAM"
"""
_PROGRAM: Final = """
import os, sys
os.chdir("/src")
sys.argv = ["hatchling", "build", "-t", "wheel", "-d", "/wheels"]
from hatchling.cli import hatchling
sys.exit(hatchling())
"""


def is_possible(processor: str) -> bool:
    """Whether a wheel for it can be compiled here."""
    here = processor == assemble.processor_here()
    return here and os.geteuid() == 0 and shutil.which("unshare") is not None


def lay_out(folder: Path, processor: str) -> None:
    """Make the root that `compile_into` enters; half a minute and 0.4 GB."""
    debian.unpack(folder, processor=processor, beside=PACKAGES)
    for name in (_SITE, "src", "wheels", "proc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    told = [part for lock in LOCKS for part in ("-r", str(ROOT / lock))]
    arguments = ["--no-compile", "--require-hashes", "--ignore-requires-python", *told]
    command = assemble.pip(
        "install", *arguments, "--target", str(folder / _SITE), processor=processor
    )
    subprocess.run(command, check=True, timeout=900)


def compile_into(wheels: Path, *, root: Path, sources: Iterable[str], epoch: int) -> None:
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
        "PROGRAM": _PROGRAM,
    }
    command = ["unshare", "--mount", "--pid", "--fork", "bash", "-c", _INSIDE]
    subprocess.run(command, env=os.environ | told, check=True, stdout=sys.stderr, timeout=1200)
    shutil.rmtree(copied)
